"""A picture as people see it, and the way to a model's normalized tensor and back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-3  # how far beyond 0..1 arithmetic may carry a number before it is called an error


@dataclass(frozen=True, eq=False)
class Picture:
    """An RGB picture: `array` is float32 (H, W, 3) in 0..1, copied and read-only.

    Raises ValueError for another shape, for NaN or infinite values and for values outside 0..1.
    """

    array: np.ndarray

    def __post_init__(self) -> None:
        given = self.array
        if not isinstance(given, np.ndarray) or not np.issubdtype(given.dtype, np.floating):
            what = f"{given.dtype} array" if isinstance(given, np.ndarray) else type(given).__name__
            raise TypeError(
                f"picture is made of {what}, but a float array in 0..1 is needed: mimviz.image(...) converts"
            )
        if given.ndim != 3 or given.shape[-1] != 3 or 0 in given.shape:
            raise ValueError(
                f"picture has shape {given.shape}, but (height, width, 3) is needed: mimviz.image(...) converts "
                "grey, alpha and tensors"
            )
        check_values(given)
        array = np.clip(given, 0, 1).astype(np.float32)
        array.setflags(write=False)
        object.__setattr__(self, "array", array)

    @property
    def height(self) -> int:
        """Pixels."""
        return self.array.shape[0]

    @property
    def width(self) -> int:
        """Pixels."""
        return self.array.shape[1]

    def __eq__(self, other: object) -> bool:
        return np.array_equal(self.array, other.array) if isinstance(other, Picture) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.array.shape, self.array.tobytes()))

    def __repr__(self) -> str:
        return f"Picture({self.height} × {self.width})"

    @classmethod
    def from_tensor(
        cls, tensor: Tensor, *, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> Picture:
        """The picture in a tensor (3, H, W) or (1, 3, H, W).

        With the model's `mean` and `std` the normalization is undone and what a guess puts beyond 0..1 is clipped;
        without them the tensor must lie in 0..1. Raises ValueError for other shapes and for NaN.
        """
        if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or (tensor.ndim == 4 and len(tensor) != 1):
            cause = (
                "take one of the batch, e.g. tensor[0]"
                if tensor.ndim == 4
                else "channels come first, tensor.permute(2, 0, 1)"
            )
            raise ValueError(
                f"tensor has shape {tuple(tensor.shape)}, but (3, H, W) or (1, 3, H, W) is needed: {cause}"
            )
        array = tensor.detach().float().reshape(tensor.shape[-3:]).permute(1, 2, 0).cpu().numpy()
        if mean is None and std is None:
            return cls(array)
        bad = int((~np.isfinite(array)).sum())
        array = array * _three(std, "std") + _three(mean, "mean")
        return cls(array if bad else np.clip(array, 0, 1))

    def tensor(self, *, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Tensor:
        """Float32 (1, 3, H, W): (rgb - mean) / std, or rgb in 0..1 when neither is given."""
        import torch

        array = self.array
        if mean is not None or std is not None:
            array = (array - _three(mean, "mean")) / _three(std, "std")
        return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))[None].copy())

    def fit(self, height: int, width: int) -> Picture:
        """The picture scaled to cover `height` × `width` pixels (bicubic, antialiased) and cropped at the centre."""
        if (height, width) == (self.height, self.width):
            return self
        if height < 1 or width < 1:
            raise ValueError(f"a picture of {height} × {width} pixels was asked for, but at least 1 × 1 is needed")
        scale = max(height / self.height, width / self.width)
        h, w = height / scale, width / scale
        left, top = (self.width - w) / 2, (self.height - h) / 2
        box = (max(left, 0), max(top, 0), min(left + w, self.width), min(top + h, self.height))
        channels = [Image.fromarray(np.ascontiguousarray(self.array[..., c])) for c in range(3)]
        scaled = [np.asarray(each.resize((width, height), Image.Resampling.BICUBIC, box)) for each in channels]
        return Picture(np.clip(np.stack(scaled, -1), 0, 1))  # bicubic overshoots at edges

    def to_png(self) -> bytes:
        """PNG bytes, 8 bits a channel."""
        return self._encoded("PNG")

    def to_jpeg(self, quality: int = 90) -> bytes:
        """JPEG bytes; `quality` 1..100. Colours at full resolution: small pictures would bleed."""
        if not 1 <= quality <= 100:
            raise ValueError(f"quality={quality}, but 1..100 is needed")
        return self._encoded("JPEG", quality=quality, subsampling=0)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture in the format that the path ends in: .png, .jpg, .webp, .bmp, .tif or .gif."""
        path = Path(path)
        wanted = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
        if path.suffix.lower() not in wanted:
            raise ValueError(f"{path.name!r} ends in {path.suffix!r}, but one of {', '.join(sorted(wanted))} is needed")
        data = self._encoded(Image.registered_extensions()[path.suffix.lower()])
        path.write_bytes(data)

    def plot(self):
        """A matplotlib figure of the picture."""
        from ..plot import show_picture

        return show_picture(self)

    def _encoded(self, format: str, **options: Any) -> bytes:
        buffer = BytesIO()
        Image.fromarray((self.array * 255).round().astype(np.uint8)).save(buffer, format, **options)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.to_png()


def check_values(array: np.ndarray) -> None:
    """Raises ValueError for numbers that are no colours in 0..1, with the likely cause."""
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise ValueError(
            f"picture has {bad} of {array.size} values that are NaN or infinite, but numbers in 0..1 are needed: "
            "a division by zero or an overflow where it was made? numpy.nan_to_num(array) replaces them"
        )
    low, high = float(array.min()), float(array.max())
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        return
    if low >= -ROUNDING and high <= 255 + ROUNDING:
        cause = (
            "colours in 0..255? Divide by 255 or convert to uint8"
            if high > 2
            else "made too bright? numpy.clip(array, 0, 1)"
        )
    elif low > -10 and high < 10:
        cause = "normalized for a model? Undo it with Picture.from_tensor(tensor, mean=model_mean, std=model_std)"
    else:
        cause = "raw measurements? Scale them: (array - array.min()) / (array.max() - array.min())"
    raise ValueError(f"picture has values from {low:.6g} to {high:.6g}, but 0..1 is needed: {cause}")


def _three(values: Sequence[float] | None, name: str) -> np.ndarray:
    numbers = np.asarray([] if values is None else values, dtype=np.float32)
    if numbers.shape != (3,) or (name == "std" and (numbers <= 0).any()):
        positive = ", all above 0," if name == "std" else ""
        raise ValueError(
            f"{name}={values}, but three numbers (R, G, B){positive} are needed: give mean and std together, "
            "as model.mean and model.std"
        )
    return numbers
