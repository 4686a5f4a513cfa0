"""Tensors into a model: all of them, each of its shape and finite, or a message that names what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def fill(model: nn.Module, tensors: Mapping[str, Tensor], file: str) -> None:
    """Copies `tensors` into `model`, which must want exactly these; raises ValueError with the first of what does not fit."""
    wanted = model.state_dict()
    missing, extra = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or extra:
        said = [_list("misses", missing)] if missing else []
        said += [_list("has what its model does not want,", extra)] if extra else []
        raise ValueError(f"{file} {'; it '.join(said)}: it is cut, or of a variant that mimviz does not know")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"{file}: {name} has shape {tuple(tensor.shape)}, but the rest of the file asks for {tuple(wanted[name].shape)}"
            )
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            raise ValueError(f"{file}: {name} is {tensor.dtype}, but {wanted[name].dtype} is wanted: quantized weights?")
        if bad := int((~torch.isfinite(tensor.float())).sum()):
            raise ValueError(
                f"{file}: {bad} of {tensor.numel()} values of {name} are NaN or infinite: "
                "the training diverged, or half precision overflowed"
            )
    model.load_state_dict(dict(tensors))


def _list(verb: str, names: list[str]) -> str:
    return f"{verb} {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
