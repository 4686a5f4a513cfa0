"""What watching a training costs: processor time of a step with a TrainingMonitor and without, in turns; and how fast it pauses.

    python benchmarks/monitor.py [--blocks 12] [--steps 12] [--lenses Attention TokenNorm] [--size 64]

One training goes on throughout; every block of steps it is watched or not, so that both see the same noise of the machine. The
processor's time counts the threads of pictures and numbers, too. There is no browser: messages are made into JSON and dropped.
Exits with 1 where watching costs more than 3 % and two standard errors, or a pause takes more than a step and a half.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import comm  # noqa: E402
import torch  # noqa: E402
from comm.base_comm import BaseComm  # noqa: E402

import mimviz as mv  # noqa: E402
from mimviz.data import Batches  # noqa: E402

LIMIT = 0.03


class Dropped(BaseComm):
    """A wire that makes its messages ready, as a kernel does, and sends them nowhere."""

    bytes = 0

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        Dropped.bytes += len(json.dumps(data)) + sum(memoryview(each).nbytes for each in buffers or [])


class Blocks:
    """Watches every second block of steps and takes the time of each."""

    def __init__(self, monitor, steps: int):
        self.monitor, self.steps = monitor, steps
        self.cost: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        self.watched = False
        self.begun: tuple[float, float] | None = None

    def told(self, event) -> None:
        if event.step is None or event.step.index % self.steps:
            return
        monitor = self.monitor
        monitor.engine.wait()  # what was begun in this block is of this block
        monitor._teller.wait()
        now = time.process_time(), time.perf_counter()
        if self.begun is not None:
            cpu, wall = (b - a for a, b in zip(self.begun, now, strict=True))
            self.cost[self.watched].append((cpu / self.steps, wall / self.steps))
        self.watched = not self.watched
        for end in monitor._ends:
            end()
        monitor._ends = [monitor.runs[0].follow(monitor._heard)] if self.watched else []
        monitor._beat = time.monotonic()
        self.begun = time.process_time(), time.perf_counter()


def training(size: int, steps: int) -> mv.Run:
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=size, patch_size=8, depth=4)
    model = mv.recipes.mae(encoder, dim=96, depth=1, normalize=False)
    shown = torch.stack([torch.tensor(mv.image(name, size=size).array).permute(2, 0, 1) for name in mv.images()])
    data = Batches(shown.mul(255).round().to(torch.uint8).repeat(4, 1, 1, 1), 32, mean=encoder.mean, std=encoder.std)
    return mv.Run(model, data, steps=steps, watch=["cat", mv.images()[3]])


def pauses(size: int, times: int = 8) -> list[float]:
    """Seconds from asking for a pause to the end of the last step, in steps."""
    run, found = training(size, 10_000), []
    for _ in range(times):
        ends: list[float] = []
        end = run.follow(lambda event, ends=ends: ends.append(time.perf_counter()) if event.step else None)
        run.start()
        while len(ends) < 4:
            time.sleep(0.003)
        run.pause()
        asked = time.perf_counter()
        run.wait()
        end()
        found.append(max(0.0, ends[-1] - asked) / statistics.median(run.history.seconds[-10:]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=12, help="of each kind")
    parser.add_argument("--steps", type=int, default=12, help="in a block")
    parser.add_argument("--lenses", nargs="+", default=["Attention", "TokenNorm"])
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    comm.create_comm = Dropped
    from mimviz.widgets import TrainingMonitor

    if not TrainingMonitor._esm:
        TrainingMonitor._esm = "export default {}"
    count = (2 * options.blocks + 2) * options.steps
    run = training(options.size, count)
    monitor = TrainingMonitor(run, lenses=options.lenses)
    monitor.wait()
    blocks = Blocks(monitor, options.steps)
    run.follow(blocks.told)
    run.start().wait(3600)
    return report(run, monitor, blocks, options)


def report(run: mv.Run, monitor, blocks: Blocks, options: argparse.Namespace) -> int:
    plain, watched = blocks.cost[False], blocks.cost[True]
    pairs = list(zip(plain, watched, strict=False))
    shares = [b[0] / a[0] - 1 for a, b in pairs]
    mean, error = statistics.mean(shares), statistics.stdev(shares) / len(shares) ** 0.5
    spent = monitor._looking.spent + monitor._telling.spent
    kept = sum(pace.spent for pace in (run.keeper._exact, run.keeper._light, run.keeper._health))
    wall = float(run.history.seconds.sum())
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} thread")
    print(f"{'processor time of a step, plain':<52}{1000 * statistics.median(a for a, _ in plain):9.1f} ms")
    print(f"{'processor time of a step, watched':<52}{1000 * statistics.median(a for a, _ in watched):9.1f} ms")
    print(
        f"{'watching costs, of the time of a step':<52}{100 * mean:9.2f} % ± {100 * error:.2f} over {len(pairs)} pairs of blocks"
    )
    print(f"{'by its own count: pictures and numbers, of wall time':<52}{100 * spent / (wall / 2):9.2f} %")
    print(
        f"{'by its own count: moments and health of layers':<52}{100 * kept / wall:9.2f} %, {len(run.moments)} moments kept"
    )
    print(f"{'messages':<52}{Dropped.bytes / 1e6:9.2f} MB")
    monitor.close()
    waits = pauses(options.size)
    print(f"{'a pause is answered after':<52}{statistics.median(waits):9.2f} steps, {max(waits):.2f} at most")
    missed = mean - 2 * error > LIMIT or statistics.median(waits) > 1.5
    print("MISSED" if missed else "within 3 % and a step and a half")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
