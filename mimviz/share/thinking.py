"""Models for a page: exported to ONNX, so that a browser answers what Python would, with no Python (`pip install mimviz[share]`).

What a browser draws is within 1e-3 of what Python draws (tests/browser/test_models_in_pages.py). Weights travel with `BITS` bits
of mantissa, which halves their size and moves a picture of the bundled model by less than a tenth of that.
"""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core import Grid, Mask, Picture
from ..vit import class_names, edited, evaluating
from ..widgets.attention_side import Edits, encoder_of
from .page import packed

BITS = 14  # of the mantissa's 23
OPSET = 18


class Kept(Mask):
    """A mask that is told which patches it keeps, in order: a graph cannot look for them."""

    @classmethod
    def of(cls, ids: Tensor, grid: Grid) -> Kept:
        hidden = torch.ones(1, grid.count, dtype=torch.bool).scatter(1, ids, torch.zeros_like(ids, dtype=torch.bool))
        made = cls(hidden, None, grid.shape)  # type: ignore[arg-type]
        object.__setattr__(made, "_kept", ids)
        return made

    @property
    def keep_ids(self) -> Tensor:
        return self._kept  # type: ignore[attr-defined]


class Reconstruction(nn.Module):
    """(images (1, 3, H, W) normalized, ids (1, K) of visible patches) → picture (H, W, 3), error (N,), loss, as in Outcome."""

    def __init__(self, mim: Any):
        super().__init__()
        self.mim = mim

    def forward(self, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = Kept.of(ids, self.mim.grid)
        outcome = self.mim.compare(self.mim.predict(images, mask), images, mask)
        hidden = mask.hidden.to(images.dtype)
        loss = (outcome.patch_loss * hidden).sum() / hidden.sum()
        picture = self.mim.grid.unpatchify(outcome._rgb(outcome._drawn))[0].permute(1, 2, 0)
        return picture, outcome._squared.sqrt()[0], loss


def masked_brain(mim: Any, picture: Picture) -> dict[str, Any]:
    """What `think` in widgets/src/page/model.ts takes to reconstruct this picture under any mask.

    TypeError for a model that cannot be exported, with the reason; ImportError without `mimviz[share]`.
    """
    images = mim.prepare(picture).float().cpu()
    ids = torch.arange(0, mim.grid.count, 2)[None]
    dims = {"images": None, "ids": {1: torch.export.Dim("kept", min=2, max=mim.grid.count - 1)}}
    with evaluating(mim):
        data = exported(Reconstruction(mim), (images, ids), ("images", "ids"), ("picture", "error", "loss"), dims)
        check(mim, data, picture)
    report = {"device": "this browser", "model": str(mim.name), "note": "", "leaks": False}
    view = mim.compare(mim.predict(images, mask := Mask.random(mim.grid)), images, mask).view
    report["note"] = view.note if view else ""
    return {
        "block": f"mimviz-model-{hashlib.sha256(data).hexdigest()[:16]}", "data": packed(data), "report": report,
        "images": images.numpy().astype("<f4").tobytes(), "shape": list(images.shape),
    }  # fmt: skip


class Attending(nn.Module):
    """(images, heads (L, H), tokens (N,)), 0 = knocked out → maps (L, H, N, N) and logits, as `vit.edited` makes them."""

    def __init__(self, vit: nn.Module, layers: int):
        super().__init__()
        self.vit, self.layers = vit, layers

    def forward(self, images: Tensor, heads: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        seen: list[Tensor] = []

        def change(weights: Tensor, layer: int) -> Tensor:
            left = weights * tokens
            tiny = torch.finfo(left.dtype).tiny
            left = left * (weights.sum(-1, keepdim=True) / left.sum(-1, keepdim=True).clamp_min(tiny))
            seen.append(made := left * heads[layer][:, None, None])
            return made

        with edited(self.vit, maps={i: partial(change, layer=i) for i in range(self.layers)}):
            logits = self.vit(images)
        return torch.cat(seen), logits[0]


def attention_brain(widget: Any) -> dict[str, Any]:
    """What `think` takes to knock out heads and tokens of an explorer's model.

    TypeError for what a page cannot do: two models, masked models, models with windows, stages or a pooling.
    """
    side = widget._sides[0]
    shapes = side.stack("encoder", Edits()).shapes
    alike = len({(s.heads, s.front, s.rows, s.cols, s.query_rows, s.query_cols) for s in shapes}) == 1
    if len(widget._sides) > 1 or hasattr(side.model, "decoder") or not alike or any(s.pool for s in shapes):
        raise TypeError(
            "model=True, but this explorer's model cannot think in a browser: one plain ViT can, such as 'tiny-classifier', and no "
            "masked model, pair, or model with windows, stages or a pooling. Leave it out: all layers go with the page"
        )
    vit, shape = encoder_of(side.model), shapes[0]
    images = side.scene(Edits()).images.float().cpu()
    whole = torch.ones(len(shapes), shape.heads), torch.ones(shape.keys)
    module, dims = Attending(vit, len(shapes)), {"images": None, "heads": None, "tokens": None}
    with evaluating(vit):
        data = exported(module, (images, *whole), ("images", "heads", "tokens"), ("maps", "logits"), dims)
        with torch.no_grad():
            logits = vit(images)[0].float().cpu().numpy()
    return {
        "kind": "attention", "block": f"mimviz-model-{hashlib.sha256(data).hexdigest()[:16]}", "data": packed(data),
        "images": images.numpy().astype("<f4").tobytes(), "shape": list(images.shape), "logits": logits.astype("<f4").tobytes(),
        "sizes": [len(shapes), shape.heads, shape.keys], "front": list(side.front[: shape.front]), "cols": shape.cols,
        "names": list(class_names(side.model) or []),
    }  # fmt: skip


def exported(module: nn.Module, example: tuple, inputs: tuple[str, ...], outputs: tuple[str, ...], dims: dict) -> bytes:
    """The module as ONNX, its weights rounded to `BITS` bits of mantissa."""
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"model=True exports the model to ONNX, but {error.name} is not installed: pip install 'mimviz[share]'"
        ) from error
    silent = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript")
    levels = [logger.level for logger in silent]
    try:
        for logger in silent:
            logger.setLevel(logging.ERROR)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            path = Path(folder) / "model.onnx"
            program = torch.onnx.export(
                module.eval(), example, dynamo=True, input_names=inputs, output_names=outputs, dynamic_shapes=dims,
                opset_version=OPSET, optimize=True, verbose=False,
            )  # fmt: skip
            program.save(path)  # type: ignore[union-attr]
            graph = onnx.load(path)
    except Exception as error:
        why = " ".join(re.sub(r"\x1b\[\d+m", "", str(error)).split())[:200]
        raise TypeError(
            f"this model cannot be written as ONNX ({type(error).__name__}: {why}), so it cannot think in a browser: leave out "
            "model=True, and its answers go with the page"
        ) from error
    finally:
        for logger, level in zip(silent, levels, strict=True):
            logger.setLevel(level)
    for weights in graph.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            weights.raw_data = rounded(np.frombuffer(onnx.numpy_helper.to_array(weights).tobytes(), "<f4")).tobytes()
            del weights.float_data[:]
    del graph.metadata_props[:]
    for node in graph.graph.node:  # where each operation came from: file names of the machine that exported
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        del value.metadata_props[:]
    return graph.SerializeToString()


def rounded(values: np.ndarray) -> np.ndarray:
    """float32 to the nearest with `BITS` bits of mantissa; the rest is zero, which packs to nothing."""
    drop = 23 - BITS
    bits = values.view("<u4").astype(np.uint64) + (1 << (drop - 1))
    return (bits & ~np.uint64((1 << drop) - 1)).astype("<u4").view("<f4")


def check(mim: Any, data: bytes, picture: Picture, *, tolerance: float = 1e-3) -> float:
    """The largest difference of the exported model's pictures and Python's under three masks; TypeError above `tolerance`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    images, worst = mim.prepare(picture), 0.0
    for ratio in (0.25, 0.6, 0.9):
        mask = Mask.random(mim.grid, ratio=ratio, seed=1)
        feed = {"images": images.float().cpu().numpy(), "ids": mask.keep_ids.numpy()}
        made = np.asarray(session.run(["picture"], feed)[0])
        worst = max(worst, float(np.abs(made - mim.reconstruct(picture, mask).picture.array).max()))
    if not worst <= tolerance:
        raise TypeError(
            f"the exported model's pictures differ from Python's by {worst:.2g}, but {tolerance:g} is the most: a recipe that "
            "draws random numbers cannot think in a browser; leave out model=True"
        )
    return worst
