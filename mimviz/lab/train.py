"""`mimviz train`: pre-train a masked model on a folder or on Parquet files, with a progress bar; goes on where it was stopped."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
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
    add(
        "--from",
        dest="source",
        default=None,
        help="a bundled model or a file to begin with: its weights, and its sentence as far as the options below do not change it",
    )
    add("--recipe", default=None, help="a recipe of mimviz.recipes (default mae)")
    add(
        "--encoder",
        default=None,
        help="a timm ViT, or a conv net for the recipes of these (default vit_tiny_patch16_224)",
    )
    add("--encoder-options", type=keywords, default={}, metavar="JSON", help="timm's keywords, e.g. '{\"depth\": 6}'")
    add(
        "--recipe-options",
        type=keywords,
        default={},
        metavar="JSON",
        help="the recipe's keywords, e.g. '{\"normalize\": false}'",
    )
    add("--size", type=int, default=None, help="pixels, height and width (default 64)")
    add("--patch", type=int, default=None, help="pixels (default 8)")
    add("--steps", type=int, default=2000)
    add("--until", type=int, default=None, help="end after so many of the steps, with the schedule of all of them")
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
    from ..data import load_images
    from ..zoo import save_mim

    device = prepare(args)
    sentence = _sentence(args)
    model = sentence.build().to(device)
    plain_attention(model, device, args.precision)
    if args.source:
        print(_begin_with(model, args.source))
    size = (model.grid.height, model.grid.width)
    pictures = load_images(args.data if len(args.data) > 1 else args.data[0], size=size, limit=args.limit)
    card = begin_card(args, "mimviz train", WORDS, model, pictures, device)
    print(f"{sentence.recipe} over {sentence.encoder}: {size_of(card)}, {device}")
    out, began = Path(args.out), time.time()
    loss = follow(_steps(args, model, pictures, sentence), args.steps, out)
    if loss is None and (out / "model.safetensors").exists():
        print(f"{out / 'run.safetensors'} has all of the steps asked for: nothing was trained, nothing was written")
        return 0
    save_mim(out / "model.safetensors", model, sentence, **card, **end_card(began, loss))
    print(
        f"{out / 'model.safetensors'}: loss {loss} over the last 100 steps; "
        f"look at it with mimviz.load_mim({str(out / 'model.safetensors')!r})"
    )
    return 0


def prepare(args: argparse.Namespace) -> str:
    """Sets the threads and the seed; returns the device."""
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    return args.device or ("cuda" if torch.cuda.is_available() else "cpu")


def begin_card(args: argparse.Namespace, command: str, names: Sequence[str], model, pictures, device: str) -> dict:
    """What is known of a run before it begins."""
    import torch

    return {
        "name": args.name or Path(args.out).name,
        "command": " ".join([command, *words(args, names)]),
        "seed": args.seed, "steps": args.steps, "batch": args.batch, "pictures": len(pictures.images),
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": device, "threads": torch.get_num_threads(), "torch": str(torch.__version__),
    }  # fmt: skip


def end_card(began: float, loss: float | None) -> dict:
    """What is known of it afterwards."""
    return {"minutes_of_last_stretch": round((time.time() - began) / 60, 1), "loss_at_end": loss}


def size_of(card: dict) -> str:
    return f"{card['parameters'] / 1e6:.2f} M parameters, {card['pictures']} pictures"


def _steps(args: argparse.Namespace, model, pictures, sentence):
    from ..data import Batches
    from ..train import fit

    encoder, count = model.encoder, len(pictures.images)
    batches = Batches(pictures.images, args.batch, mean=encoder.mean, std=encoder.std, seed=args.seed)
    facts = {"batch": args.batch, "pictures": count, "sentence": asdict(sentence), "precision": args.precision}
    if args.source:
        facts["source"] = args.source
    return fit(
        model, batches, steps=args.steps, until=args.until, lr=args.lr, weight_decay=args.weight_decay,
        precision=args.precision, seed=args.seed, checkpoint=Path(args.out) / "run.safetensors", every=args.every, facts=facts,
    )  # fmt: skip


def plain_attention(model, device: str, precision: str) -> None:
    """For bfloat16 on a CPU, in place: attention step by step, as the backward pass of the fused kernel is slow there."""
    if device == "cpu" and precision == "bfloat16":
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False


def follow(steps, total: int, out: Path) -> float | None:
    """Draws the bar and writes log.csv; returns the mean loss of the last 100 steps."""
    from tqdm import tqdm

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


def _sentence(args: argparse.Namespace):
    """What to build: the words of the options, on those of the model to begin with if there is one."""
    from ..vit.create import has_patches
    from ..zoo import Sentence, load_mim

    if args.source:
        base = sentence_of(load_mim(args.source))
    else:
        sizes = {"img_size": 64, "patch_size": 8, "positions": "sincos"}
        name = args.encoder or "vit_tiny_patch16_224"
        base = Sentence("mae", name, sizes if has_patches(name) else {"img_size": 64})
    given = {"img_size": args.size, "patch_size": args.patch}
    sizes = {key: value for key, value in given.items() if value is not None}
    return Sentence(
        args.recipe or base.recipe,
        args.encoder or base.encoder,
        base.encoder_options | sizes | args.encoder_options,
        base.recipe_options | args.recipe_options,
    )


def sentence_of(model):
    """How a masked model is built; mimviz's own files say it, others do not."""
    if (sentence := getattr(model, "sentence", None)) is None:
        raise ValueError(
            f"{model.name or 'this model'} does not say how it is built: take one that mimviz train has written"
        )
    return sentence


def _begin_with(model, source: str) -> str:
    """Takes what fits from another model, in place; says what was taken, what is new and what was left."""
    from ..zoo import load_mim

    theirs, ours = load_mim(source).state_dict(), model.state_dict()
    taken = {key: value for key, value in theirs.items() if key in ours and value.shape == ours[key].shape}
    if not taken:
        raise ValueError(f"no weight of {source} fits this model: its width, patch or recipe must be another one")
    model.load_state_dict({**ours, **taken})
    new, left = sorted(set(ours) - set(taken)), sorted(set(theirs) - set(taken) - set(ours))
    said = f"from {source}: {len(taken)} of {len(ours)} tensors taken; new: {', '.join(new) or 'none'}"
    return said + (f"; left: {', '.join(left)}" if left else "")


WORDS = (
    "from",
    "recipe",
    "encoder",
    "size",
    "patch",
    "steps",
    "until",
    "batch",
    "lr",
    "weight_decay",
    "seed",
    "precision",
    "limit",
)
WORDS += ("encoder_options", "recipe_options")


def words(args: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """The command that repeats this run: the options of these names that have a value; data by file name only."""
    import shlex

    told = [Path(source).name for source in args.data]
    for name in names:
        value = getattr(args, "source" if name == "from" else name)
        if isinstance(value, dict):
            value = shlex.quote(json.dumps(value)) if value else None
        if value is not None:
            told += [f"--{name.replace('_', '-')}", Path(value).name if name in ("from", "classes") else str(value)]
    return told
