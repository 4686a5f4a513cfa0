"""A run on disk: weights and optimizer state in one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def save(
    path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, more: dict[str, Tensor], **facts
) -> None:
    """Writes what `load` needs to go on after `step`; `facts` (JSON-able) and the tensors of `more` travel along."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()} | more
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    write(path, tensors, {"mimviz-run": json.dumps({"step": step, **facts})})


def write(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file, whole or not at all: where it cannot be written (OSError, e.g. a full disk), nothing is left behind."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(_apart(tensors), part, metadata=metadata)
        publish(part, path)
    except BaseException as err:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        kept = "the file before it is as it was" if path.exists() else "nothing was kept"
        if isinstance(err, SafetensorError):
            raise OSError(f"{path} could not be written ({err}): {kept}") from err
        err.add_note(f"{path} could not be written: {kept}")
        raise


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, contiguous, and no two in the same memory, as safetensors wants them (weights may be tied)."""
    found, seen = {}, set()
    for name, value in tensors.items():
        value = value.detach().contiguous().cpu()
        place = value.untyped_storage().data_ptr()
        found[name] = value.clone() if place in seen else value
        seen.add(place)
    return found


def publish(part: Path, path: Path) -> None:
    """Puts a finished file in its place, readable to whom the umask allows (safetensors writes for its owner alone)."""
    umask = os.umask(0)
    os.umask(umask)
    part.chmod(0o666 & ~umask)
    os.replace(part, path)


def load(path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Puts a saved run back into `model` and `optimizer`; returns its facts, `step` among them.

    Raises ValueError for a file that holds no run, or the run of another model.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("mimviz-run", "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as err:
        raise ValueError(f"{path} is no readable run ({err}): remove it to begin anew") from err
    if not isinstance(facts, dict) or not isinstance(facts.get("step"), int):
        raise ValueError(
            f"{path} holds no run of mimviz (weights only?): a run is written by fit(..., checkpoint=path)"
        )
    try:
        model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    except RuntimeError as err:
        raise ValueError(
            f"{path} is the run of another model than this one: {str(err).splitlines()[-1].strip()}"
        ) from err
    state: dict[int, dict] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts
