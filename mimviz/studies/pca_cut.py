"""Learning by Reconstruction Produces Uninformative Features For Perception. Balestriero, LeCun. ICML 2024. arXiv 2402.11337.

A set of pictures cut in two along its PCA: the top axes hold most of the variance, which is what reconstruction learns first, the
bottom ones the rest, and a small network is asked how well each half tells the classes apart (section 2). Projections, the
normalization of each projected picture by its own spread, and max-pooled features are read beside the authors' code
(RandallBalestriero/LearningByReconstruction, `classification_pca.py`); theirs are a ResNet-9, 50 epochs of augmented pictures
of equal contrast and squared error; here it is a smaller conv net, cross entropy, and pictures as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..core import Picture
from ..data import Dataset
from ._conv_probe import accuracy, evened, trained
from ._rows import moments, principal_axes, rows_of

Part = Literal["top", "bottom"]


@dataclass(frozen=True, eq=False)
class PCACut:
    """`PCACut.of(images)`: axes (D, D) as rows, the strongest first, and the variance (D,) of the pictures along each.

    shape: (3, H, W) of a picture; mean (D,). A cut at k leaves the first k axes to `top` and all others to `bottom`.
    """

    axes: Tensor
    variances: Tensor
    mean: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, images: Tensor) -> PCACut:
        """images: uint8 (N, 3, H, W), or float. Some seconds for pictures of 32 × 32; the time grows with (3 H W)³."""
        mean, covariance = moments(rows_of(images))
        return cls(*principal_axes(covariance), mean, tuple(images.shape[1:]))  # type: ignore[arg-type]

    @property
    def shares(self) -> Tensor:
        """(D + 1,): the share of the variance that the first 0, 1, …, D axes hold, 0..1."""
        return torch.cat([torch.zeros(1).double(), self.variances.cumsum(0) / self.variances.sum()])

    def count(self, share: float) -> int:
        """The fewest axes that hold at least this share of the variance."""
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share}, but a share of the variance of 0..1 is wanted")
        return min(int(torch.searchsorted(self.shares, share - 1e-12)), len(self.axes))

    def cut_at(self, share: float, part: Part) -> int:
        """Where to cut so that this part holds the share: at least of the top, at most of the bottom."""
        if part not in ("top", "bottom"):
            raise ValueError(f"part is {part!r}, but 'top' or 'bottom' is wanted")
        return self.count(share if part == "top" else 1 - share)

    def top(self, images: Tensor, k: int) -> Tensor:
        """(N, 3, H, W), float: pictures on the first k axes, the mean picture added. IndexError for axes that there are not."""
        if not 0 <= k <= len(self.axes):
            raise IndexError(f"k is {k}, but there are {len(self.axes)} axes: 0..{len(self.axes)}")
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"pictures are {tuple(images.shape[1:])}, but the cut is of pictures of {self.shape}")
        axes = self.axes[:k]
        return ((rows_of(images) - self.mean) @ axes.T @ axes + self.mean).float().unflatten(1, self.shape)

    def bottom(self, images: Tensor, k: int) -> Tensor:
        """What `top` leaves out, on the mean picture."""
        mean = self.mean.float().unflatten(0, self.shape)
        return rows_of(images).float().unflatten(1, self.shape) - self.top(images, k) + mean

    def half(self, images: Tensor, k: int, part: Part) -> Tensor:
        """`top` or `bottom`."""
        return self.top(images, k) if part == "top" else self.bottom(images, k)

    def picture(self, image: Tensor, k: int, part: Part) -> Picture:
        """Of one picture (3, H, W) or (1, 3, H, W), to look at; what lies beyond 0..1 is clipped."""
        shown = self.half(image.reshape(1, *self.shape), k, part)[0]
        return Picture(shown.permute(1, 2, 0).clamp(0, 1).numpy())


@dataclass(frozen=True)
class Probed:
    """One trained probe: which part of the cut at `k` it saw, the share of the variance in it, and how often it was right."""

    part: Part
    k: int
    share: float
    accuracy: float
    seed: int = 0


def probing(
    train: Dataset, held: Dataset, *, shares: Sequence[float] = (0.5, 0.75, 0.9, 0.95), parts: Sequence[Part] = ("top", "bottom"),
    seeds: Sequence[int] = (0,), cut: PCACut | None = None, width: int = 32, steps: int = 300, batch: int = 64, lr: float = 3e-3,
) -> Iterator[Probed]:  # fmt: skip
    """Yields a Probed for every share of the variance, part and seed: a small conv net trained on that part of `train` alone and
    asked about that part of `held`. Stop whenever you like.

    The top holds at least each share, the bottom at most it. cut: a PCA that is known already, of `train` unless given. width: of
    the network; steps, batch, lr: of its training.
    """
    cut = PCACut.of(train.images) if cut is None else cut
    for share in shares:
        for part in parts:
            k = cut.cut_at(share, part)
            inside = float(cut.shares[k]) if part == "top" else 1 - float(cut.shares[k])
            seen, asked = (evened(cut.half(each.images, k, part)) for each in (train, held))
            centre = seen.mean(0)
            for seed in seeds:
                net = trained(
                    seen - centre, train.labels, classes=len(train.classes), width=width, steps=steps, batch=batch, lr=lr,
                    seed=seed,
                )  # fmt: skip
                yield Probed(part, k, inside, accuracy(net, asked - centre, held.labels), seed)
