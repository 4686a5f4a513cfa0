"""Figures that say how they were made: model hash, mask, seed, method and versions travel inside the file (`mimviz rerun`)."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import zlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from ..core import Heatmap, Outcome, Picture
from ..vit.fingerprint import fingerprint

Receipt = dict[str, Any]
PACKAGES = ("timm", "numpy", "matplotlib")
DRAWN = ("dpi", "bbox_inches", "transparent")
KEY = "mimviz"


class Told(Figure):
    """A matplotlib figure that writes its `receipt` into PNG and SVG files."""

    receipt: Receipt | None = None

    def savefig(self, fname: Any, **keywords: Any) -> None:
        """As matplotlib's; the receipt goes into the file's metadata."""
        ends = Path(str(getattr(fname, "name", fname))).suffix[1:].lower()
        kind = str(keywords.get("format") or ends or mpl.rcParams["savefig.format"]).lower()
        if self.receipt is not None and kind in ("png", "svg"):
            said = json.dumps({**self.receipt, "drawn": self._drawn(keywords)})
            own = {KEY: said} if kind == "png" else {"Description": said, "Date": None}
            keywords["metadata"] = {**own, **(keywords.get("metadata") or {})}
        with mpl.rc_context({"svg.hashsalt": KEY}):  # or every file would have other names inside
            super().savefig(fname, **keywords)

    def _drawn(self, keywords: dict[str, Any]) -> dict[str, Any]:
        dpi = keywords.get("dpi", mpl.rcParams["savefig.dpi"])
        simple = {name: keywords[name] for name in DRAWN if isinstance(keywords.get(name), (str, bool, int, float))}
        return {**simple, "dpi": self.dpi if dpi == "figure" else dpi}


def of_outcome(outcome: Outcome, *, everywhere: bool = False) -> Receipt:
    """Of a reconstruction: picture as the model got it, mask as run lengths, seed, statistics, model."""
    made = outcome.view.made if outcome.view else None
    settings = made.settings if made else {"statistics": "visible", "seed": None}
    images = outcome.view.images.float().cpu().numpy() if outcome.view else None
    return {
        "kind": "outcome", **_of_model(made.maker if made else None), "mask": outcome.mask.to_rle(), **settings,
        "everywhere": everywhere, "images": numbers(images), "answer": answer_of(outcome),
        "loss": float(outcome.loss), "versions": versions(),
    }  # fmt: skip


def of_heatmap(heat: Heatmap, picture: Picture | None, scene: Any) -> Receipt:
    """Of a map: method with its parameters, a hash of its values; with a scene also model, picture and class."""
    told = {
        "kind": "heatmap", "method": repr(heat.by) if not isinstance(heat.by, str) else heat.by, "signed": heat.signed,
        "answer": _hash(heat.values.float().cpu().numpy()), "over": None if picture is None else numbers(picture.array),
    }  # fmt: skip
    if scene is None:
        return {**told, **_of_model(None), "versions": versions()}
    target = scene.target if scene.target is None or isinstance(scene.target, (str, int)) else str(scene.target)
    return {
        **told,
        **_of_model(scene.model),
        "picture": numbers(scene.pictures[0].fit(*scene.anatomy.size).array),
        "target": target,
        "versions": versions(),
    }


def answer_of(outcome: Outcome) -> str:
    """A hash of the reconstruction, in the 8 bits that a screen shows."""
    return _hash((outcome.picture.array * 255).round().astype(np.uint8))


@cache
def versions() -> dict[str, str]:
    """Of what a picture depends on."""
    from .. import __version__

    return {
        "mimviz": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "torch": torch.__version__,
    }


def numbers(array: np.ndarray | None) -> dict[str, Any] | None:
    """An array as JSON, to the last bit: its shape, and the bytes of its float32, the first of all numbers first, packed."""
    if array is None:
        return None
    planes = np.ascontiguousarray(array, "<f4").view(np.uint8).reshape(-1, 4).T
    return {"shape": list(array.shape), "data": base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()}


def array_of(said: dict[str, Any]) -> np.ndarray:
    """What `numbers` was given."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(said["data"])), np.uint8)
    return planes.reshape(4, -1).T.copy().view("<f4").reshape(said["shape"])


def _of_model(model: Any) -> dict[str, Any]:
    if model is None:
        return {"model": None, "name": None}
    config = getattr(model, "pretrained_cfg", None) or {}
    name = str(getattr(model, "name", "") or config.get("architecture") or type(model).__name__)
    return {"model": fingerprint(model), "name": name}


def _hash(array: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
