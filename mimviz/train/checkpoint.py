"""A run on disk: weights and optimizer state in one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn


def save(path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, **facts) -> None:
    """Writes what `load` needs to go on after `step`; `facts` (JSON-able) travel along."""
    tensors = {f"model.{k}": v.detach().contiguous().cpu() for k, v in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v).detach().contiguous().cpu() for k, v in state.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, metadata={"mimviz-run": json.dumps({"step": step, **facts})})
    publish(part, path)


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
