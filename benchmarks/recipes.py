"""Recipes side by side: the same small encoder, pictures, steps and batches; what of their loss is left, and what a probe reads.

    python benchmarks/recipes.py tiny-imagenet-train-0-of-5.parquet tiny-imagenet-val.parquet --out runs/recipes.jsonl
        [--recipes mae simmim …] [--seeds 3] [--steps 200] [--batch 64] [--threads 1]

Every run is one line of the file, and a second call goes on where the first was left. Losses have units of their own and are
given as the share that is left: mean of the last tenth over mean of the first. The probes read frozen features of 50 classes, a
logistic regression and 20 nearest neighbours, and are scored on pictures that no training saw. `untrained` is the same encoder as
it was drawn. Intervals are mean ± 1.96 standard errors over the seeds. Nothing here says which recipe is best: a few hundred steps
of a small model are not what the papers are about.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

import mimviz as mv
from mimviz import recipes
from mimviz.data import Batches, read_parquet
from mimviz.tune import KNN, LinearProbe

DEFAULT = ("mae", "simmim", "hpm", "colormae", "attmask", "maskfeat", "data2vec")
SMALL = {"dim": 96, "depth": 2}  # of decoders, where a recipe has one
CLASSES, EACH = 50, 60


def encoder(seed: int):
    torch.manual_seed(seed)
    size = {"img_size": 64, "patch_size": 8, "embed_dim": 96, "depth": 4, "num_heads": 3}
    return mv.encoder("vit_tiny_patch16_224", positions="sincos", **size)


def recipe(name: str, seed: int):
    import inspect

    made = getattr(recipes, name)
    taken = inspect.signature(made).parameters
    return made(encoder(seed), **{k: v for k, v in SMALL.items() if k in taken})


def probed(enc, train, val) -> dict[str, float]:
    fit, check = (_few(each, count) for each, count in ((train, EACH), (val, 25)))
    found = {}
    for name, word in (("probe", LinearProbe(enc, C=0.01)), ("knn", KNN(enc))):
        found[name] = float(word.fit(*fit).score(*check))
    return found


def _few(pictures, count: int):
    """The first `count` pictures of each of the first classes."""
    images, labels = pictures.images, pictures.labels
    ids = torch.cat([(labels == c).nonzero()[:count, 0] for c in range(CLASSES)])
    return images[ids], labels[ids].numpy()


def run(name: str, seed: int, train, val, options) -> dict:
    began = time.perf_counter()
    if name == "untrained":
        return {
            "recipe": name,
            "seed": seed,
            **probed(encoder(seed), train, val),
            "seconds": time.perf_counter() - began,
        }
    model = recipe(name, seed)
    enc = model.encoder
    batches = Batches(train.images, options.batch, mean=enc.mean, std=enc.std, seed=seed)
    losses = [step.loss for step in mv.fit(model, batches, steps=options.steps, lr=options.lr, seed=seed)]
    tenth = max(options.steps // 10, 1)
    left = statistics.mean(losses[-tenth:]) / statistics.mean(losses[:tenth])
    seconds = time.perf_counter() - began
    return {
        "recipe": name,
        "seed": seed,
        "left": left,
        "loss": statistics.mean(losses[-tenth:]),
        **probed(enc, train, val),
        "seconds": seconds,
    }


def table(lines: list[dict]) -> str:
    rows = ["| recipe | loss left | linear probe | 20 neighbours | s |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(line["recipe"] for line in lines):
        mine = [line for line in lines if line["recipe"] == name]
        cells = [_interval([line[k] for line in mine if k in line]) for k in ("left", "probe", "knn")]
        rows.append(f"| `{name}` | {' | '.join(cells)} | {statistics.median(line['seconds'] for line in mine):.0f} |")
    return "\n".join(rows)


def _interval(values: list[float]) -> str:
    if not values:
        return "–"
    spread = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{100 * statistics.mean(values):.1f} ± {100 * spread:.1f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipes", nargs="+", default=DEFAULT)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train, val = read_parquet(options.train, size=64), read_parquet(options.val, size=64)
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    settings = {"steps": options.steps, "batch": options.batch, "lr": options.lr}
    done = {(line["recipe"], line["seed"]) for line in lines if all(line[k] == v for k, v in settings.items())}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for name in ("untrained", *options.recipes):
            if (name, seed) in done:
                continue
            line = run(name, seed, train, val, options) | settings
            lines.append(line)
            with options.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
    print(table(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
