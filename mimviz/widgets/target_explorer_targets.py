"""The targets that an explorer can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import recipes
from ..core.words import label
from ..grammar import Frozen, MaskedModel
from ..grammar import targets as words
from ..vit import Encoder
from ..zoo import bundled, load_encoder
from .given import many

Maker = Callable[[Encoder], Any]


def _features(name: str) -> Maker:
    return lambda encoder: words.Features(Frozen(load_encoder(name), student=encoder))


MENU: dict[str, Maker] = {
    "pixels": lambda encoder: words.Pixels(encoder.grid, normalize=False),
    "normalized patches": lambda encoder: words.Pixels(encoder.grid),
    "low-pass pixels": lambda encoder: words.LowPass(encoder.grid, normalize=False),
    "colour indices": lambda encoder: words.NDI(encoder.grid, encoder.mean, encoder.std),
    "HOG": lambda encoder: words.HOG(encoder.grid),
    "k-means codes": lambda encoder: words.Codes.by_kmeans(encoder.grid, mean=encoder.mean, std=encoder.std),
    **{f"features of {name}": _features(name) for name in bundled()},
}
"""{name: how it is made for an encoder}."""
TARGETS = ("pixels", "normalized patches", "HOG", "k-means codes", "features of tiny", "features of tiny-classifier")


def named(targets: Any) -> dict[str, Maker]:
    """{name: maker} of whatever was given, in order. ValueError for a name that there is not, and for one that comes twice."""
    given = list(targets.items()) if isinstance(targets, Mapping) else [(_name(each), each) for each in many(targets)]
    if not given:
        raise ValueError("no target is given, but at least one is wanted")
    made: dict[str, Maker] = {}
    for name, each in given:
        if name in made:
            raise ValueError(f"two targets are called {name!r}: give a dict {{name: target}}")
        made[str(name)] = _maker(each)
    return made


def _name(target: Any) -> str:
    if isinstance(target, str):
        return target
    return str(getattr(target, "name", "") or label(target))


def _maker(target: Any) -> Maker:
    if isinstance(target, str):
        if target in MENU:
            return MENU[target]
        if target in recipes.__all__:
            return lambda encoder: _target(getattr(recipes, target)(encoder))
        raise ValueError(
            f"there is no target {target!r}; there are {', '.join(MENU)}, and those of recipes: {', '.join(recipes.__all__)}"
        )
    if isinstance(target, MaskedModel):
        return lambda _: _target(target)
    if not callable(target):
        raise TypeError(f"a target is {type(target).__name__}, but a name, a masked model or a target word is wanted")
    return lambda _: target


def _target(model: Any) -> Any:
    """A recipe's own word, which keeps its teacher."""
    return model.eval().target
