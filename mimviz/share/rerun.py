"""Figures made again: a file says how it was made, and whether the same comes out today."""

from __future__ import annotations

import ast
import html
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import lenses
from ..core import Mask, Outcome, Picture
from ..plot.outcome import show_heatmap, show_outcome
from ..plot.receipt import KEY, Receipt, Told, answer_of, array_of, of_heatmap, versions
from ..vit import Scene
from ..vit.fingerprint import fingerprint


@dataclass(frozen=True)
class Verdict:
    """identical: not a pixel differs (of a page: not a bit of the answer). why: what is other than it was, in words."""

    receipt: Receipt
    identical: bool
    why: tuple[str, ...]
    figure: Told | None


def receipt_of(path: str | Path) -> Receipt:
    """How a PNG, an SVG or a page of mimviz was made; FileNotFoundError, or ValueError for a file that does not say it."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no figure {path}")
    said = _said(path)
    try:
        receipt = json.loads(said) if said else None
    except json.JSONDecodeError:
        receipt = None
    if not isinstance(receipt, dict) or "kind" not in receipt:
        raise ValueError(
            f"{path} does not say how it was made: figures of mimviz saved as PNG, SVG or HTML do, unless a program that "
            "edited them threw their metadata away"
        )
    return receipt


def rerun(path: str | Path, *, model: Any = None) -> Verdict:
    """Make a figure again and compare. model: the one to ask, or a name for `load_mim` or `load_vit`; default: as the figure says.

    Raises ValueError for a figure that cannot be made again, with the reason.
    """
    path, receipt = Path(path), receipt_of(path)
    if receipt["kind"] not in ("outcome", "heatmap"):
        raise ValueError(
            f"{path} is a {receipt['kind']}, which carries its answers; reconstructions and maps can be made again"
        )
    if receipt["kind"] == "heatmap" and "picture" not in receipt:
        raise ValueError(
            f"{path} names its method, {receipt['method']}, but not the model and picture: save such figures by "
            "heat.plot(picture, scene=scene)"
        )
    opened = _model(receipt, model)
    why = [*_changed_model(receipt, opened), *_changed_versions(receipt)]
    figure, answer, numbers = (_outcome if receipt["kind"] == "outcome" else _heatmap)(receipt, opened)
    if answer != receipt["answer"]:
        why.insert(0, f"the model answers otherwise: {numbers}")
    if path.suffix.lower() in (".html", ".htm"):
        return Verdict(receipt, answer == receipt["answer"], tuple(why), figure)
    difference = _difference(path, figure, receipt.get("drawn", {}))
    if difference:
        why.insert(0, difference)
    return Verdict(receipt, not difference, tuple(why), figure)


# --- reading ---


def _said(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as picture:
            return str(picture.info.get(KEY, ""))
    text = data.decode("utf-8", errors="replace")
    found = re.search(r"<dc:description>(.*?)</dc:description>", text, re.S) or re.search(
        rf'<meta name="{KEY}" content="([^"]*)">', text
    )
    return html.unescape(found[1]) if found else ""


# --- making ---


def _model(receipt: Receipt, given: Any) -> Any:
    from ..zoo import load_mim, load_vit

    if given is not None and not isinstance(given, (str, Path)):
        return given
    name = given or receipt["name"]
    if name is None:
        raise ValueError(
            "the figure does not say which model made it (it was gone, or trained on, when it was drawn): name one, --model"
        )
    try:
        return (load_mim if receipt["kind"] == "outcome" else load_vit)(name)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"the figure was made by {receipt['name']!r}, which cannot be opened here: {error}. Name a file: --model"
        ) from error


def _outcome(receipt: Receipt, model: Any) -> tuple[Told, str, str]:
    mask = Mask.from_rle(receipt["mask"])
    images = torch.from_numpy(array_of(receipt["images"])).to(model.device, model.dtype)
    made: Outcome = model.answer(images, mask.to(model.device), statistics=receipt["statistics"], seed=receipt["seed"])
    numbers = f"loss {float(made.loss):.6g}, was {receipt['loss']:.6g}"
    return show_outcome(made, everywhere=receipt["everywhere"]), answer_of(made), numbers  # type: ignore[return-value]


def _heatmap(receipt: Receipt, model: Any) -> tuple[Told, str, str]:
    scene = Scene(model, Picture(array_of(receipt["picture"])), target=receipt["target"])
    heat = method(receipt["method"])(scene)
    over = None if receipt["over"] is None else Picture(array_of(receipt["over"]))
    answer = of_heatmap(heat, over, None)["answer"]
    return show_heatmap(heat, over, scene=scene), answer, f"values {heat.min:.6g} to {heat.max:.6g}"  # type: ignore[return-value]


def method(said: str) -> Any:
    """A lens from its repr, nothing else: `Rollout(discard=0.9)`. ValueError for what names no lens with plain parameters."""
    try:
        call = ast.parse(said, mode="eval").body
        assert (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in lenses.__all__
            and not call.args
        )
        return getattr(lenses, call.func.id)(
            **{each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
        )
    except (AssertionError, SyntaxError, ValueError, TypeError) as error:
        raise ValueError(
            f"the map's method is {said!r}, which is no lens of mimviz with plain parameters: make it in a script"
        ) from error


# --- comparing ---


def _changed_model(receipt: Receipt, model: Any) -> list[str]:
    now = fingerprint(model)
    if receipt["model"] is None:
        return ["the figure does not say which model made it"]
    return [] if now == receipt["model"] else [f"another model: weights {now[:12]}…, was {str(receipt['model'])[:12]}…"]


def _changed_versions(receipt: Receipt) -> list[str]:
    now = versions()
    return [
        f"{name} {now.get(name, 'absent')}, was {then}"
        for name, then in receipt["versions"].items()
        if now.get(name) != then
    ]


def _difference(path: Path, figure: Told, drawn: dict[str, Any]) -> str:
    """What differs of what is drawn; "" where nothing does."""
    svg, buffer = path.suffix.lower() == ".svg", io.BytesIO()
    figure.savefig(buffer, format="svg" if svg else "png", **drawn)
    if svg:
        both = path.read_text("utf-8"), buffer.getvalue().decode()
        then, now = (re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S) for text in both)
        return "" if then == now else "the drawing differs"
    with Image.open(path) as old, Image.open(buffer) as new:
        then, now = (np.asarray(each.convert("RGBA"), np.int16) for each in (old, new))
    if then.shape != now.shape:
        return f"the figure has {now.shape[1]} x {now.shape[0]} pixels, had {then.shape[1]} x {then.shape[0]}"
    off = np.abs(then - now).max(-1)
    return f"{int((off > 0).sum())} of {off.size} pixels differ, by up to {int(off.max())} of 255" if off.any() else ""
