"""A removal, step by step: the pictures that the model really gets, and what it says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from ..core import Picture
from ..judges import Board, removal
from ..judges._asking import read, seen
from ..judges._scenes import asked
from ..vit import class_names

MOST = 33  # frames of a film


@dataclass(frozen=True)
class Still:
    """share 0..1 that is hidden, the target's probability, the three best classes and theirs, and the picture."""

    share: float
    score: float
    top: list[tuple[str, float]]
    picture: Picture


@dataclass(frozen=True)
class Film:
    """`exact`: whether the stills are what the model gets; tokens that are left out can only be painted grey."""

    name: str
    exact: bool
    stills: list[Still]

    def told(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        """(JSON for the browser, the bytes before with these pictures behind them)."""
        frames = []
        for still in self.stills:
            png = still.picture.to_png()
            frames.append({
                "share": still.share, "score": still.score, "top": still.top, "start": len(data), "size": len(png),
            })  # fmt: skip
            data += png
        size = {"height": self.stills[0].picture.height, "width": self.stills[0].picture.width} if self.stills else {}
        return {"name": self.name, "exact": self.exact, "frames": frames, **size}, data


def film(board: Board, method: str, judge: str, picture: int) -> list[Film]:
    """With the judge's own operator and, beside it, in-painted; [] where the judge takes nothing away step by step."""
    word = board.judges[judge]
    if not hasattr(word, "frames"):
        return []
    films = [_filmed(board, word, method, picture, _named(word.removal))]
    if not isinstance(word.removal, removal.Inpaint):
        painted = next(
            (j.removal for j in board.judges.values() if isinstance(getattr(j, "removal", None), removal.Inpaint)), None
        )
        films.append(_filmed(board, replace(word, removal=painted or _bundled()), method, picture, "in-painted"))
    return films


@torch.no_grad()
def _filmed(board: Board, word: Any, method: str, picture: int, name: str) -> Film:
    scene, heat = board.scene(picture), board.map(method, picture)
    hidden = replace(word, steps=min(word.steps, MOST - 1)).hidden(scene, heat)  # (S, 1, rows, cols)
    outputs, drawn = seen(scene, hidden, word.removal)
    scores = read(scene, outputs, "probability")[:, 0]
    best = outputs.softmax(-1).topk(min(3, outputs.shape[-1]))
    names, parts = class_names(scene.model), scene.anatomy
    stills = []
    for step, image in enumerate(drawn):
        pairs = zip(best.indices[step].tolist(), best.values[step].tolist(), strict=True)
        top = [((names[i] if names else f"class {i}").split(",")[0], p) for i, p in pairs]
        shown = Picture.from_tensor(image, mean=parts.mean, std=parts.std)
        stills.append(Still(float(hidden[step].float().mean()), float(scores[step]), top, shown))
    return Film(name, bool(word.removal.exact), stills)


def asked_class(scene: Any) -> str:
    """The name of the class that a scene of one picture asks about."""
    (index,) = asked(scene)
    names = class_names(scene.model)
    return names[index].split(",")[0] if names else f"class {index}"


def _named(operator: Any) -> str:
    words = {
        "Fill": "filled",
        "Drop": "tokens left out",
        "Linear": "imputed",
        "Inpaint": "in-painted",
        "Layers": "kept out of layers",
    }
    base = words.get(type(operator).__name__, type(operator).__name__)
    colour = {"mean": "grey", "blur": "a blur"}.get(
        getattr(operator, "baseline", ""), getattr(operator, "baseline", "")
    )
    return f"{base} with {colour}" if colour else base


def _bundled() -> removal.Inpaint:
    from ..zoo import load_mim

    return removal.Inpaint(load_mim("tiny"))
