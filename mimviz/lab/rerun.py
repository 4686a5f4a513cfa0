"""`mimviz rerun figure.png`: make a figure again, and say whether it is identical and, if not, why."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_rerun_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("figure", type=Path, help="a PNG, an SVG or a page that mimviz wrote")
    parser.add_argument("--model", help="the model to ask, where it has another name here: a bundled name or a file")
    parser.add_argument("-o", "--output", type=Path, help="write the new figure there (.png or .svg)")


def run_rerun(args: argparse.Namespace) -> int:
    """0 identical, 1 not."""
    if args.output and args.output.exists() and args.figure.exists() and args.output.samefile(args.figure):
        raise ValueError(f"the new figure would overwrite {args.figure}: name another file with -o")
    import matplotlib as mpl

    mpl.use("Agg")
    from ..share import rerun

    verdict = rerun(args.figure, model=args.model)
    told = verdict.receipt
    what = f"mask {told['mask']}" if told["kind"] == "outcome" else told["method"]
    print(f"{told['kind']} by {told['name']} ({str(told['model'])[:12]}…), {what}, mimviz {told['versions']['mimviz']}")
    if args.output and verdict.figure:
        verdict.figure.savefig(args.output, **told.get("drawn", {}))
        print("made again in", args.output)
    print("identical" if verdict.identical else "not identical")
    for reason in verdict.why:
        print(" -", reason)
    return 0 if verdict.identical else 1
