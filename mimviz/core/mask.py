"""Which patches the model may not see, and which it has to predict."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import mask_file

if TYPE_CHECKING:
    from .grid import Grid


@dataclass(frozen=True, eq=False)
class Mask:
    """Two facts about every patch: `hidden` and `predict`, boolean (B, N), N row by row.

    True means hidden, or to be predicted (as Hugging Face's `bool_masked_pos` and MAE's `mask`, and unlike SparK's `active`).
    `predict` defaults to `hidden`. `shape` is (rows, cols); a (B, rows, cols) input brings its own. `Mask.from_array` takes
    plain rows × cols.
    """

    hidden: Tensor
    predict: Tensor = None  # type: ignore[assignment]
    shape: tuple[int, int] = None  # type: ignore[assignment]

    def __post_init__(self):
        hidden, shape = _rows_of_patches(self.hidden, self.shape)
        predict = hidden if self.predict is None else _rows_of_patches(self.predict, shape)[0]
        if predict.shape != hidden.shape:
            raise ValueError(
                f"predict is {tuple(predict.shape)}, but hidden is {tuple(hidden.shape)}: one value per patch in both"
            )
        for name, value in (("hidden", hidden), ("predict", predict), ("shape", shape)):
            object.__setattr__(self, name, value)

    # --- making one ---

    @classmethod
    def random(cls, grid: Grid, *, ratio: float = 0.75, seed: int | None = 0, batch: int = 1) -> Mask:
        """Hides a share `ratio` of the patches at random; keeps ⌊N · (1 − ratio)⌋ as MAE does, at least one while ratio < 1."""
        generator = seeded(seed) if seed is not None else None
        return cls.from_noise(torch.rand(batch, grid.count, generator=generator), ratio=ratio, shape=grid.shape)

    @classmethod
    def from_noise(cls, noise: Tensor, *, ratio: float, shape: tuple[int, int] | None = None) -> Mask:
        """MAE's rule: the patches with the smallest `noise` (B, N) stay visible."""
        B, N = noise.shape
        hidden = torch.ones(B, N, dtype=torch.bool, device=noise.device)
        kept = noise.argsort(dim=1, stable=True)[:, : keep_count(N, ratio)]
        return cls(hidden.scatter(1, kept, False), None, shape)  # type: ignore[arg-type]

    @classmethod
    def none(cls, grid: Grid) -> Mask:
        """Nothing hidden."""
        return cls(torch.zeros(1, *grid.shape, dtype=torch.bool))

    @classmethod
    def all(cls, grid: Grid) -> Mask:
        """Everything hidden."""
        return cls(torch.ones(1, *grid.shape, dtype=torch.bool))

    @classmethod
    def from_array(cls, hidden) -> Mask:
        """From anything array-like of rows × cols (or B × rows × cols) truth values."""
        array = np.asarray(hidden)
        if array.ndim not in (2, 3):
            raise ValueError(
                f"mask array has shape {array.shape}, but rows x cols is wanted (one truth value per patch)"
            )
        if array.dtype != bool and not np.isin(array, (0, 1)).all():
            raise ValueError(
                f"mask array holds {array[~np.isin(array, (0, 1))].flat[0]!r}, but only True/False or 0/1 are wanted"
            )
        return cls(torch.from_numpy(array.astype(bool).reshape(-1, *array.shape[-2:])))

    # --- reading it ---

    @property
    def array(self) -> np.ndarray:
        """(rows, cols) boolean, True = hidden; the first picture of the batch."""
        return self.hidden[0].reshape(self._known_shape).cpu().numpy()

    @property
    def count(self) -> int:
        """Hidden patches of the first picture."""
        return int(self.hidden[0].sum())

    @property
    def ratio(self) -> float:
        """Share of all patches that is hidden, 0..1."""
        return int(self.hidden.sum()) / self.hidden.numel()

    @property
    def bool_masked_pos(self) -> Tensor:
        """The same under the name that Hugging Face and BEiT use: (B, N), True = hidden."""
        return self.hidden

    @cached_property
    def keep_ids(self) -> Tensor:
        """(B, K) numbers of the visible patches, ascending."""
        return _ids(~self.hidden, "keep")

    @property
    def hidden_ids(self) -> Tensor:
        """(B, M) numbers of the hidden patches, ascending."""
        return _ids(self.hidden, "hide")

    @property
    def predict_ids(self) -> Tensor:
        """(B, P) numbers of the patches to be predicted, ascending."""
        return _ids(self.predict, "predict")

    @property
    def ids_restore(self) -> Tensor:
        """(B, N): where each patch stands in the order "visible first, then hidden" (MAE's `ids_restore`)."""
        return self.hidden.to(torch.uint8).argsort(dim=1, stable=True).argsort(dim=1)

    def noise(self) -> Tensor:
        """(B, N) noise in 0..1 that makes MAE and Hugging Face's ViTMAE pick exactly this mask: small = keep.

        Give them `mask_ratio=(count - 0.5) / N`: their int(N · (1 - ratio)) of the plain ratio often rounds to one patch less.
        """
        return self.ids_restore / self.hidden.shape[1]

    # --- changing it ---

    def __invert__(self) -> Mask:
        return Mask(~self.hidden, None, self.shape)  # type: ignore[arg-type]

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.hidden | self._alike(other).hidden, self.predict | other.predict, self.shape)

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.hidden & self._alike(other).hidden, self.predict & other.predict, self.shape)

    def __eq__(self, other) -> bool:
        same = isinstance(other, Mask) and self.hidden.shape == other.hidden.shape
        return same and torch.equal(self.hidden, other.hidden) and torch.equal(self.predict, other.predict)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return self.hidden.shape[0]

    def __getitem__(self, index: int) -> Mask:
        at = operator.index(index)
        return Mask(self.hidden[at][None], self.predict[at][None], self.shape)

    def __repr__(self) -> str:
        where = "x".join(map(str, self.shape)) if self.shape else f"{self.hidden.shape[1]} patches"
        return f"Mask({where}, {self.count} hidden, ratio {self.ratio:.2f}" + (
            f", batch {len(self)})" if len(self) > 1 else ")"
        )

    def grow(self, steps: int = 1) -> Mask:
        """Hides also the (up to four) neighbours of every hidden patch, `steps` times."""
        return self._spread(self.hidden, steps)

    def shrink(self, steps: int = 1) -> Mask:
        """Shows also the hidden patches beside a visible one, `steps` times; the border of the picture does not count."""
        return ~self._spread(~self.hidden, steps)

    def expand(self, batch: int) -> Mask:
        """One mask for a batch of pictures."""
        if len(self) not in (1, batch):
            raise ValueError(f"mask is for {len(self)} pictures, but there are {batch}: give one mask, or one for each")
        return Mask(self.hidden.expand(batch, -1), self.predict.expand(batch, -1), self.shape)

    def to(self, device) -> Mask:
        """The same on another device."""
        return Mask(self.hidden.to(device), self.predict.to(device), self.shape)

    def shaped(self, shape: tuple[int, int]) -> Mask:
        """The same with its rows and columns known."""
        return Mask(self.hidden, self.predict, shape)

    # --- keeping it ---

    def to_rle(self) -> str:
        """Run lengths, row by row, visible first: `"8x8:5 3 56"`. `Mask.from_rle` reads it. Keeps `hidden` of one picture."""
        return mask_file.to_rle(self.array)

    @classmethod
    def from_rle(cls, text: str) -> Mask:
        """From what `to_rle` wrote; raises ValueError for any other text."""
        return cls.from_array(mask_file.from_rle(text))

    def to_png(self) -> bytes:
        """A grey PNG of rows × cols pixels, white (255) = hidden."""
        return mask_file.to_png(self.array)

    @classmethod
    def from_png(cls, data: bytes) -> Mask:
        """From a picture with one pixel per patch; from the middle grey (128) on = hidden. ValueError for other bytes."""
        return cls.from_array(mask_file.from_png(data))

    # --- inside ---

    @property
    def _known_shape(self) -> tuple[int, int]:
        if self.shape is None:
            raise ValueError(
                f"this mask lists {self.hidden.shape[1]} patches but not their rows and cols: give Mask(..., shape=(rows, cols))"
            )
        return self.shape

    def _alike(self, other: Mask) -> Mask:
        if other.hidden.shape[1] != self.hidden.shape[1] or (self.shape and other.shape and self.shape != other.shape):
            raise ValueError(f"{self!r} and {other!r} are of different grids")
        return other

    def _spread(self, hidden: Tensor, steps: int) -> Mask:
        if steps < 0:
            raise ValueError(f"steps is {steps}, but at least 0 is wanted: shrink undoes what grow does, roughly")
        plus = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]], device=hidden.device)[None, None]
        x = hidden.reshape(-1, 1, *self._known_shape).float()
        for _ in range(steps):
            x = (F.conv2d(x, plus, padding=1) > 0).float()
        return Mask(x[:, 0] > 0)


def seeded(seed: int) -> torch.Generator:
    """Random numbers of their own, repeated by `seed`; raises ValueError for what is no whole number of 64 bits."""
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"seed is {seed}, but a whole number of 64 bits is wanted, such as 0")
    return torch.Generator().manual_seed(seed)


def keep_count(patches: int, ratio: float) -> int:
    """How many of `patches` stay visible at `ratio`: ⌊patches · (1 − ratio)⌋ (MAE), at least one while ratio < 1."""
    if not 0 <= ratio <= 1 or math.isnan(ratio):
        raise ValueError(f"ratio is {ratio}, but it must lie in 0..1: the share of patches to hide")
    return max(int(patches * (1 - ratio)), int(ratio < 1))


def _rows_of_patches(hidden: Tensor, shape: tuple[int, int] | None) -> tuple[Tensor, tuple[int, int] | None]:
    """Boolean (B, N) and the grid's shape, from (B, N) as it is or from (…, rows, cols) when no shape is named."""
    hidden = torch.as_tensor(hidden)
    if hidden.dtype != torch.bool:
        raise TypeError(f"mask holds {hidden.dtype}, but boolean is wanted: True = hidden")
    if hidden.ndim == 3:
        shape, hidden = (hidden.shape[1], hidden.shape[2]), hidden.flatten(1)
    elif hidden.ndim == 2 and shape is None:
        return hidden, None
    if hidden.ndim != 2:
        raise ValueError(f"mask has shape {tuple(hidden.shape)}, but (B, N) or (B, rows, cols) is wanted")
    if shape is not None and math.prod(shape) != hidden.shape[1]:
        raise ValueError(f"mask has {hidden.shape[1]} patches, but shape {shape} makes {math.prod(shape)}")
    return hidden, shape


def _ids(chosen: Tensor, verb: str) -> Tensor:
    counts = chosen.sum(dim=1)
    if (counts != counts[0]).any():
        raise ValueError(
            f"pictures of this batch {verb} between {int(counts.min())} and {int(counts.max())} patches, but a model that drops "
            "patches needs equal numbers: run the pictures one by one, or pick masks of one ratio"
        )
    return chosen.nonzero()[:, 1].reshape(len(chosen), -1)
