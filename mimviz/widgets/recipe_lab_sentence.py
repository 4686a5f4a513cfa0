"""One sentence of the grammar as plain data: said as Python and built from the same expressions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .. import grammar, recipes
from ..core import drawing
from ..grammar import MaskedModel
from ..vit import encoder
from ..zoo import bundled, load_encoder, load_mim
from .recipe_lab_expression import Call, Name
from .recipe_lab_words import SLOTS, Parameter, bundled_recipes, needs, parameters, score_name, scores, words

OWN = "compose"
"""Stands where the name of a recipe would: the sentence is put together from words."""
GIVEN = "yours"
TRAINED = "tiny"
STARTING = {"dim": 128, "depth": 2, "normalize": False}
"""Where a recipe has such parameters the lab begins with these: the decoder and the target of the bundled model."""
TEACHERS = ("EMA", "Frozen")
FOLDERS = {"where": "where", "how": "how", "decoder": "decoders", "target": "targets", "loss": "losses"}
NAMES = {
    "grid": "encoder.grid", "prefix": "encoder.prefix", "encoder": "encoder", "student": "encoder", "width": "encoder.width",
    "out": "target.width", "vit": "encoder.vit", "teacher": "teacher", "mean": "encoder.mean", "std": "encoder.std",
}  # fmt: skip


def _fresh(name: str, **keywords: Any) -> Call:
    return Call("mv.encoder", encoder, keywords, (name,))


def encoders() -> dict[str, Call]:
    """Encoders by the name that the menu shows: the bundled ones, then small ones without training."""
    made = {name: Call("mv.zoo.load_encoder", load_encoder, {}, (name,)) for name in bundled()}
    return {TRAINED: made.pop(TRAINED), **made} | {
        "small ViT": _fresh("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=4),
        "small ResNet": _fresh(
            "resnet18", img_size=64, layers=(1, 1, 1, 1), channels=(32, 64, 96, 128), output_stride=8
        ),
        "small ConvNeXt": _fresh("convnext_atto", img_size=128),
        "small Hiera": _fresh("hiera_tiny_224", img_size=128, embed_dim=48, stages=(1, 1, 2, 1)),
        "small Swin": _fresh(
            "swin_tiny_patch4_window7_224", img_size=128, window_size=4, embed_dim=48, depths=(1, 1, 2, 1)
        ),
    }


class Unsayable(ValueError):
    """Words that do not go together; the message says why."""


@dataclass(frozen=True)
class Sentence:
    """A recipe with its options, or `recipe="compose"` and a word for every slot: {"where": {"word", "options"}, …}."""

    recipe: str = "mae"
    encoder: str = TRAINED
    options: dict[str, Any] = field(default_factory=dict)
    words: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, said: str | dict | Sentence) -> Sentence:
        """From a recipe's name, or what a browser sends. ValueError for a recipe, an encoder or a word that there is not."""
        if isinstance(said, Sentence):
            return said
        if isinstance(said, str):
            return cls(said, options=started(said)).checked()
        known = {name: said[name] for name in ("recipe", "encoder", "options", "words") if name in said}
        if "options" not in known:
            known["options"] = started(str(known.get("recipe", "mae")))
        return cls(**known).checked()

    def checked(self) -> Sentence:
        if self.recipe not in (OWN, *bundled_recipes()):
            raise ValueError(
                f"there is no recipe {self.recipe!r}; there are {', '.join(bundled_recipes())} and {OWN!r}"
            )
        if self.encoder not in (GIVEN, *encoders()):
            raise ValueError(f"there is no encoder {self.encoder!r}; there are {', '.join(encoders())} and {GIVEN!r}")
        if self.recipe != OWN:
            made = getattr(recipes, self.recipe)
            return replace(self, options=_chosen(made, self.options, self.recipe), words={})
        said = {slot: self.words.get(slot) or DEFAULT[slot] for slot in SLOTS}
        for slot, each in said.items():
            if each["word"] not in words(slot):
                raise ValueError(f"there is no {slot} {each['word']!r}; there are {', '.join(words(slot))}")
            made = words(slot)[each["word"]]
            options = _chosen(made, each["options"] if "options" in each else _started(made), each["word"])
            said[slot] = {"word": each["word"], "options": options}
        if self.needs_teacher(said):
            said["teacher"] = self.words.get("teacher") or {"word": TEACHERS[0], "options": {}}
        return replace(self, options={}, words=said)

    @staticmethod
    def needs_teacher(said: dict[str, dict]) -> bool:
        """Whether one of the words, or one inside them, asks a teacher."""
        for slot in SLOTS:
            make = words(slot)[said[slot]["word"]]
            inner = [_score(each, said[slot]["options"]) for each in parameters(make) if each.scores]
            if any("teacher" in needs(each) for each in (make, *(scores()[name] for name, _ in inner))):
                return True
        return False

    @property
    def key(self) -> str:
        """Equal for equal sentences."""
        return json.dumps([self.recipe, self.encoder, self.options, self.words], sort_keys=True, default=str)

    def steps(self) -> list[tuple[str, Name | Call]]:
        """(name, expression) in order; the last one is the model."""
        given = self.encoder == GIVEN
        begin: list[tuple[str, Name | Call]] = [("encoder", Name("encoder") if given else encoders()[self.encoder])]
        if self.recipe != OWN:
            made = getattr(recipes, self.recipe)
            call = Call(f"mv.recipes.{self.recipe}", made, _differing(made, self.options), (Name("encoder"),))
            return [*begin, ("model", call)]
        if "teacher" in self.words:
            begin.append(("teacher", _teacher(self.words["teacher"]["word"])))
        target, decoder = (self._word(slot) for slot in ("target", "decoder"))
        rest = {slot: self._word(slot) for slot in ("where", "how")} | {
            "target": Name("target"),
            "decoder": Name("decoder"),
        }
        rest["loss"] = self._word("loss")
        if "teacher" in self.words:
            rest["teacher"] = Name("teacher")
        model = Call("mv.MaskedModel", MaskedModel, {**rest, "name": "my sentence"}, (Name("encoder"),))
        return [*begin, ("target", target), ("decoder", decoder), ("model", model)]

    def _word(self, slot: str) -> Call | Name:
        said = self.words[slot]
        make = words(slot)[said["word"]]
        path = f"{FOLDERS[slot]}.{said['word']}"
        if slot == "loss" and not isinstance(make, type):
            return Name(path)
        return Call(path, make, _from_encoder(slot, said["word"], make) | _differing(make, said["options"]))

    def build(self, given: Any = None) -> tuple[MaskedModel, list[str]]:
        """The model in eval mode and, of its parts that come trained, the names; raises what the words raise."""
        names: dict[str, Any] = {"encoder": given, "losses": grammar.losses}
        with drawing(0):
            for name, expression in self.steps():
                names[name] = expression.value(names)
        model = names["model"].eval()
        return model, [TRAINED] if self._takes_decoder(model) else []

    def _takes_decoder(self, model: MaskedModel) -> bool:
        """Gives the bundled model's decoder to a model that can take it: the same words over the same encoder."""
        if self.encoder != TRAINED or not hasattr(model, "decoder"):
            return False
        tiny = load_mim(TRAINED)
        mine, his = model.decoder.state_dict(), tiny.decoder.state_dict()
        same = type(model.decoder) is type(tiny.decoder) and {k: v.shape for k, v in mine.items()} == {
            k: v.shape for k, v in his.items()
        }
        if same and model.target == tiny.target and model.how == tiny.how:
            model.decoder.load_state_dict(his)
            return True
        return False

    def python(self, *, trained: bool, picture: str | None = None, mask: str = "") -> str:
        """The sentence as Python that makes the same model; `trained`: its decoder is the bundled one.

        picture, mask (as run lengths): with them the outcome is made as well.
        """
        lines = ["import torch", "import mimviz as mv"]
        said = self.steps()
        text = "\n".join(f"{name} = {expression!r}" for name, expression in said if repr(expression) != name)
        used = [name for name in ("decoders", "how", "losses", "targets", "where") if f"{name}." in text]
        used += [name for name in TEACHERS if f"{name}(" in text]
        if used:
            lines.append(f"from mimviz.grammar import {', '.join(sorted(used))}")
        if self.encoder == GIVEN:
            lines.append("# encoder: the one that you gave to the lab")
        lines += ["", "torch.manual_seed(0)", text]
        if trained:
            lines.append(f'model.decoder.load_state_dict(mv.load_mim("{TRAINED}").decoder.state_dict())')
        if mask:
            shown = f"mv.image({picture!r})" if picture else 'mv.image("cat")  # the lab shows a picture of yours'
            lines += [
                "",
                f"picture = {shown}",
                f"mask = mv.Mask.from_rle({mask!r})",
                "outcome = model.reconstruct(picture, mask)",
            ]
        return "\n".join(lines)


DEFAULT: dict[str, dict[str, Any]] = {
    "where": {"word": "Highest", "options": {}},
    "how": {"word": "Drop", "options": {}},
    "decoder": {"word": "Transformer", "options": {"dim": 128, "depth": 2}},
    "target": {"word": "Pixels", "options": {"normalize": False}},
    "loss": {"word": "squared", "options": {}},
}
"""Where composing begins: the bundled model, word for word."""


def started(recipe: str) -> dict[str, Any]:
    """The options with which the lab begins a recipe."""
    return _started(getattr(recipes, recipe)) if recipe in bundled_recipes() else {}


def _started(make: Callable) -> dict[str, Any]:
    able = {each.name for each in parameters(make)}
    return {name: value for name, value in STARTING.items() if name in able}


def _teacher(word: str) -> Call:
    make = getattr(grammar, word)
    if word == "Frozen":
        looked_at = Call("mv.zoo.load_encoder", load_encoder, {}, ("tiny-classifier",))
        return Call(word, make, {"student": Name("encoder")}, (looked_at,))
    return Call(word, make, {}, (Name("encoder"),))


def _from_encoder(slot: str, word: str, make: Callable) -> dict[str, Name]:
    """What a word needs and the sentence has."""
    found = {}
    for name in needs(make):
        if name not in NAMES:
            raise Unsayable(
                f"{word} wants {name!r}, which a sentence of plain words does not have: it belongs to the recipe that brings it"
            )
        found[name] = Name("encoder.content_width" if (slot, name) == ("how", "width") else NAMES[name])
    return found


def _differing(make: Callable, options: dict[str, Any]) -> dict[str, Any]:
    """What is said otherwise than its default, as Python takes it."""
    said = {}
    for each in parameters(make):
        value = options.get(each.name, each.default)
        if each.scores:
            name, inner = _score(each, options)
            made = scores()[name]
            keywords = _from_encoder("where", name, made) | _differing(made, inner)
            if keywords or made is not type(each.default):
                said[each.name] = Call(f"where.{name}", made, keywords)
        elif value != each.default:
            said[each.name] = value
    return said


def _score(parameter: Parameter, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The word that ranks the patches, and its own options."""
    value = options.get(parameter.name)
    return (value["word"], value.get("options", {})) if value else (score_name(parameter.default), {})


def _chosen(make: Callable, options: dict[str, Any], word: str) -> dict[str, Any]:
    """The options with the types that their defaults have; ValueError for one that the word has not."""
    able = {each.name: each for each in parameters(make)}
    for name in options:
        if name not in able:
            raise ValueError(f"{word} has no option {name!r} to choose; it has {', '.join(able) or 'none'}")
    return {name: _typed(able[name], value, word) for name, value in options.items()}


def _typed(parameter: Parameter, value: Any, word: str) -> Any:
    default = parameter.default
    try:
        if parameter.scores:
            said: dict[str, Any] = {"word": value} if isinstance(value, str) else value
            name = said.get("word") or score_name(default)
            if name not in scores():
                raise ValueError(f"there are {', '.join(scores())}")
            return {"word": name, "options": _chosen(scores()[name], said.get("options", {}), name)}
        if parameter.choices:
            if value not in parameter.choices:
                raise ValueError(f"there are {', '.join(map(repr, parameter.choices))}")
            return value
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(type(default[0])(part) for part in parts)
        return type(default)(round(value)) if type(default) is int else type(default)(value)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(
            f"{parameter.name} of {word} is {value!r}, but a value like {default!r} is wanted ({error})"
        ) from error
