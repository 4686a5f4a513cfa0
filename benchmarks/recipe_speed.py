"""A training step of MAE, and its forward pass: mimviz beside transformers' ViTMAEForPreTraining and lightly's MAE.

    python benchmarks/recipe_speed.py [--model base] [--rounds 7] [--batch 8] [--threads 1] [--device cpu] [--dtype float32]

One run: the same architecture (ViT-B/16 or smaller at 224 px, the paper's decoder of 8 blocks of 512), the same pictures, 75 %
hidden, normalized patches, and the same AdamW, torch's fused one, which `mimviz.fit` and transformers' Trainer use. "usual step" is
that with the AdamW that torch makes unless told. All contenders take turns within every round, and ratios are medians over rounds,
so that a busy machine slows all alike; `work` is the same ratio of processor time. Peak memory is that of a process of its own (on
a GPU: of torch's allocator). Exits with 1 when a target is missed. Needs transformers and lightly (`pip install lightly`).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import mimviz as mv

FASTER, RATIO = 1.3, 0.75  # the target over transformers; the share that is hidden
SIZES = {
    "tiny": {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3},
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
}


class Lightly(nn.Module):
    """MAE as lightly's example builds it (examples/pytorch/mae.py), with normalized patches."""

    def __init__(self, name: str):
        super().__init__()
        from lightly.models import modules, utils

        self.utils = utils
        self.encoder = modules.MaskedVisionTransformerTIMM(vit=timm.create_model(name, num_classes=0))  # type: ignore[arg-type]
        vit: Any = self.encoder.vit
        self.patch = vit.patch_embed.patch_size[0]
        self.embed = nn.Linear(vit.embed_dim, 512)
        self.decoder = modules.MaskedVisionTransformerDecoderTIMM(
            num_patches=vit.patch_embed.num_patches, embed_dim=512, depth=8, num_heads=16
        )
        self.head = nn.Linear(512, 3 * self.patch**2)

    def forward(self, images: Tensor) -> Tensor:
        utils, length = self.utils, self.encoder.sequence_length
        keep, hide = utils.random_token_mask(size=(len(images), length), mask_ratio=RATIO, device=images.device)
        seen = self.embed(self.encoder.encode(images=images, idx_keep=keep))
        tokens = utils.repeat_token(self.decoder.mask_token, (len(images), length))
        tokens = utils.set_at_index(tokens, keep, seen.type_as(tokens))
        guess = self.head(utils.get_at_index(self.decoder(tokens), hide))
        truth = utils.get_at_index(utils.patchify(images, self.patch), hide - 1)
        return nn.functional.mse_loss(guess, utils.normalize_mean_var(truth, dim=-1))


class Transformers(nn.Module):
    def __init__(self, size: dict[str, int]):
        super().__init__()
        from transformers import ViTMAEConfig, ViTMAEForPreTraining

        config = ViTMAEConfig(
            **size, intermediate_size=4 * size["hidden_size"], mask_ratio=RATIO, norm_pix_loss=True, layer_norm_eps=1e-6
        )  # type: ignore[arg-type]
        self.model: Any = ViTMAEForPreTraining(config)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).loss


class Mimviz(nn.Module):
    def __init__(self, name: str):
        super().__init__()
        self.model = mv.recipes.mae(mv.encoder(name, positions="sincos"), ratio=RATIO)

    def forward(self, images: Tensor) -> Tensor:
        loss = self.model(images).loss
        return loss if isinstance(loss, Tensor) else torch.tensor(loss)


def contenders(size: str) -> dict[str, Callable[[], nn.Module]]:
    name = f"vit_{size}_patch16_224"
    return {
        "mimviz": lambda: Mimviz(name),
        "transformers": lambda: Transformers(SIZES[size]),
        "lightly": lambda: Lightly(name),
    }


class Run:
    """One contender, ready to take its turn."""

    def __init__(self, make: Callable[[], nn.Module], asked: argparse.Namespace):
        torch.manual_seed(0)
        self.model = make().train().to(asked.device)
        half = torch.autocast(asked.device, torch.bfloat16) if asked.dtype == "bfloat16" else None
        self.cast = half or nullcontext()
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.fused, self.usual = (torch.optim.AdamW(parameters, lr=1e-4, fused=fused) for fused in (True, None))

    def step(self, images: Tensor) -> None:
        self._step(images, self.fused)

    def usual_step(self, images: Tensor) -> None:
        self._step(images, self.usual)

    def _step(self, images: Tensor, optimizer: torch.optim.Optimizer) -> None:
        with self.cast:
            loss = self.model(images)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def forward(self, images: Tensor) -> None:
        with torch.inference_mode(), self.cast:
            self.model(images)


def spent(run: Callable[[Tensor], None], images: Tensor) -> tuple[float, float]:
    """Seconds on the clock, and of all processors."""
    wait = torch.cuda.synchronize if images.is_cuda else lambda: None
    wait()
    start, work = time.perf_counter(), time.process_time()
    run(images)
    wait()
    return time.perf_counter() - start, time.process_time() - work


def compare(runs: dict[str, Run], what: str, images: Tensor, rounds: int) -> dict[str, float]:
    """Prints a table; {contender: median ratio of its seconds to those of mimviz}."""
    calls = {name: getattr(run, what) for name, run in runs.items()}
    if what == "step":
        calls |= {f"{name}, usual step": run.usual_step for name, run in runs.items() if name != "mimviz"}
    for call in calls.values():
        spent(call, images)
    taken = {name: [] for name in calls}
    for turn in range(rounds):
        order = list(calls.items())
        for name, call in order[turn % len(order) :] + order[: turn % len(order)]:
            taken[name].append(spent(call, images))
    print(f"\n{what}, batch {len(images)}, median of {rounds} rounds")
    ratios = {}
    for name, times in taken.items():
        clock, work = ([mine[i] / ours[i] for mine, ours in zip(times, taken["mimviz"], strict=True)] for i in (0, 1))
        ratios[name] = statistics.median(clock)
        median = statistics.median(t for t, _ in times)
        spread = f"{min(clock):.2f} to {max(clock):.2f}"
        print(
            f"  {name:26} {1e3 * median:9.1f} ms   x {ratios[name]:.2f} ({spread})   work x {statistics.median(work):.2f}"
        )
    return ratios


def peak(name: str, asked: argparse.Namespace) -> float:
    """MiB that three training steps need beyond the model and what is imported."""
    if asked.device == "cuda":
        run, images = Run(contenders(asked.model)[name], asked), pictures(asked, asked.batch)
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        for _ in range(3):
            run.step(images)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    command = [sys.executable, __file__, "--only", name, *sys.argv[1:]]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def only(asked: argparse.Namespace) -> None:
    run, images = Run(contenders(asked.model)[asked.only], asked), pictures(asked, asked.batch)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = resident("VmRSS")
    for _ in range(3):
        run.step(images)
    print(resident("VmHWM") - before)


def resident(what: str) -> float:
    """MiB of this process, from Linux: now (VmRSS) or at most (VmHWM)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


def pictures(asked: argparse.Namespace, batch: int) -> Tensor:
    return torch.randn(batch, 3, 224, 224, device=asked.device)


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", choices=SIZES, default="base")
    ask.add_argument("--rounds", type=int, default=7)
    ask.add_argument("--batch", type=int, default=8)
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    ask.add_argument("--only", choices=contenders("tiny"), help=argparse.SUPPRESS)
    asked = ask.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.only:
        only(asked)
        return 0
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "transformers", "lightly"))
    device = (
        torch.cuda.get_device_name() if asked.device == "cuda" else f"{platform.machine()}, {asked.threads} threads"
    )
    print(f"ViT-{asked.model} MAE at 224 px, {asked.dtype} on {device}, load {os.getloadavg()[0]:.1f}; {packages}")
    runs = {name: Run(make, asked) for name, make in contenders(asked.model).items()}
    step = compare(runs, "step", pictures(asked, asked.batch), asked.rounds)
    for run in runs.values():
        run.model.eval()
    for batch in (1, 32):
        compare(runs, "forward", pictures(asked, batch), asked.rounds)
    del runs
    memory = {name: peak(name, asked) for name in contenders(asked.model)}
    print("\npeak memory of a training step: " + ", ".join(f"{name} {mib:.0f} MiB" for name, mib in memory.items()))
    met = {
        f"a step at least {FASTER} times as fast as transformers'": step["transformers"] >= FASTER,
        "a step no slower than lightly's": step["lightly"] >= 1.0,
        "peak memory no higher": memory["mimviz"] <= min(memory.values()),
    }
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    for target, reached in met.items():
        print(f"{'reached' if reached else 'MISSED '}: {target}")
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
