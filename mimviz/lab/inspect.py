"""`mimviz inspect DATASET`: lenses, judges, norms and features over a whole dataset, into a store; goes on where it was stopped."""

from __future__ import annotations

import argparse
import ast
from typing import Any


def add_inspect_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", nargs="+", help="a folder of pictures or of class folders, Parquet files (with wildcards), or a CSV")
    add("-o", "--out", required=True, help="folder of the store; one that holds the same question is gone on with")
    add("--model", default="tiny-classifier", help="bundled name, timm name or file (default %(default)s)")
    add("--lenses", nargs="*", default=[], metavar="LENS", help="e.g. Rollout 'Occlusion(window=2)'")
    add("--judges", nargs="*", default=[], metavar="JUDGE", help="e.g. Deletion 'Insertion(steps=16)'")
    add("--features", nargs="*", default=["avg"], choices=["avg", "token"], help="(default: avg)")
    add(
        "--norms",
        nargs="*",
        type=int,
        default=[-1],
        metavar="BLOCK",
        help="whose tokens are measured (default: the last)",
    )
    add(
        "--target", default=None, help="what lenses ask about: a class, or 'label' (default: each picture's best class)"
    )
    add("--batch", type=int, default=32)
    add("--limit", type=int, default=None, help="first pictures only")
    add("--image-column", default=None, metavar="NAME", help="of a Parquet file or a CSV, where it is not plain")
    add("--label-column", default=None, metavar="NAME", help="the same for the labels")
    add("--thumbnails", type=int, default=64, help="longest side in pixels, 0 for none (default %(default)s)")
    add("--device", default=None, help="cpu, cuda, mps (default: a GPU when there is one)")
    add("--threads", type=int, default=None, help="CPU threads of torch")


def run_inspect(args: argparse.Namespace) -> int:
    import torch

    from .. import judges, lenses
    from ..scale import inspect
    from ..zoo import opened

    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    words: dict[str, Any] = {
        "lenses": [spoken(each, lenses, "--lenses") for each in args.lenses],
        "judges": [spoken(each, judges, "--judges") for each in args.judges],
    }
    target = int(args.target) if args.target and args.target.isdigit() else args.target
    store = inspect(
        args.data if len(args.data) > 1 else args.data[0], opened(args.model).to(device), out=args.out, **words,
        features=args.features, norms=args.norms, target=target, batch=args.batch, limit=args.limit,
        image=args.image_column, label=args.label_column, thumbnails=args.thumbnails or None,
    )  # fmt: skip
    print(
        f"{store.rows} of {store.of} pictures in {store.folder}; open them with mimviz.open_store({str(store.folder)!r})"
    )
    for row, name, why in store.errors[:10]:
        print(f"  row {row}, {name}: {why}")
    if len(store.errors) > 10:
        print(f"  and {len(store.errors) - 10} more, see store.errors")
    return 0


def spoken(text: str, package: Any, argument: str) -> Any:
    """`Occlusion` or `Occlusion(window=2)` → the word. ValueError that says what is wrong."""
    try:
        tree = ast.parse(text, mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        name = call.func.id  # type: ignore[attr-defined]
        if call.args:
            raise ValueError("parameters have names")
        keywords = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, AttributeError, ValueError) as err:
        raise ValueError(
            f"{argument} has {text!r}, but a name, or a name with parameters like Name(steps=16), is wanted"
        ) from err
    if name not in package.__all__:
        raise ValueError(f"{argument} names {name!r}, but there are {', '.join(package.__all__)}")
    try:
        return getattr(package, name)(**keywords)
    except TypeError as err:
        raise ValueError(f"{argument} has {text!r}: {err}") from err
