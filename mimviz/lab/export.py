"""`mimviz export lesson.ipynb`: run a notebook and write it as one page in which every widget stays alive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", type=Path, help="a notebook; or the name of a lesson, such as 06_attention")
    parser.add_argument("-o", "--output", type=Path, help="the page (default: <notebook>.html)")
    parser.add_argument(
        "--model", action="store_true", help="painters carry their model along and answer every mask (about 12 MB more)"
    )
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="seconds that a cell may take (default: %(default)g)"
    )


def run_export(args: argparse.Namespace) -> int:
    from ..share import export

    source = args.notebook if args.notebook.suffix == ".ipynb" else lesson(args.notebook)
    output = args.output or Path(f"{source.stem}.html")
    if output.exists() and source.exists() and output.samefile(source):
        raise ValueError(f"the page would overwrite {source}: name another file with -o")
    made = export(
        source, output, model=args.model, timeout=args.timeout,
        progress=lambda words: print(f"  {words}", file=sys.stderr, flush=True),
    )  # fmt: skip
    print(f"{made} ({made.stat().st_size / 1e6:.1f} MB): opens in a browser without a kernel and without a network")
    return 0


def lesson(name: Path) -> Path:
    """A lesson by its name, with or without its number's title."""
    from .lessons import lessons_source

    found = sorted(lessons_source().glob(f"{name}*.ipynb"))
    if len(found) != 1:
        there = ", ".join(path.stem for path in sorted(lessons_source().glob("*.ipynb")))
        raise FileNotFoundError(f"{name} is no notebook (.ipynb) and names {len(found)} lessons: there are {there}")
    return found[0]
