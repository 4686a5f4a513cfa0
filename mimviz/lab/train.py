"""`mimviz train`: pre-train a masked model on a folder or on Parquet files, with a progress bar; goes on where it was stopped."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", nargs="+", help="a folder of pictures, or Parquet files (image, label) with wildcards")
    add(
        "-o",
        "--out",
        default="runs/tiny",
        help="folder for run.safetensors (to resume) and model.safetensors (default %(default)s)",
    )
    add("--recipe", default="mae", help="a recipe of mimviz.recipes (default %(default)s)")
    add("--encoder", default="vit_tiny_patch16_224", help="a timm ViT (default %(default)s)")
    add("--encoder-options", type=keywords, default={}, metavar="JSON", help="timm's keywords, e.g. '{\"depth\": 6}'")
    add(
        "--recipe-options",
        type=keywords,
        default={},
        metavar="JSON",
        help="the recipe's keywords, e.g. '{\"normalize\": false}'",
    )
    add("--size", type=int, default=64, help="pixels, height and width (default %(default)s)")
    add("--patch", type=int, default=8, help="pixels (default %(default)s)")
    add("--steps", type=int, default=2000)
    add("--batch", type=int, default=64)
    add("--lr", type=float, default=1e-3)
    add("--weight-decay", type=float, default=0.05)
    add("--seed", type=int, default=0)
    add("--device", default=None, help="cpu, cuda, mps (default: a GPU when there is one)")
    add("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    add("--threads", type=int, default=None, help="CPU threads of torch")
    add("--every", type=int, default=250, help="steps between checkpoints (default %(default)s)")
    add("--limit", type=int, default=None, help="read at most so many pictures")
    add("--name", default=None, help="name on the model's card (default: the out folder's)")


def keywords(text: str) -> dict:
    """A JSON object as keywords; argparse tells what is none."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON object such as '{{\"depth\": 6}}'")
    return value


def run_train(args: argparse.Namespace) -> int:
    import torch
    from tqdm import tqdm

    from ..data import Batches, load_images
    from ..train import fit
    from ..zoo import Sentence, save_mim

    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(args.seed)
    sizes = {"img_size": args.size, "patch_size": args.patch, "positions": "sincos"}
    sentence = Sentence(args.recipe, args.encoder, sizes | args.encoder_options, args.recipe_options)
    model = sentence.build().to(device)
    pictures = load_images(args.data if len(args.data) > 1 else args.data[0], size=args.size, limit=args.limit)
    encoder = model.encoder
    batches = Batches(pictures.images, args.batch, mean=encoder.mean, std=encoder.std, seed=args.seed)
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{args.recipe} over {args.encoder}: {parameters / 1e6:.2f} M parameters, {len(pictures.images)} pictures, {device}"
    )
    out = Path(args.out)
    facts = {
        "batch": args.batch,
        "pictures": len(pictures.images),
        "sentence": asdict(sentence),
        "precision": args.precision,
    }
    steps = fit(
        model, batches, steps=args.steps, lr=args.lr, weight_decay=args.weight_decay, precision=args.precision, seed=args.seed,
        checkpoint=out / "run.safetensors", every=args.every, facts=facts,
    )  # fmt: skip
    began = time.time()
    loss = _follow(steps, args.steps, out, tqdm)
    if loss is None and (out / "model.safetensors").exists():
        print(f"{out / 'run.safetensors'} has all of its {args.steps} steps: nothing was trained, nothing was written")
        return 0
    card = {
        "name": args.name or out.name,
        "command": "mimviz train " + " ".join(_words(args)),
        "seed": args.seed, "steps": args.steps, "batch": args.batch, "pictures": len(pictures.images),
        "parameters": parameters, "device": device, "threads": torch.get_num_threads(),
        "minutes_of_last_stretch": round((time.time() - began) / 60, 1), "loss_at_end": loss, "torch": str(torch.__version__),
    }  # fmt: skip
    save_mim(out / "model.safetensors", model, sentence, **card)
    print(
        f"{out / 'model.safetensors'}: loss {loss} over the last 100 steps; "
        f"look at it with mimviz.load_mim({str(out / 'model.safetensors')!r})"
    )
    return 0


def _follow(steps, total: int, out: Path, tqdm) -> float | None:
    """Draws the bar and writes log.csv; returns the mean loss of the last 100 steps."""
    out.mkdir(parents=True, exist_ok=True)
    recent: list[float] = []
    with (out / "log.csv").open("a") as log, tqdm(total=total, unit="step", dynamic_ncols=True, mininterval=1) as bar:
        for step in steps:
            recent = [*recent[-99:], step.loss]
            bar.update(step.index - bar.n)
            if step.index % 10 == 0:
                mean = sum(recent) / len(recent)
                bar.set_postfix(loss=f"{mean:.4f}", lr=f"{step.lr:.2e}", per_s=f"{step.pictures / step.seconds:.0f}")
                log.write(f"{step.index},{mean:.6f},{step.lr:.3e}\n")
                log.flush()
    return round(sum(recent) / len(recent), 4) if recent else None


def _words(args: argparse.Namespace) -> list[str]:
    """The command that repeats this run, data by file name only."""
    import shlex

    words = [Path(source).name for source in args.data]
    for key in (
        "recipe",
        "encoder",
        "size",
        "patch",
        "steps",
        "batch",
        "lr",
        "weight_decay",
        "seed",
        "precision",
        "limit",
    ):
        if getattr(args, key) is not None:
            words += [f"--{key.replace('_', '-')}", str(getattr(args, key))]
    for key in ("encoder_options", "recipe_options"):
        if value := getattr(args, key):
            words += [f"--{key.replace('_', '-')}", shlex.quote(json.dumps(value))]
    return words
