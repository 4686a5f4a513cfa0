"""Write `widgets/src/traits.ts` from the Python classes: `python -m mimviz.widgets.traits [--check]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import traitlets as t

from .attention_explorer import AttentionExplorer
from .dataset_gallery import DatasetGallery
from .judge_board import JudgeBoard
from .live import LiveWidget
from .mask_painter import MaskPainter
from .painted import Painted
from .recipe_lab import RecipeLab
from .recipe_lab_training import TrainedHere
from .register_inspector import RegisterInspector
from .saliency_comparer import SaliencyComparer
from .target_explorer import TargetExplorer
from .training_monitor import TrainingMonitor

WIDGETS: tuple[type[LiveWidget], ...] = (
    Painted, MaskPainter, AttentionExplorer, RegisterInspector, SaliencyComparer, JudgeBoard, TrainedHere, RecipeLab,
    TrainingMonitor, TargetExplorer, DatasetGallery,
)  # fmt: skip
TARGET = Path(__file__).parents[2] / "widgets" / "src" / "traits.ts"
HEADER = "// The traits that Python and the browser share. Generated from Python: python -m mimviz.widgets.traits\n"


def typescript() -> str:
    """The whole file: an interface for every widget, in the order in which its class declares the traits."""
    return HEADER + "".join(_interface(widget) for widget in WIDGETS)


def _interface(widget: type[LiveWidget]) -> str:
    traits = widget.class_traits(sync=True)
    own = [name for name in vars(widget) if name in traits and not name.startswith("_")]
    lines = "".join(f"  {name}: {_type(traits[name], name)};\n" for name in own)
    above = "".join(f" extends {base.__name__}Traits" for base in widget.__bases__ if base in WIDGETS)
    return f"\nexport interface {widget.__name__}Traits{above} {{\n{lines}}}\n"


def _type(trait: t.TraitType, name: str) -> str:
    if isinstance(trait, t.List):
        return f"{_type(trait._trait, name)}[]"  # type: ignore[attr-defined]
    for kind, text in (
        (t.Bool, "boolean"),
        ((t.Int, t.Float), "number"),
        ((t.Unicode, t.Enum), "string"),
        (t.Bytes, "DataView"),
        (t.Dict, "Record<string, unknown>"),
    ):
        if isinstance(trait, kind):
            return text
    raise TypeError(f"trait {name!r} is a {type(trait).__name__}, which has no TypeScript type: add one to {__name__}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is out of date")
    parser.add_argument("--output", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    if options.check:
        current = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
        if current != typescript():
            print(f"{options.output} is out of date: run python -m mimviz.widgets.traits", file=sys.stderr)
            return 1
        return 0
    options.output.write_text(typescript(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
