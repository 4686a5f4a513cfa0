"""What a judge asks of a scene: its score without some patches, and the order in which a map names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, cast

import torch
from torch import Tensor

from ..core import Heatmap, seeded
from ..vit import Scene
from .removal.painting import passed

Scale = Literal["probability", "logit", "log-odds"]
Unit = Literal["patch", "pixel"]
CELLS = 2**22  # masks of one batch, in numbers


class Removal(Protocol):
    """See `mimviz.judges.removal`."""

    exact: ClassVar[bool]

    def outputs(self, scene: Scene, hidden: Tensor) -> Tensor: ...
    def pictures(self, scene: Scene, hidden: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a film: `share` 0..1 of the cells is hidden, `hidden` (B, rows, cols), `score` (B,), and the `pictures`
    (B, 3, H, W), normalized."""

    share: float
    hidden: Tensor
    score: Tensor
    pictures: Tensor


def read(scene: Scene, outputs: Tensor, scale: Scale) -> Tensor:
    """(K · B, classes) → (K, B): the score of the scene's target, in float32."""
    if callable(scene.target):
        return scene.target(outputs).reshape(-1, len(scene)).float()
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "logit": lambda x: x,
        "probability": lambda x: x.softmax(-1),
        "log-odds": lambda x: x.log_softmax(-1) - (-x.log_softmax(-1).exp()).log1p(),
    }
    if scale not in changes:
        raise ValueError(f"scale is {scale!r}, but {', '.join(map(repr, changes))} is wanted")
    return scene._scorer(changes[scale](outputs.float())).reshape(-1, len(scene))


@torch.no_grad()
def without(scene: Scene, hidden: Tensor, removal: Removal, scale: Scale = "probability") -> Tensor:
    """hidden (K, B, rows, cols) → (K, B): the target's score with these cells taken away."""
    size = max(CELLS // hidden[0].numel(), 1)
    return torch.cat([read(scene, removal.outputs(scene, part), scale) for part in hidden.split(size)])


def seen(scene: Scene, hidden: Tensor, removal: Removal) -> tuple[Tensor, Tensor]:
    """hidden (K, B, rows, cols) → what the model says (K · B, classes), and the pictures (K · B, 3, H, W), each painted once."""
    pictures = removal.pictures(scene, hidden)
    return (passed(scene, pictures) if removal.exact else removal.outputs(scene, hidden)), pictures


def fitting(scene: Scene, heat: Heatmap) -> None:
    """ValueError for a map of other pictures than the scene's."""
    if len(heat.values) != len(scene):
        raise ValueError(
            f"the map is of {len(heat.values)} pictures, but the scene has {len(scene)}: judge a map in its own scene"
        )


def cells(scene: Scene, heat: Heatmap, unit: Unit) -> Tensor:
    """(B, rows, cols): the map as a number for each patch (the mean of its pixels) or for each pixel."""
    values, grid = heat.values.to(scene.images.device).float(), scene.grid
    fitting(scene, heat)
    H, W = scene.images.shape[-2:]
    if unit == "patch":
        if tuple(values.shape[1:]) == grid.shape:
            return values
        if tuple(values.shape[1:]) == (H, W):
            return grid.patchify(values[:, None, : grid.height, : grid.width]).mean(-1).reshape(-1, *grid.shape)
        return torch.nn.functional.adaptive_avg_pool2d(values[:, None], grid.shape)[:, 0]
    if unit != "pixel":
        raise ValueError(f"unit is {unit!r}, but 'patch' or 'pixel' is wanted")
    return torch.nn.functional.interpolate(values[:, None], (H, W), mode="nearest")[:, 0]


def order(values: Tensor, *, seed: int = 0) -> Tensor:
    """(B, rows, cols) → (B, N): cells from the highest down; equal ones in an order that `seed` draws, not from the left."""
    flat = values.flatten(1)
    shuffled = torch.rand(flat.shape[1], generator=seeded(seed)).argsort().to(flat.device)
    return shuffled[flat[:, shuffled].argsort(dim=1, descending=True, stable=True)]


def rank(values: Tensor, *, seed: int = 0) -> Tensor:
    """(B, rows, cols): 0 for the cell that `order` names first."""
    return order(values, seed=seed).argsort(dim=1).reshape(values.shape)


def counts(cells: int, steps: int) -> Tensor:
    """(S + 1,): how many cells are gone at each of `steps` equal steps, from none to all."""
    if steps < 1:
        raise ValueError(f"steps is {steps}, but at least 1 is wanted")
    return torch.linspace(0, cells, min(steps, cells) + 1).round().long()


def frames(scene: Scene, hidden: Tensor, removal: Removal, scale: Scale) -> Iterator[Frame]:
    """One after another, for who wants to look: hidden (K, B, rows, cols)."""
    for each in hidden:
        outputs, pictures = seen(scene, each[None], removal)
        yield Frame(float(each.float().mean()), each, read(scene, outputs, scale)[0], pictures)


def lens_of(heat: Heatmap, judge: object) -> Callable[[Scene], Heatmap]:
    """The method that made the map, for judges that must ask it again."""
    if not callable(heat.by):
        raise TypeError(f"{judge} asks the method again, but this map was made by {heat.by!r}, which is no lens")
    return cast(Callable[[Scene], Heatmap], heat.by)
