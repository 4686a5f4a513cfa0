"""One name for equal models, wherever they were loaded from."""

from __future__ import annotations

import hashlib

import torch


def fingerprint(model: torch.nn.Module) -> str:
    """32 hexadecimal digits: the same for models of one class with the same settings and the same weights."""
    found = hashlib.blake2b(type(model).__name__.encode(), digest_size=16)
    found.update(
        str(
            sorted((k, str(v)) for k, v in vars(model).items() if isinstance(v, (bool, int, str)) and k != "training")
        ).encode()
    )
    for name, tensor in model.state_dict().items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
