"""One model of an explorer: the passes it has made, with and without knock-outs, and what they hold."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import nn

from ..core import Grid, Mask, Picture
from ..data import image
from ..vit import Anatomy, Scene, anatomy, class_names, edited
from ..vit.attention import is_read
from ..vit.edit import Where
from ..vit.placing import poolings
from .attention_stack import Stack, patch_of
from .given import many
from .reconstruction import finite

Part = Literal["encoder", "decoder"]
TOP = 5  # classes shown
KEPT = 3  # passes in memory: the untouched one, the newest edit, and the one before it


class Head(NamedTuple):
    """A head that is knocked out."""

    side: int
    part: str
    layer: int
    head: int


@dataclass(frozen=True)
class Edits:
    """What is knocked out: heads of either model, and tokens of all by name: "CLS", "reg 1" or "3,5" (row, column, from 0)."""

    heads: tuple[Head, ...] = ()
    tokens: tuple[str, ...] = ()

    def of(self, side: int) -> Edits:
        """Those that concern one model."""
        return Edits(tuple(each for each in self.heads if each.side == side), self.tokens)


class Side:
    """A model in front of the explorer's picture."""

    def __init__(self, index: int, name: str, model: Any, picture: Picture, mask: Mask | None, first: Side | None):
        self.index, self.name, self.model, self.picture, self.mask = index, name, model, picture, mask
        untouched = self._scene(Edits())
        self.anatomy: Anatomy = untouched.anatomy
        if not self.anatomy.attentions:
            raise TypeError(
                f"{name} ({self.anatomy.family}) has no attention that could be shown: ask its maps or a saliency lens"
            )
        self._scenes = {Edits(): untouched}
        self.names: Grid = (first or self).grid  # patches go by their place in the first model's grid

    @property
    def passes(self) -> int:
        """Passes that are remembered."""
        return sum("_traces" in vars(scene) for scene in self._scenes.values())

    @property
    def device(self) -> str:
        return str(next(self.model.parameters()).device)

    @property
    def parts(self) -> tuple[Part, ...]:
        """ "encoder", and "decoder" where there is one that attends."""
        return ("encoder", "decoder") if self.depth("decoder") else ("encoder",)

    @property
    def heads(self) -> list[int]:
        """Number of heads of every encoder layer."""
        return self.heads_of("encoder")

    def heads_of(self, part: str) -> list[int]:
        """The same of either part."""
        modules: list[Any] = [self._of(part).get_submodule(name) for name in self._names(part)]
        return [int(module.num_heads) for module in modules]

    def depth(self, part: str) -> int:
        """Number of layers; an attention pooling counts as the encoder's last."""
        return len(self._names(part))

    @property
    def front(self) -> tuple[str, ...]:
        """Names of the tokens before the patches: "CLS" (and "distilled"), then "reg 1", "reg 2", …"""
        parts = self.anatomy
        return ("CLS", "distilled")[: parts.class_tokens] + tuple(f"reg {i + 1}" for i in range(parts.registers))

    @property
    def grid(self) -> Grid:
        """The finest grid of patches."""
        return self.anatomy.stages[0]

    def named(self, query: str | tuple[int, int] | None) -> str:
        """The name of a token; unless told the class token, or the patch in the middle. ValueError for one that there is not."""
        rows, cols = self.grid.shape
        if query is None:
            return self.front[0] if self.front else f"{rows // 2},{cols // 2}"
        name = query if isinstance(query, str) else ",".join(str(int(each)) for each in query)
        patch = patch_of(name)
        if name not in self.front and (patch is None or patch[0] >= rows or patch[1] >= cols):
            has = f"{', '.join(self.front)} and patches" if self.front else "patches"
            raise ValueError(
                f"query is {query!r}, but {self.name} has {has} (row, column) of {rows} x {cols}, counted from 0"
            )
        return name

    def scene(self, edits: Edits) -> Scene:
        """One pass under these edits, kept until others push it out."""
        edits = edits.of(self.index)
        made = self._scenes.pop(edits, None) or self._scene(edits)
        for old in [old for old in self._scenes if old != Edits()][: max(0, len(self._scenes) + 1 - KEPT)]:
            del self._scenes[old]
        self._scenes[edits] = made  # the newest stands last
        return made

    def look(self, edits: Edits) -> bool:
        """Make the pass under these edits, if it was not made; whether it was made now."""
        scene = self.scene(edits)
        made = "_traces" not in vars(scene)
        scene.trace  # noqa: B018
        return made

    def stack(self, part: str, edits: Edits) -> Stack:
        """The layers of the encoder or of the decoder."""
        scene = self.scene(edits)
        return Stack(scene.trace if part == "encoder" else scene.decoder_trace, self.names, self.front)

    def describe(self, edits: Edits) -> dict[str, Any]:
        """What a browser needs to know to read the rows."""
        grid = {"rows": self.grid.rows, "cols": self.grid.cols}
        return {
            "name": self.name,
            "parts": {part: {**grid, **self.stack(part, edits).describe()} for part in self.parts},
        }

    def classes(self, edits: Edits) -> list[dict[str, Any]]:
        """The largest classes, and the one that was, with what knocking out has made of them; [] for a model without a head."""
        try:
            before, now = (self.scene(each).logits[0].float().cpu() for each in (Edits(), edits))
        except ValueError:
            return []
        names = class_names(self.model)
        p, q = now.softmax(-1), before.softmax(-1)
        top = dict.fromkeys([*p.topk(min(TOP, len(p))).indices.tolist(), int(q.argmax())])
        return [
            {
                "name": names[i] if names else f"class {i}",
                "p": float(p[i]),
                "before": float(q[i]),
                "logit": float(now[i]),
            }
            for i in top
        ]

    def loss(self, edits: Edits) -> dict[str, float | None]:
        """Of a masked model that hides something, before and with the edits; {} of others."""
        if self.mask is None or not hasattr(self.model, "decoder"):
            return {}
        outcomes: list[Any] = [self.scene(each).trace.logits for each in (Edits(), edits)]
        before, now = (outcome.loss for outcome in outcomes)
        return {"before": finite(before), "now": finite(now)}

    def data(self, part: str, layer: int, query: str, edits: Edits) -> dict[str, Any]:
        """Exact numbers for a file: `attention` (heads, tokens) of the query, and what they belong to."""
        stack = self.stack(part, edits)
        shape, certificate = stack.shapes[layer], stack.layers[layer].certificate
        return {
            "name": self.name, "attention": stack.row(layer, query)[:, 0], "tokens": list(self.front[: shape.front]),
            "rows": shape.rows, "cols": shape.cols, "classes": self.classes(edits),
            "certificate": {"exact": certificate.exact, "error": certificate.error, "scale": certificate.scale},
        }  # fmt: skip

    def forget(self) -> None:
        """Drop all passes: the weights have changed."""
        self._scenes = {Edits(): self._scene(Edits())}

    def _scene(self, edits: Edits) -> Scene:
        mask = self.mask
        if mask is None and hasattr(self.model, "decoder"):
            mask = Mask.none(self.model.grid)
        if edits == Edits():
            return Scene(self.model, self.picture, mask=mask)
        with ExitStack() as stack:
            for part in self.parts:
                heads: dict[Where, list[int]] = {}
                for each in edits.heads:
                    if each.part == part:
                        heads.setdefault(self._where(part, each.layer), []).append(each.head)
                stack.enter_context(
                    edited(self.model, part=part, heads=heads, tokens=self._numbers(part, edits.tokens))
                )
            return Scene(self.model, self.picture, mask=mask)  # it keeps to the edits after this, too

    def _numbers(self, part: str, tokens: tuple[str, ...]) -> dict[Where, list[int]]:
        """{layer: the numbers of these tokens among its keys}, without those that a mask hides."""
        if not tokens:
            return {}
        stack = self.stack(part, Edits())
        return {
            self._where(part, layer): [n for token in tokens for n in stack.keys(layer, token)]
            for layer in range(len(stack.shapes))
        }

    def _where(self, part: str, layer: int) -> Where:
        """As `edited` calls a layer."""
        return "pool" if part == "encoder" and layer == len(self.anatomy.attentions) else layer

    def _of(self, part: str) -> nn.Module:
        return encoder_of(self.model) if part == "encoder" else self.model.decoder

    def _names(self, part: str) -> tuple[str, ...]:
        """Of the modules that attend."""
        if part == "encoder":  # a masked model's tokens go to its decoder, not to a pooling
            pools = poolings(self.model)[:1] if encoder_of(self.model) is self.model else ()
            return (*self.anatomy.attentions, *pools)
        decoder = getattr(self.model, "decoder", None)
        if not isinstance(decoder, nn.Module):
            return ()
        return tuple(name for name, module in decoder.named_modules() if is_read(module))


def sides_of(model: Any, picture: Any, *, compare: Any = None, mask: Mask | None = None) -> tuple[Side, ...]:
    """The models of an explorer in front of one picture; raises TypeError and ValueError for what cannot be shown together."""
    given = [*many(model), *([] if compare is None else [compare])]
    if not 1 <= len(given) <= 2:
        raise ValueError(f"{len(given)} models are given, but one, or two to compare, are wanted")
    models = [opened(each) for each in given]
    sizes = [anatomy(encoder_of(each)).size for each in models]
    if any(height * sizes[0][1] != width * sizes[0][0] for height, width in sizes):
        raise ValueError(
            f"these models see pictures of {sizes[0]} and {sizes[1]} pixels, but one shape is wanted to compare them"
        )
    shown = image(picture, size=sizes[0])
    names = [_name(each) for each in models]
    if len(set(names)) < len(names):
        names = [f"{name} {'AB'[i]}" for i, name in enumerate(names)]
    first = Side(0, names[0], models[0], shown, mask, None)
    return first, *(Side(i, names[i], each, shown, mask, first) for i, each in enumerate(models[1:], 1))


def opened(model: Any) -> Any:
    """A model, or the one that a name stands for: a bundled masked model with its decoder, else whatever `load_vit` opens."""
    if isinstance(model, str):
        from ..zoo import bundled, load_mim, load_vit

        try:
            return load_mim(model) if model in bundled() else load_vit(model)
        except ValueError:  # a bundled classifier
            return load_vit(model)
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is {type(model).__name__}, but a timm ViT, a MaskedModel or the name of one is wanted: "
            "AttentionExplorer(model, picture)"
        )
    return model


def encoder_of(model: Any) -> nn.Module:
    """The timm ViT inside a masked model or an Encoder; a ViT itself."""
    inner = getattr(model, "encoder", model)
    return getattr(inner, "vit", inner)


def _name(model: Any) -> str:
    own = getattr(model, "name", "") or (getattr(model, "pretrained_cfg", None) or {}).get("architecture", "")
    return str(own or type(model).__name__)
