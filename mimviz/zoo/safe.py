"""Files to tensors, and never to code: safetensors, or `torch.load(weights_only=True)`."""

from __future__ import annotations

import argparse
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .here import ENDINGS

# Training scripts put their options beside the weights: MAE an argparse.Namespace, SimMIM and Swin a yacs CfgNode. Both only hold
# values. The first is a bag of attributes of the standard library; the second is read as a dict, so yacs is neither needed nor run.
# Nothing else is let through: any other class could do what it likes while it is rebuilt.
HARMLESS = [(argparse.Namespace, "argparse.Namespace"), (OrderedDict, "yacs.config.CfgNode")]
WRAPPERS = ("model", "state_dict", "module", "model_state_dict", "net", "teacher")
PREFIXES = ("module.", "_orig_mod.", "model.")
PREFERRED = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True, eq=False)
class Weights:
    """What a checkpoint holds: `tensors` by name, and what stands beside them.

    `file` is the file that was read, `header` the text in a safetensors header, `config` and `processor` the config.json and the
    preprocessor_config.json in its folder, `beside` the plain values that a pickle holds next to its tensors (epoch, args …).
    Empty where there is none.
    """

    file: Path
    tensors: dict[str, Tensor]
    header: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    processor: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)
    called: str = ""

    @property
    def name(self) -> str:
        """What messages call it: the name that was asked for where it came from the hub, else that of the file."""
        return self.called or self.file.name


def read(path: str | Path, *, called: str = "") -> Weights:
    """The tensors of a file (safetensors, .pth, .pt, .bin, an index of shards) or of a folder that holds one.

    called: what messages call it, instead of the file's name.
    Raises FileNotFoundError where there is none, ValueError for a file that is damaged, something else, or that would run code.
    """
    path = Path(path).expanduser()
    file = _in_folder(path) if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    facts = {
        field: _json(beside)
        for field, name in (("config", "config.json"), ("processor", "preprocessor_config.json"))
        if (beside := file.with_name(name)).is_file()
    }
    if file.name.endswith(".index.json"):
        return Weights(file, _shards(file), called=called, **facts)
    tensors, header, rest = _one(file)
    return Weights(file, tensors, header, beside=rest, called=called, **facts)


def _in_folder(folder: Path) -> Path:
    """The file with the weights; a safe one where there is a choice."""
    for name in PREFERRED:
        if (folder / name).is_file():
            return folder / name
    safe = sorted(folder.glob("*.safetensors"))
    named = [folder / name for name in PICKLED if (folder / name).is_file()]
    found = safe or named[:1] or sorted(p for p in folder.iterdir() if p.is_file() and p.name.endswith(ENDINGS))
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{folder} holds {len(found)} files with weights: name one, {', '.join(p.name for p in found)}")
    names = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
    raise FileNotFoundError(f"{folder} holds no weights ({' '.join(ENDINGS)}), but {names}")


def _shards(index: Path) -> dict[str, Tensor]:
    """The tensors of a model that is cut into several files, all of them in the folder of its index."""
    shards = _json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise ValueError(f"{index} is no index of shards: it has no weight_map from tensors to files")
    out: dict[str, Tensor] = {}
    for name in sorted(set(shards.values())):
        if Path(name).name != name:
            raise ValueError(f"{index} points to {name!r} outside of its folder: that is not followed")
        if not (index.parent / name).is_file():
            raise FileNotFoundError(f"{index} names {name}, which is not beside it: was it downloaded whole?")
        out |= _one(index.parent / name)[0]
    if missing := sorted(set(shards) - set(out)):
        raise ValueError(f"{index} promises {missing[0]} and {len(missing) - 1} more that its shards do not hold")
    return out


def _one(file: Path) -> tuple[dict[str, Tensor], dict[str, str], dict[str, Any]]:
    """(tensors, header, values beside them) of one file. Its first bytes say what it is, whatever its name."""
    with file.open("rb") as stream:
        start = stream.read(512)
    if not start:
        raise ValueError(f"{file} is empty: was the copy or the download cut off?")
    if start[8:9] == b"{":  # behind the length of the header, whose first byte may be any, also a pickle's
        return _safetensors(file, start)
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return _pickled(file)
    if file.suffix == ".safetensors":
        return _safetensors(file, start)
    raise ValueError(f"{file} is no checkpoint that mimviz reads: {_guess(start)}")


def _safetensors(file: Path, start: bytes) -> tuple[dict[str, Tensor], dict[str, str], dict[str, Any]]:
    try:
        with safe_open(str(file), framework="pt") as opened:
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            return tensors, opened.metadata() or {}, {}
    except (SafetensorError, OSError, ValueError) as err:
        cause = "was the copy or the download cut off?" if start[8:9] == b"{" else _guess(start)
        raise ValueError(f"{file} is no readable safetensors file ({err}): {cause}") from err


def _pickled(file: Path) -> tuple[dict[str, Tensor], dict[str, str], dict[str, Any]]:
    mapped = zipfile.is_zipfile(file)  # what is not touched, such as the optimizer's state, is then not read from the disk
    try:
        # A stream has no name: torch takes a path that ends in .safetensors for safetensors, whatever it holds.
        with torch.serialization.safe_globals(HARMLESS), file.open("rb") as stream:
            source: Any = file if mapped and file.suffix != ".safetensors" else stream
            content = torch.load(source, map_location="cpu", weights_only=True, mmap=source is file)
    except pickle.UnpicklingError as err:
        raise ValueError(_refusal(file, err)) from err
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as err:
        said = str(err).splitlines()[0] if str(err) else type(err).__name__
        script = "TorchScript" in said
        cause = "it is a TorchScript program, not weights" if script else "was the copy or the download cut off?"
        raise ValueError(f"{file} cannot be read ({said}): {cause}") from err
    tensors, beside = _unwrapped(content)
    if not tensors:
        raise ValueError(f"{file} holds no tensors by name, but {type(content).__name__}: save model.state_dict() instead")
    return tensors, {}, beside


def _unwrapped(content: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a training checkpoint, without the prefixes of parallel or compiled modules; and the values beside them."""
    beside: dict[str, Any] = {}
    while isinstance(content, Mapping) and not _is_state(content):
        key = next((k for k in WRAPPERS if isinstance(content.get(k), Mapping)), None)
        if key is None:
            return {}, beside
        beside |= {str(k): v for k, v in content.items() if k != key and not _heavy(v)}
        content = content[key]
    if isinstance(content, Mapping):
        beside |= {str(k): v for k, v in content.items() if not isinstance(v, Tensor)}  # SparK keeps its configuration there
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    while tensors and (prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in tensors)), "")):
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors, {k: vars(v) if isinstance(v, argparse.Namespace) else v for k, v in beside.items()}


def _is_state(content: Mapping) -> bool:
    return any(isinstance(value, Tensor) for value in content.values())


def _heavy(value: Any) -> bool:
    """Whether a value is the state of an optimizer or the like."""
    return isinstance(value, Tensor) or (isinstance(value, Mapping) and {"state", "param_groups"} <= set(value))


def _refusal(file: Path, err: Exception) -> str:
    try:
        with torch.serialization.safe_globals(HARMLESS):
            needs = ", ".join(sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file)))
    except Exception:  # a pickle of the old kind has no list of what it needs; the first that was met is in the message
        needs = ""
    needs = needs or next((word.strip(".`") for word in str(err).partition("GLOBAL ")[2].split()[:1]), "")
    if not needs:
        return f"{file} cannot be read ({str(err).splitlines()[0]}): was the copy or the download cut off?"
    return (
        f"{file} would run code when opened: it needs {needs}, and only tensors and plain values are read. "
        "If you trust who made it, convert it once where that code is at home: "
        "torch.save({'model': torch.load(path, weights_only=False)['model']}, 'safe.pth')"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as err:
        raise ValueError(f"{path} is no JSON ({err}): was the copy or the download cut off?") from err
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds {type(value).__name__}, but a JSON object is wanted")
    return value


def _guess(start: bytes) -> str:
    """What a file is that is no checkpoint, from its first bytes."""
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the weights themselves: `git lfs pull` fetches them"
    if start.lstrip()[:1] == b"<":
        return "it is a web page, such as a download page or an error message: save the file itself"
    if start.startswith(b"\x89HDF"):
        return "it is an HDF5 file of Keras or TensorFlow: take the PyTorch weights"
    if b"\0" not in start and start.isascii():
        return f"it is text, beginning {start[:30].decode()!r}"
    return "it is neither safetensors nor a file of torch.save; was the download cut off?"
