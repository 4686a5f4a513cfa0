"""`mimviz tune`: fine-tune the encoder of a masked model as a classifier of labelled pictures; goes on where it was stopped."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .train import follow, plain_attention, sentence_of, words


def add_tune_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", nargs="+", help="Parquet files (image, label) with wildcards")
    add("--classes", required=True, help="JSON file with the names of the classes, in the order of their labels")
    add("--from", dest="source", default="tiny", help="masked model to begin with (default %(default)s)")
    add(
        "-o",
        "--out",
        default="runs/tiny-classifier",
        help="folder for run.safetensors (to resume) and model.safetensors (default %(default)s)",
    )
    add("--validate", default=None, metavar="DATA", help="pictures with labels to score the finished model on")
    add("--steps", type=int, default=2000)
    add("--batch", type=int, default=64)
    add("--lr", type=float, default=1e-3, help="of the head; cosine to 0 (default %(default)s)")
    add(
        "--layer-decay",
        type=float,
        default=0.75,
        help="factor from layer to layer below the head (default %(default)s)",
    )
    add("--weight-decay", type=float, default=0.05)
    add("--keep", type=float, default=1.0, help="share of the patches seen in a step (default %(default)s: all)")
    add("--whole", type=float, default=0.15, help="last share of the steps that sees all (default %(default)s)")
    add("--smoothing", type=float, default=0.1, help="of the labels (default %(default)s)")
    add("--crop", type=float, default=0.5, help="smallest share of the area that a crop has (default %(default)s)")
    add("--seed", type=int, default=0)
    add("--device", default=None, help="cpu, cuda, mps (default: a GPU when there is one)")
    add("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    add("--threads", type=int, default=None, help="CPU threads of torch")
    add("--every", type=int, default=250, help="steps between checkpoints (default %(default)s)")
    add("--limit", type=int, default=None, help="read at most so many pictures")
    add("--name", default=None, help="name on the model's card (default: the out folder's)")


def run_tune(args: argparse.Namespace) -> int:
    import torch

    from ..data import Batches, load_images
    from ..train import fit
    from ..tune import Classifier, classifier, layer_decay, read_classes
    from ..zoo import load_mim, save_vit

    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(args.seed)
    classes, mim = read_classes(args.classes), load_mim(args.source)
    name, options = _timm(mim, len(classes))
    vit = classifier(mim, len(classes))
    model = Classifier(vit, steps=args.steps, keep=args.keep, whole=args.whole, smoothing=args.smoothing).to(device)
    plain_attention(model, device, args.precision)
    size = (mim.grid.height, mim.grid.width)
    pictures = load_images(args.data if len(args.data) > 1 else args.data[0], size=size, limit=args.limit)
    _check(pictures.labels, classes)
    batches = Batches(
        pictures.images, args.batch, mean=model.encoder.mean, std=model.encoder.std, labels=pictures.labels,
        seed=args.seed, scale=(args.crop, 1.0),
    )  # fmt: skip
    parameters = sum(p.numel() for p in vit.parameters())
    print(
        f"{args.source} as {name}: {parameters / 1e6:.2f} M parameters, {len(classes)} classes, "
        f"{len(pictures.images)} pictures, {device}"
    )
    facts = {key: getattr(args, key) for key in FACTS}
    out = Path(args.out)
    steps = fit(
        model, batches, steps=args.steps, lr=args.lr, weight_decay=args.weight_decay, precision=args.precision, seed=args.seed,
        scales=layer_decay(model, args.layer_decay), betas=(0.9, 0.999), checkpoint=out / "run.safetensors", every=args.every,
        facts=facts | {"pictures": len(pictures.images), "classes": classes},
    )  # fmt: skip
    began = time.time()
    loss = follow(steps, args.steps, out)
    if loss is None and (out / "model.safetensors").exists():
        print(f"{out / 'run.safetensors'} has all of its {args.steps} steps: nothing was trained, nothing was written")
        return 0
    card = {
        "name": args.name or out.name,
        "command": "mimviz tune " + " ".join(words(args, WORDS)),
        "seed": args.seed, "steps": args.steps, "batch": args.batch, "pictures": len(pictures.images),
        "parameters": parameters, "device": device, "threads": torch.get_num_threads(),
        "minutes_of_last_stretch": round((time.time() - began) / 60, 1), "loss_at_end": loss, "torch": str(torch.__version__),
    }  # fmt: skip
    if args.validate:
        card |= _validated(vit, args.validate, size, model.encoder)
        print(
            f"{card['validation_pictures']} pictures of {args.validate}: top-1 {card['top1']:.2%}, top-5 {card['top5']:.2%}"
        )
    save_vit(out / "model.safetensors", vit, name, options, classes=classes, card=card)
    print(f"{out / 'model.safetensors'}: loss {loss} over the last 100 steps; open it with mimviz.zoo.read_vit")
    return 0


FACTS = ("batch", "source", "layer_decay", "keep", "whole", "smoothing", "crop", "precision")
WORDS = (
    "classes", "from", "steps", "batch", "lr", "layer_decay", "weight_decay", "keep", "whole", "smoothing", "crop", "seed",
    "precision", "threads", "limit",
)  # fmt: skip


def _timm(mim, classes: int) -> tuple[str, dict]:
    """Under which name and with which of its own keywords timm builds the classifier."""
    sentence = sentence_of(mim)
    kept = {key: value for key, value in sentence.encoder_options.items() if key != "positions"}
    return sentence.encoder, kept | {"num_classes": classes, "global_pool": "avg", "fc_norm": False}


def _check(labels, classes: list[str]) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise ValueError(
            f"labels are {low} to {high}, but there are {len(classes)} classes, so 0 to {len(classes) - 1} are wanted"
            + (": pictures without a label cannot be learnt from" if low < 0 else "")
        )


def _validated(vit, source: str, size: tuple[int, int], encoder) -> dict:
    from ..data import load_images
    from ..tune import logits_of, top

    held_out = load_images(source, size=size)
    logits = logits_of(vit.cpu().eval(), held_out.images, mean=encoder.mean, std=encoder.std)
    first, fifth = top(logits, held_out.labels)
    return {"validation_pictures": len(held_out.labels), "top1": first, "top5": fifth}
