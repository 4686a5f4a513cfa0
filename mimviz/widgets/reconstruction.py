"""One question to a masked model (this picture under this mask), and its answer as a browser takes it."""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from ..core import Grid, Mask, Outcome, Picture
from .engine import Turn

RAW_LIMIT = 16_384  # bytes


class Report(TypedDict):
    """What is known about the picture on display."""

    stroke: int
    exact: bool
    loss: float | None
    psnr: float | None
    ms: float
    device: str
    model: str
    note: str
    leaks: bool
    hidden: int
    events: int
    runs: int


class Problem(TypedDict):
    """Why there is no picture: `blank` is nobody's fault, `error` has a cause."""

    kind: str
    title: str
    text: str
    hint: NotRequired[str]


class Blank(Exception):
    """There is nothing to compute, which is no error: `args` are title, text and hint."""


@dataclass(frozen=True)
class Shown:
    """An outcome as bytes: `picture` as `_encoded` makes it, `error` float32 little-endian, one per patch."""

    outcome: Outcome
    picture: bytes
    error: bytes
    ms: float


@dataclass(frozen=True, eq=False)
class Question:
    """A job for the engine: reconstruct `picture` under the patches that `hidden` (a byte per patch) hides.

    `recent` remembers the newest outcome, so that letting go of the pointer costs no second pass through the model.
    """

    mim: Any
    picture: Picture
    hidden: bytes
    statistics: str
    stroke: int
    exact: bool
    recent: dict

    @property
    def key(self) -> tuple:
        return self.hidden, self.statistics, self.stroke, self.exact

    def __call__(self, turn: Turn) -> Shown:
        mask = read_mask(self.hidden, self.mim.grid)
        speak_if_blank(mask, self.mim.grid)
        known = (self.hidden, self.statistics)
        if known not in self.recent:
            outcome = self.mim.reconstruct(self.picture, mask, statistics=self.statistics)
            self.recent.clear()
            self.recent[known] = outcome, turn.ms()
        outcome, ms = self.recent[known]
        error = outcome.error.values[0].float().cpu().numpy().astype("<f4").tobytes()
        return Shown(outcome, encoded(outcome.picture, exact=self.exact), error, ms)

    def report(self, shown: Shown | None, *, events: int, runs: int) -> Report:
        """About this question and its answer; numbers that JSON cannot say are None."""
        outcome = shown and shown.outcome
        return {
            "stroke": self.stroke,
            "exact": self.exact,
            "loss": finite(outcome.loss) if outcome else None,
            "psnr": finite(outcome.psnr) if outcome else None,
            "ms": shown.ms if shown else 0.0,
            "device": str(self.mim.device),
            "model": str(self.mim.name),
            "note": outcome.note if outcome else "",
            "leaks": bool(outcome and outcome.leaks),
            "hidden": sum(self.hidden),
            "events": events,
            "runs": runs,
        }


def encoded(picture: Picture, *, exact: bool) -> bytes:
    """Small pictures as plain RGB bytes, which nobody has to encode and decode; others as JPEG (coarse) or PNG (exact)."""
    if picture.height * picture.width * 3 <= RAW_LIMIT:
        return (picture.array * 255).round().astype(np.uint8).tobytes()
    return picture.to_png() if exact else picture.to_jpeg(quality=85)


def read_mask(hidden: bytes, grid: Grid) -> Mask:
    """A byte per patch, row by row → Mask."""
    return Mask.from_array(np.frombuffer(hidden, np.uint8).reshape(grid.shape) != 0)


def problem(title: str, error: BaseException, hint: str) -> Problem:
    """An exception in words: what it says, what caused it, where it was raised."""
    if isinstance(error, Blank):
        title, text, hint = error.args
        return {"kind": "blank", "title": title, "text": text, "hint": hint}
    text = f"{type(error).__name__}: {error}"
    if error.__cause__ is not None:
        text += f" (caused by {type(error.__cause__).__name__}: {error.__cause__})"
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        file = "a cell" if "ipykernel_" in frames[-1].filename else Path(frames[-1].filename).name
        text += f" [{file}, line {frames[-1].lineno}, in {frames[-1].name}]"
    return {"kind": "error", "title": title, "text": text, "hint": hint}


def finite(value: Any) -> float | None:
    """A float, or None for NaN and infinity, which JSON cannot say."""
    number = float(value)
    return number if math.isfinite(number) else None


def speak_if_blank(mask: Mask, grid: Grid) -> None:
    if mask.count == 0:
        raise Blank(
            "Nothing is hidden", "The model sees the whole picture: nothing to fill in.", "Paint over a few patches."
        )
    if mask.count == grid.count:
        raise Blank(
            "Everything is hidden", "The model sees no patch at all: nothing to go by.", "Uncover at least one patch."
        )
