"""How much of a bare model loop's speed does a whole dataset keep? Pictures per second, in turns, medians.

    python benchmarks/dataset.py [DATA] [--model tiny-classifier] [--pictures 512] [--batch 32]
        [--threads 2] [--repeats 3] [--device cpu] [--processor]

The bare loop reads and decodes each batch, normalizes it, runs `model.forward_features` and the head without a gradient, and keeps
nothing. `mimviz.inspect` does features and norms of the same pictures, writes its store with thumbnails, and reads ahead in threads
meanwhile. A third line has the pictures in memory, decoded, which no dataset has. `--processor` counts seconds of processor time,
for machines that do other things as well.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

import mimviz as mv
from mimviz.data.decode import thumbnail
from mimviz.scale.rows import rows

WANTED = 0.9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", nargs="?", default=None, help="whatever mimviz.data.dataset opens (default: the bundled pictures)"
    )
    parser.add_argument("--model", default="tiny-classifier")
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processor", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.processor else time.perf_counter
    names = mv.images()
    source = options.data or [names[i % len(names)] for i in range(options.pictures)]
    model, found = mv.load_vit(options.model).to(options.device), rows(source)[0][: options.pictures]
    sides = _sides(model, source, found, options.batch)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.repeats):
        for name, work in sides.items():
            began = clock()
            work()
            seconds[name].append(clock() - began)
    speed = {name: len(found) / statistics.median(each) for name, each in seconds.items()}
    print(
        f"{options.model}, {len(found)} pictures, batches of {options.batch}, {options.threads} threads, {options.device}"
    )
    for name, each in seconds.items():
        ratio = speed["inspect"] / speed[name]
        print(
            f"  {name:22} {speed[name]:8.1f} pictures/s  ({min(each):.2f}..{max(each):.2f} s)   inspect is {ratio:.2f} × it"
        )
    fine = speed["inspect"] >= WANTED * speed["bare loop"]
    print(f"{'met' if fine else 'MISSED'}: inspect keeps {WANTED:.0%} of the bare loop's pictures per second")
    return 0 if fine else 1


def _sides(model, source, found: list, batch: int) -> dict[str, Callable[[], object]]:
    parts, device = mv.vit.anatomy(model), next(model.parameters()).device
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (parts.mean, parts.std))
    spans = [found[i : i + batch] for i in range(0, len(found), batch)]

    def read(some: list) -> torch.Tensor:
        return torch.from_numpy(np.stack([thumbnail(each.data(), parts.size, name=each.name) for each in some]))

    @torch.no_grad()
    def passed(images: torch.Tensor) -> None:
        model.forward_head(model.forward_features((images.to(device).float() / 255 - mean) / std)).cpu()

    memory = [read(some) for some in spans]

    def inspected() -> None:
        with tempfile.TemporaryDirectory() as folder:
            mv.inspect(source, model, out=folder + "/store", batch=batch, limit=len(found), progress=False)

    return {
        "bare loop": lambda: [passed(read(some)) for some in spans],
        "inspect": inspected,
        "bare loop, in memory": lambda: [passed(each) for each in memory],
    }


if __name__ == "__main__":
    sys.exit(main())
