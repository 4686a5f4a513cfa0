"""How fast are the judges beside Quantus, and how long does a whole board take? One run, in turns, medians.

    pip install quantus --no-deps
    python benchmarks/judges.py [--device cpu] [--threads 2] [--repeats 3] [--steps 49] [--pictures 20]
        [--skip-board | --only-board]

Quantus' pixel flipping takes one curve, from the whole picture down; mimviz takes deletion and insertion, two curves through as
many points, for which Quantus must run twice, the second time with the map turned round. Quantus counts each channel of a pixel
as a feature and asks that a step divides the pixels of one channel, so a curve through S points of a colour picture takes it 3 S
passes: the ratio pass for pass is printed as well. `Drop` leaves tokens out of the sequence, which is exact attention at −∞ and
costs what is left; `Fill` paints grey, as Quantus does, and its curve must be Quantus' at every point where whole patches are gone.
The board is the bundled classifier's: 10 methods × 8 judges × 20 pictures; half its processor time is what two quiet cores need at
best.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import timm
import torch

import mimviz as mv
from mimviz.judges import Board, Deletion, Insertion
from mimviz.judges.removal import Drop, Fill
from mimviz.widgets.judge_board import METHODS, _defaults

CLASS = 3
WANTED = 5.0
QUANTUS = "Quantus pixel flipping"
MINUTES = 10


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def curves(device: str, steps: int, repeats: int) -> bool:
    import quantus

    torch.manual_seed(0)
    net = timm.create_model("vit_base_patch16_224", num_classes=10).eval().to(device)
    picture = mv.image("astronaut").fit(224, 224)
    scene = mv.Scene(net, picture, target=CLASS)
    heat = mv.lenses.Rollout()(scene)
    pixels = np.kron(heat.values[0].cpu().numpy(), np.ones((16, 16)))[None, None]
    flipping = quantus.PixelFlipping(
        features_in_step=224 * 224 // steps, perturb_baseline=0.0, abs=False, normalise=False, disable_warnings=True
    )
    told: list = []

    def theirs() -> None:
        told[:] = flipping(
            model=net, x_batch=scene.images.cpu().numpy(), y_batch=np.array([CLASS]), a_batch=pixels, device=device, softmax=True
        )  # fmt: skip

    def ours(removal) -> Callable[[], object]:
        return lambda: (Deletion(removal, steps=steps)(scene, heat), Insertion(removal, steps=steps)(scene, heat))

    sides = {
        QUANTUS: theirs,
        "Fill, two curves": ours(Fill()),
        "Drop, two curves": ours(Drop()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, work in sides.items():
            seconds[name].append(timed(work))
    mine = Deletion(Fill(), steps=steps)(scene, heat).curve.y[0].numpy()[1:]
    passes = len(told[0])
    apart = float(np.abs(mine - np.asarray(told[0])[passes // steps - 1 :: passes // steps]).max())
    base = statistics.median(seconds[QUANTUS])
    print(f"ViT-B/16, {steps} points, {device}; Quantus takes {passes} passes a curve")
    print(
        f"largest difference of the filled deletion curve to Quantus' {apart:.1e}, of numbers {mine.min():.3f}..{mine.max():.3f}"
    )
    print(f"  {'':28} {'seconds':>8}   {'to one curve':>14} {'to two curves':>14} {'to two, pass for pass':>22}")
    for name, found in seconds.items():
        middle = statistics.median(found)
        ratios = base / middle, 2 * base / middle, 2 * base / middle * (steps + 1) / passes
        told_ratios = "" if name == QUANTUS else f"{ratios[0]:12.2f} × {ratios[1]:12.2f} × {ratios[2]:20.2f} ×"
        print(f"  {name:28} {middle:8.2f}   ({min(found):.2f}..{max(found):.2f})  {told_ratios}")
    return apart < 1e-5 and 2 * base / statistics.median(seconds["Drop, two curves"]) >= WANTED


def board(device: str, count: int) -> bool:
    names = mv.images()
    bundled = [mv.image(name) for name in names]
    pictures = [bundled[i % len(bundled)].fit(64 + i // len(bundled), 64 + i // len(bundled)) for i in range(count)]
    model = mv.load_vit("tiny-classifier").to(device)
    methods = [getattr(mv.lenses, name) for name in METHODS]
    work = Board(model, pictures, methods=methods, judges=_defaults())
    began, busy = time.perf_counter(), time.process_time()
    for _ in work.run():
        pass
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    size = f"{len(work.methods)} methods × {len(work.judges)} judges × {count} pictures"
    print(f"board: {size} = {work.done} cells in {seconds:.0f} s; {busy:.0f} s of processor time")
    by_judge: dict[str, float] = {}
    for cell in work.cells.values():
        by_judge[cell.judge] = by_judge.get(cell.judge, 0.0) + cell.seconds
    print("  " + ", ".join(f"{name} {found:.0f} s" for name, found in by_judge.items()))
    return seconds <= 60 * MINUTES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=49)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--skip-board", action="store_true")
    parser.add_argument("--only-board", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    fine = options.only_board or curves(options.device, options.steps, options.repeats)
    fast = options.skip_board or board(options.device, options.pictures)
    if not options.only_board:
        print(f"{'met' if fine else 'MISSED'}: both curves {WANTED:.0f} × as fast as Quantus' two, and Quantus' curve")
    if not options.skip_board:
        print(f"{'met' if fast else 'MISSED'}: a board in {MINUTES} minutes")
    return 0 if fine and fast else 1


if __name__ == "__main__":
    sys.exit(main())
