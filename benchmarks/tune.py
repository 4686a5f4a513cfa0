"""Tuning on two cores: a linear probe from the files to its score, and a fine-tuning until its first validation point.

    python benchmarks/tune.py tiny-imagenet-train-*-of-5.parquet --validate tiny-imagenet-val.parquet [--classes 10] [--threads 2]

Both begin with the files and the bundled model "tiny": ten classes of 300 photographs (all five shards), 64 x 64. The probe is a
logistic regression on frozen features, which are not remembered from before. The fine-tuning trains all weights with layer decay
and is tested on the held-out photographs after 20 steps of 64. Seconds are those of the clock and those of all processors together;
a machine that does other things meanwhile shows it in the former. Exits with 1 where a target is missed: the lesser of the clock
and of half the processors' time is counted, which is what two cores at rest need of work that divides. With --threads 1 no thread
waits for another, so that the processors' time is the plain one also on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import mimviz as mv
from mimviz.data import dataset
from mimviz.tune import Classifier, LinearProbe, classifier, layer_decay

PROBE, POINT = 30.0, 60.0  # seconds that are wanted at most
STEPS, EVERY, BATCH = 400, 20, 64
CORES = 2


class Clock:
    """Seconds by the clock and of all processors, by what they were spent on."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, float]] = {}

    @contextmanager
    def timed(self, what: str):
        wall, work = time.perf_counter(), time.process_time()
        yield
        self.spent[what] = time.perf_counter() - wall, time.process_time() - work

    def report(self, title: str, limit: float) -> bool:
        wall, work = (sum(each) for each in zip(*self.spent.values(), strict=True))
        print(f"\n{title}")
        for what, (a, b) in self.spent.items():
            print(f"  {what:<44}{a:8.1f} s{b:8.1f} s of processors")
        reached = min(wall, work / CORES) <= limit
        told = f"{wall:8.1f} s{work:8.1f} s, {work / CORES:.1f} s on {CORES} cores"
        print(f"  {'in all':<44}{told}: {'within' if reached else 'MISSED,'} {limit:.0f} s")
        return reached


def probed(options: argparse.Namespace) -> bool:
    clock = Clock()
    with clock.timed("read and decode"):
        mim, train, held = opened(options)
    probe = LinearProbe(mim)
    with clock.timed(f"features of {len(train)} + {len(held)} pictures"):
        probe.features(train)
        probe.features(held)
    with clock.timed("logistic regression and score"):
        score = probe.fit(train, train.labels).score(held, held.labels)
    title = (
        f"linear probe: {len(train)} pictures of {len(train.classes)} classes, {score:.1%} of {len(held)} others right"
    )
    return clock.report(title, PROBE)


def tuned(options: argparse.Namespace) -> bool:
    clock = Clock()
    with clock.timed("read and decode"):
        mim, train, held = opened(options)
    model = Classifier(classifier(mim, len(train.classes)), steps=STEPS)
    batches = train.batches(BATCH, mim)
    with clock.timed(f"{EVERY} steps of {BATCH}, and the point"):
        steps = mv.fit(
            model, batches, steps=STEPS, until=EVERY, scales=layer_decay(model, 0.75), betas=(0.9, 0.999), validation=held,
            validate_every=EVERY,
        )  # fmt: skip
        found = list(steps)[-1].validation
    assert found is not None and found.accuracy is not None
    said = f"loss {found.loss:.2f}, {found.accuracy:.1%} of {len(held)} right"
    title = f"fine-tuning: {len(train)} pictures; after {EVERY} steps {said}"
    return clock.report(title, POINT)


def opened(options: argparse.Namespace):
    """The model, and the pictures of the first classes to learn from and to be tested on."""
    mim = mv.load_mim("tiny")
    names = [str(label) for label in range(options.classes)]
    size = (mim.grid.height, mim.grid.width)
    return mim, dataset(options.data, size=size, of=names), dataset(options.validate, size=size, of=names)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="Parquet files to learn from")
    parser.add_argument("--validate", required=True, help="a Parquet file to be tested on")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} threads, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    return 0 if all([probed(options), tuned(options)]) else 1


if __name__ == "__main__":
    sys.exit(main())
