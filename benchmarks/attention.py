"""What it costs to have every attention map of ViT-B/16 at 224 px: mimviz beside a plain pass and beside what people do today.

    python benchmarks/attention.py [--rounds 15] [--threads 2] [--device cpu] [--dtype float32] [--batch 1]

One run, same model and picture, random weights. All contenders take turns within every round, and ratios are medians over rounds,
so that a busy machine slows all alike. `work` is the same ratio of processor time, which other programs touch less; `program` is
processor time but for the system's, and `faults` are pages of memory that the system had to hand out, 4 KiB each: what is kept
cannot be taken again for the next layer, so every method pays for the bytes that it keeps, peers for their maps as well.
Behind it the readers, on one trace: what all maps and their gradients cost once, and each lens alone on a fresh trace, with maps
and gradients there, and asked again; `work` is the processor time of the second, all threads together. The gradients of the score
come from one backward pass of the whole net that all lenses share, which is counted as the pass; LeGrad and TokenTM compute more,
see `OWN`. Exits with 1 when a target is missed. Needs the test dependencies (transformers).
"""

from __future__ import annotations

import argparse
import gc
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from mimviz import lenses
from mimviz.vit import Scene

TARGET = 1.6
LENS = 10.0  # ms
READERS = (
    "Attention", "Rollout", "Chefer", "LeGrad", "TokenTM", "DirectEffect", "Entropy", "MeanAttentionDistance", "TokenNorm",
    "AttentionSink", "Overfocus",
)  # fmt: skip
OWN = {
    "LeGrad": "a score for each layer: 2 products of tokens x C x 4C and one of tokens x C x C a layer, {:.0f} GFLOP in all",
    "TokenTM": "each token's value through the projection: tokens x C x C a layer, {:.1f} GFLOP in all",
}
"""Lenses whose own products are no part of a pass; their numbers are kept for the next call."""


def plain(model: Any, images: Tensor) -> Any:
    with torch.inference_mode():
        return model(images)


def mimviz(model: Any, images: Tensor) -> list[Tensor]:
    """All layers captured with the fused kernel left on, and all maps made."""
    return list(Scene(model, images).trace.attention)


def captured(model: Any, images: Tensor) -> Any:
    """All layers captured, no map made yet: what opening a view costs."""
    return Scene(model, images).trace


def unfused(model: Any, images: Tensor) -> list[Tensor]:
    """timm with `fused_attn = False` and a hook on every `attn_drop`."""
    maps: list[Tensor] = []
    modules = [block.attn for block in model.blocks]
    with ExitStack() as undo:
        for module in modules:
            undo.callback(setattr, module, "fused_attn", module.fused_attn)
            module.fused_attn = False
            hook = module.attn_drop.register_forward_hook(lambda _, args, output: maps.append(output))
            undo.callback(hook.remove)
        with torch.inference_mode():
            model(images)
    return maps


def transformers(size: dict[str, int]) -> Callable[[Any, Tensor], Any]:
    """`attn_implementation="eager", output_attentions=True`, the same architecture."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(**size, num_labels=1000, attn_implementation="eager")  # type: ignore[arg-type]
    eager: Any = ViTForImageClassification(config).eval()

    def run(model: Any, images: Tensor) -> Any:
        eager.to(images)
        with torch.inference_mode():
            maps = eager(pixel_values=images, output_attentions=True).attentions
        assert len(maps) == len(model.blocks)
        return maps

    return run


def spent(run: Callable[[Any, Tensor], Any], model: Any, images: Tensor) -> tuple[float, float, float, float]:
    """Seconds on the clock, of all processors, of these in the program itself; and pages."""
    wait = torch.cuda.synchronize if images.is_cuda else lambda: None
    wait()
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    kept = run(model, images)
    wait()
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    del kept
    own = after.ru_utime - before.ru_utime
    return took, own + after.ru_stime - before.ru_stime, own, after.ru_minflt - before.ru_minflt


def seconds(run: Callable[[Any, Tensor], Any], model: Any, images: Tensor) -> float:
    return spent(run, model, images)[0]


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=15)
    ask.add_argument("--threads", type=int, default=2)
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--dtype", default="float32")
    ask.add_argument("--batch", type=int, default=1)
    asked = ask.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    where: dict[str, Any] = {"device": asked.device, "dtype": getattr(torch, asked.dtype)}
    model: Any = timm.create_model("vit_base_patch16_224").eval().to(**where)
    images = torch.randn(asked.batch, 3, 224, 224).to(**where)
    same = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
    contenders: dict[str, Callable[[Any, Tensor], Any]] = {
        "plain fused forward": plain,
        "mimviz, all layers captured": captured,
        "mimviz, all maps made": mimviz,
        "timm unfused with hooks": unfused,
        "transformers eager, output_attentions": transformers(same),
    }
    for run in contenders.values():
        seconds(run, model, images)
    gc.disable()
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in contenders}
    for turn in range(asked.rounds):
        order = list(contenders.items())
        for name, run in order[turn % len(order) :] + order[: turn % len(order)]:
            times[name].append(spent(run, model, images))
    gc.enable()
    return report(times, model, images, asked)


def report(times: dict[str, list[tuple[float, ...]]], model: Any, images: Tensor, asked: argparse.Namespace) -> int:
    base = times["plain fused forward"]
    ratio, work, own = (
        {
            name: statistics.median(t[i] / p[i] for t, p in zip(found, base, strict=True))
            for name, found in times.items()
        }
        for i in (0, 1, 2)
    )
    print(
        f"ViT-B/16, 224 px, batch {len(images)}, {asked.dtype} on {asked.device}, {asked.threads} threads, {asked.rounds} rounds"
    )
    print(
        f"torch {version('torch')}, timm {version('timm')}, transformers {version('transformers')}, {platform.machine()}"
    )
    print(f"\n{'':42}{'median':>11}{'ratio':>8}{'work':>8}{'program':>9}{'faults':>8}")
    for name, found in times.items():
        clock, pages = 1000 * statistics.median(each[0] for each in found), statistics.median(each[3] for each in found)
        print(f"{name:42}{clock:8.1f} ms{ratio[name]:8.2f}{work[name]:8.2f}{own[name]:9.2f}{pages:8.0f}")
    rows(model, images)
    slow = readers(model, images)
    ours = ratio["mimviz, all maps made"]
    checks = {
        f"all layers captured, all maps made: at most {TARGET} x a plain pass": ours <= TARGET,
        "faster than transformers eager with output_attentions": ours < ratio["transformers eager, output_attentions"],
        "captured faster than timm unfused with hooks": ratio["mimviz, all layers captured"]
        < ratio["timm unfused with hooks"],
        f"each reader lens at most {LENS:.0f} ms after the pass, once the maps are there{slow}": not slow,
    }
    print()
    for what, met in checks.items():
        print(f"{'met   ' if met else 'MISSED'}  {what}")
    return 0 if all(checks.values()) else 1


def rows(model: Any, images: Tensor) -> None:
    """What a hover asks: one row of all heads of a layer."""
    scene = Scene(model, images)
    trace, ids = scene.trace, torch.tensor([99], device=images.device)
    _ = seconds(lambda *_: trace.rows(0, ids), model, images)
    first = [seconds(lambda *_, layer=layer: trace.rows(layer, ids), model, images) for layer in range(1, 12)]
    again = [seconds(lambda *_: trace.rows(6, ids), model, images) for _ in range(50)]
    whole = [seconds(lambda *_: trace.attention[6], model, images) for _ in range(20)]
    print(f"\n{'one row, all heads, first of a layer':42}{1000 * statistics.median(first):8.2f} ms")
    print(f"{'one row, all heads, again':42}{1000 * statistics.median(again):8.2f} ms")
    print(f"{'one whole map, all heads':42}{1000 * statistics.median(whole):8.2f} ms")
    print(f"{'held by the trace':42}{trace.bytes / 2**20:8.1f} MiB")
    print(f"certificate: {trace.certificate}")


def readers(model: Any, images: Tensor) -> str:
    """Every reader lens; names those that are too slow once maps and gradients are there."""
    scene = Scene(model, images)
    _ = scene.trace, scene.image_grad  # the pass, and one backward for all
    kept, wait = scene.trace.kept, torch.cuda.synchronize if images.is_cuda else lambda: None

    def took(make: Callable[[], Any], before: Callable[[], Any], rounds: int = 5) -> tuple[float, float]:
        """Medians on the clock and of all processors."""
        found = []
        for _ in range(rounds):
            before()
            wait()
            start, work = time.perf_counter(), time.process_time()
            make()
            wait()
            found.append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - work)))
        return statistics.median(each[0] for each in found), statistics.median(each[1] for each in found)

    def shared() -> None:
        kept.clear()
        _ = [*scene.trace.attention, *scene.trace.attention_grad]

    print()
    for what, maps in (("all maps", scene.trace.attention), ("their gradients", scene.trace.attention_grad)):
        clock, work = took(lambda maps=maps: list(maps), kept.clear)
        print(f"{'once for all readers: ' + what:42}{clock:8.2f} ms{work:8.2f} ms of work")
    tokens, width, depth = scene.prefix + scene.grid.count, model.embed_dim, len(model.blocks)
    one = 2e-9 * len(images) * tokens * width**2 * depth
    print(f"\n{'reader lens':42}{'alone':>8}{'maps there':>12}{'again':>9}{'work':>9}")
    slow = []
    for name in READERS:
        lens = getattr(lenses, name)()
        alone, there, again = (
            took(lambda lens=lens: lens(scene), before) for before in (kept.clear, shared, lambda: None)
        )
        own = OWN.get(name, "").format(9 * one if name == "LeGrad" else one)
        print(f"{name:42}{alone[0]:8.2f}{there[0]:12.2f}{again[0]:9.2f}{there[1]:9.2f} ms{'   ' + own if own else ''}")
        slow += [name] * (there[0] > LENS)
    print(f"{'kept for readers, of at most ' + f'{kept.limit / 2**20:.0f} MiB':42}{kept.bytes / 2**20:8.1f} MiB")
    return f": not {', '.join(slow)}" if slow else ""


if __name__ == "__main__":
    sys.exit(main())
