"""How fast are the saliency lenses beside their peers? Same model, picture and settings, in turns; medians and peak memory.

    pip install torchcam grad-cam ttach opencv-python-headless saliency --no-deps
    python benchmarks/saliency.py [--device cpu] [--threads 2] [--repeats 3] [--only "Grad-CAM"] [--clock cpu]

The random model has the real shapes; no weights are needed, as time does not depend on them. Each row states whether both sides
gave the same numbers, and the run fails where a row misses its ratio. Peak memory is what a run needed beyond what was there
before.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
from torch import Tensor

import mimviz as mv
from mimviz import lenses
from mimviz.lenses._greedy import greedy, segments
from mimviz.lenses._regions import on_pixels

CLASS = 3
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Row(NamedTuple):
    """`theirs` and `ours` give tensors; `close` how far they may differ, as a share of the largest number, None where they may."""

    name: str
    peer: str
    theirs: Callable[[], Any]
    ours: Callable[[], Any]
    wanted: float
    close: float | None = 1e-3


def model(name: str, device: str) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=10).eval().to(device)


def picture(net: Any, device: str) -> Tensor:
    parts = mv.vit.anatomy(net)
    return mv.image("astronaut").fit(*parts.size).tensor(mean=parts.mean, std=parts.std).to(device)


def grad_cam(device: str) -> Row:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = model("vit_base_patch16_224", device)
    images = picture(net, device)

    def theirs():
        tokens = lambda t: t[:, 1:].transpose(1, 2).unflatten(2, (14, 14))  # noqa: E731
        with GradCAM(net, [net.blocks[-2]], tokens) as cam:
            cam(images, [ClassifierOutputTarget(CLASS)])
        net.zero_grad()

    return Row(
        "Grad-CAM, ViT-B/16", "grad-cam", theirs, lambda: lenses.GradCAM(relu=False)(scene(net, images)), 2.0, None
    )


def scene(net: Any, images: Tensor) -> mv.Scene:
    return mv.Scene(net, images, target=CLASS)


def integrated(device: str, size: int) -> Row:
    from captum.attr import IntegratedGradients

    net = model("vit_small_patch16_224", device)
    images = picture(net, device)
    peer = IntegratedGradients(net)
    return Row(
        f"IG, 24 steps, ViT-S/16, batch {size}",
        "captum",
        lambda: peer.attribute(images, target=CLASS, n_steps=24, internal_batch_size=size),
        lambda: lenses.IntegratedGradients(steps=24).attributions(scene(net, images)),
        1.0,
    )


def occlusion(device: str, at_once: int) -> Row:
    from captum.attr import Occlusion

    net = model("vit_tiny_patch16_224", device)
    images = picture(net, device)
    peer = Occlusion(net)

    def theirs():
        shape, step = (3, 64, 64), (3, 16, 16)
        return peer.attribute(
            images, sliding_window_shapes=shape, strides=step, target=CLASS, perturbations_per_eval=at_once
        )[:, 0]

    def ours():
        at = scene(net, images)
        return on_pixels(at, lenses.Occlusion(window=4, stride=1)(at).values)

    return Row(f"occlusion, 121 windows, ViT-Ti/16, {at_once} at once", "captum", theirs, ours, 1.5)


def dropped(device: str) -> Row:
    net = model("vit_tiny_patch16_224", device)
    images = picture(net, device)
    lens = lenses.Occlusion(window=4, stride=1, remove="drop")

    def theirs():
        at = scene(net, images)
        windows = lens.windows(at)
        with torch.no_grad():
            falls = net(images)[0, CLASS] - masked_attention(net, images, ~windows)
        return (torch.einsum("k,kyx->yx", falls, windows.float()) / windows.sum(0))[None]

    return Row(
        "occlusion by dropping, 121 windows, ViT-Ti/16",
        "naive: −∞ in attention, one by one",
        theirs,
        lambda: lens(scene(net, images)).values,
        1.5,
    )


def masked_attention(net: Any, images: Tensor, masks: Tensor) -> Tensor:
    """(K,): one pass for each mask, hidden patches at −∞ in the attention of the whole sequence."""
    found = []
    for mask in masks:
        seen = torch.cat([mask.new_ones(1, dtype=torch.bool), mask.flatten() > 0])
        with torch.no_grad():
            tokens = net.forward_features(images, attn_mask=seen[None, None, None].expand(1, 1, len(seen), -1))
            found.append(net.forward_head(tokens[:, seen])[0, CLASS])
    return torch.stack(found)


def rise(device: str, remove: str) -> Row:
    net = model("vit_tiny_patch16_224", device)
    images = picture(net, device)
    lens = lenses.RISE(samples=64, remove=remove, center=False)  # type: ignore[arg-type]

    def theirs():
        masks = lens.masks(scene(net, images), 0, 64)
        if remove == "drop":
            scores = masked_attention(net, images, masks)
        else:
            with torch.no_grad():
                scores = torch.stack([net(images * mask)[0, CLASS] for mask in masks])
        return ((scores[:, None, None] * masks).sum(0) / 32)[None]

    name = {"drop": "RISE by dropping half of the tokens", "fill": "RISE as in the paper"}[remove]
    peer = {"drop": "naive: −∞ in attention, one by one", "fill": "naive, one by one"}[remove]
    return Row(f"{name}, 64 masks, ViT-Ti/16", peer, theirs, lambda: lens(scene(net, images)).values, 1.5)


def pairs() -> Any:
    here, path = sys.path[0], sys.path
    sys.path = [each for each in path if each != here]  # this file has the package's name
    import saliency.core

    sys.path = path
    return saliency.core


def xrai(device: str) -> Row:
    net = model("resnet18", device)
    return Row(
        "XRAI, 2 x 20 steps, ResNet-18",
        "saliency",
        lambda: pairs_xrai(net, picture(net, device), CLASS, steps=20),
        lambda: lenses.XRAI(steps=20)(scene(net, picture(net, device))),
        4.0,
        None,
    )


def exact_xrai(device: str) -> Row:
    """Fewer steps of a better rule, no less exact: the error of either path against 200 steps is measured, too."""
    net = mv.load_vit("tiny-classifier").to(device)
    images, steps = picture(net, device), (100, 20)
    rules = ("both ends", "gausslegendre")
    errors = [path_error(net, images, rule, count) for rule, count in zip(rules, steps, strict=True)]
    assert errors[1] <= errors[0], f"{errors[1]:.4f} is less exact than {errors[0]:.4f}"
    return Row(
        f"XRAI, trained ViT, 2 x {steps[0]} steps theirs (paths off by {errors[0]:.1%}), 2 x {steps[1]} ours ({errors[1]:.1%})",
        "saliency as shipped",
        lambda: pairs_xrai(net, images, CLASS, steps=steps[0]),
        lambda: lenses.XRAI(steps=steps[1])(scene(net, images)),
        4.0,
        None,
    )


def path_error(net: Any, images: Tensor, rule: str, steps: int) -> float:
    """Σ |map − exact map| / Σ |exact map| of the mean over both baselines; "both ends": PAIR's mean over evenly spaced points."""
    at, exact, found = scene(net, images), torch.zeros_like(images), torch.zeros_like(images)
    for word in ("black", "white"):
        exact += lenses.IntegratedGradients(200, baseline=word).attributions(at)  # type: ignore[arg-type]
        if rule != "both ends":
            found += lenses.IntegratedGradients(steps, rule=rule, baseline=word).attributions(at)  # type: ignore[arg-type]
            continue
        start = lenses._pixels.blank(at, word)  # type: ignore[arg-type]
        for alpha in np.linspace(0, 1, steps):
            grads = lenses._probing.gradients(at, start + float(alpha) * (images - start))[0]
            found += grads * (images - start) / steps
    return float((found - exact).abs().sum() / exact.abs().sum())


def pairs_xrai(net: Any, images: Tensor, target: int, *, steps: int) -> np.ndarray:
    pair, at = pairs(), scene(net, images)
    rgb = np.asarray(at.pictures[0].array, np.float64)

    def call(x, call_model_args=None, expected_keys=None):
        batch = torch.from_numpy(np.asarray(x)).float().permute(0, 3, 1, 2).to(images.device).requires_grad_()
        (grad,) = torch.autograd.grad(net(batch)[:, target].sum(), batch)
        return {pair.INPUT_OUTPUT_GRADIENTS: grad.permute(0, 2, 3, 1).cpu().numpy()}

    ends = [lenses._pixels.blank(at, word)[0].permute(1, 2, 0).cpu().numpy() for word in ("black", "white")]
    x = images[0].permute(1, 2, 0).cpu().numpy()
    paths = [pair.IntegratedGradients().GetMask(x, call, x_baseline=end, x_steps=steps, batch_size=8) for end in ends]
    return pair.XRAI().GetMask(rgb, call, base_attribution=np.mean(paths, 0))


def regions(device: str) -> Row:
    """XRAI without its passes: segments and their greedy order, of one attribution for both."""
    pair = pairs()
    rgb = np.asarray(mv.image("astronaut").fit(224, 224).array, np.float64)
    given = np.random.default_rng(0).normal(size=(224, 224))

    def ours():
        return greedy(given.ravel(), segments(rgb.astype(np.float32)))[0].reshape(224, 224)

    def theirs():
        return pair.XRAI().GetMask(rgb, None, base_attribution=np.repeat(given[..., None], 3, 2))

    return Row("XRAI's regions alone", "saliency", theirs, ours, 4.0, None)


ROWS: dict[str, Callable[[str], list[Row]]] = {
    "Grad-CAM": lambda device: [grad_cam(device)],
    "IG": lambda device: [integrated(device, size) for size in (8, 24)],
    "occlusion": lambda device: [*(occlusion(device, size) for size in (1, 8)), dropped(device)],
    "RISE": lambda device: [rise(device, "fill"), rise(device, "drop")],
    "XRAI": lambda device: [xrai(device), exact_xrai(device)],
    "regions": lambda device: [regions(device)],
}


def peak(run: Callable[[], Any], device: str) -> tuple[Any, float]:
    """What it gave, and the MiB it needed at most (Linux: the high-water mark of the process, set back before)."""
    gc.collect()
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        found = run()
        return found, (torch.cuda.max_memory_allocated() - before) / 2**20
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    before = _status("VmRSS")
    found = run()
    return found, max(_status("VmHWM") - before, 0) / 1024


def _status(key: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key))


def seconds(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    began = clock()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--clock", choices=list(CLOCKS), default="wall", help="cpu: of this process, for a busy machine"
    )
    parser.add_argument("--only", choices=list(ROWS))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        f"torch {torch.__version__}, timm {timm.__version__}, {args.device}, {args.threads} threads, medians of {args.repeats}\n"
    )
    print("| what | peer | theirs | ours | times faster | wanted | same numbers | peak theirs | peak ours |")
    print("|---|---|---|---|---|---|---|---|---|")
    missed = 0
    for name, make in ROWS.items():
        if args.only in (None, name):
            missed += sum(measured(row, args) for row in make(args.device))
    return int(missed > 0)


def measured(row: Row, args: argparse.Namespace) -> bool:
    """Prints the row; whether it missed its ratio or its numbers."""
    (a, memory_theirs), (b, memory_ours) = (peak(run, args.device) for run in (row.theirs, row.ours))
    times: list[list[float]] = [[], []]
    for _ in range(args.repeats):
        for run, found in zip((row.theirs, row.ours), times, strict=True):
            found.append(seconds(run, CLOCKS[args.clock]))
    theirs, ours = (statistics.median(found) for found in times)
    same, wrong = "other scale", False
    if row.close is not None:
        error = float(
            (torch.as_tensor(a).cpu() - torch.as_tensor(b).cpu()).abs().max() / torch.as_tensor(a).abs().max()
        )
        same, wrong = f"to {error:.0e}", error > row.close
    print(
        f"| {row.name} | {row.peer} | {theirs:.3f} s | {ours:.3f} s | {theirs / ours:.2f} | {row.wanted} | {same} | "
        f"{memory_theirs:.0f} MiB | {memory_ours:.0f} MiB |",
        flush=True,
    )
    return wrong or theirs / ours < row.wanted


if __name__ == "__main__":
    sys.exit(main())
