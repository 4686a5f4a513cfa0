"""Arrays and tensors of any usual kind to the float array of a Picture."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..core.picture import check_values
from .decode import KEEP_LIMIT, OPEN_LIMIT

if TYPE_CHECKING:
    from torch import Tensor

WHITE = {"uint8": 255, "uint16": 65535, "bool": 1}


def array_pixels(array: np.ndarray) -> np.ndarray:
    """Float (H, W, 3) of an array (H, W) or (H, W, C), C = 1, 3 or 4: uint8, uint16, bool, or float in 0..1.

    The fourth channel is alpha: what is transparent shows white. Raises ValueError for shapes and values, TypeError for
    other kinds of numbers.
    """
    _check_shape(array)
    array = _reduced(array)
    if array.dtype.name in WHITE:
        array = array.astype(np.float32) / WHITE[array.dtype.name]
    elif not np.issubdtype(array.dtype, np.floating):
        raise TypeError(
            f"array holds {array.dtype}, whose white is unknown, but uint8 (0..255), uint16 (0..65535), bool or float "
            "(0..1) is needed: array.astype('uint8') if it holds 0..255"
        )
    check_values(array)
    array = array[..., None] if array.ndim == 2 else array
    if array.shape[-1] == 4:
        color, alpha = array[..., :3], array[..., 3:]
        return color * alpha + (1 - alpha)
    return np.broadcast_to(array, (*array.shape[:2], 3))


def tensor_pixels(tensor: Tensor) -> np.ndarray:
    """The same of a tensor (H, W), (C, H, W) or (1, C, H, W), with C = 1, 3 or 4, on any device."""
    shape = tuple(tensor.shape)
    if len(shape) == 4 and shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim not in (2, 3) or (tensor.ndim == 3 and tensor.shape[0] not in (1, 3, 4)):
        cause = "channels come first here"
        if len(shape) == 4 and shape[0] > 1:
            cause = f"this is a batch of {shape[0]}, take one, e.g. tensor[0]"
        elif shape[-1] in (1, 3, 4):
            cause = "channels come first in a tensor, so tensor.permute(2, 0, 1)"
        raise ValueError(f"tensor has shape {shape}, but (C, H, W) or (1, C, H, W), C = 1, 3 or 4, is needed: {cause}")
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.double() if tensor.element_size() > 4 else tensor.float()  # numpy has no bfloat16
    return array_pixels(tensor.numpy() if tensor.ndim == 2 else tensor.permute(1, 2, 0).numpy())


def _reduced(array: np.ndarray) -> np.ndarray:
    """Every k-th pixel of an array above KEEP_LIMIT, before it becomes floats of several times its size."""
    factor = math.ceil(math.sqrt(array.shape[0] * array.shape[1] / KEEP_LIMIT))
    if factor > 1:
        warnings.warn(
            f"array has {array.shape[1]} x {array.shape[0]} pixels, of which every {factor}th is taken", stacklevel=4
        )
    return array[::factor, ::factor]


def _check_shape(array: np.ndarray) -> None:
    shape = array.shape
    if array.ndim == 2 or (array.ndim == 3 and shape[-1] in (1, 3, 4)):
        if 0 in shape:
            raise ValueError(f"array has shape {shape}, so no pixels, but at least 1 × 1 is needed: cut out too much?")
        if shape[0] * shape[1] > OPEN_LIMIT:
            raise ValueError(
                f"array has {shape[1]} x {shape[0]} pixels, but at most {OPEN_LIMIT:,} are taken, so that memory does "
                "not run out: take every eighth, array[::8, ::8], or skimage.transform.downscale_local_mean"
            )
        return
    if array.ndim == 3 and shape[0] in (1, 3, 4):
        cause = "channels first? array.transpose(1, 2, 0)"
    elif array.ndim == 4:
        cause = f"a batch of {shape[0]}? Take one, e.g. array[0]"
    else:
        cause = "which channels are the colours? e.g. array[..., :3]" if array.ndim == 3 else "is it a picture at all?"
    raise ValueError(f"array has shape {shape}, but (H, W), (H, W, 3) or (H, W, 4) is needed: {cause}")
