"""`mimviz tune`: fine-tune the encoder of a masked model as a classifier of labelled pictures; goes on where it was stopped."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from .train import begin_card, end_card, follow, plain_attention, prepare, sentence_of, size_of


def add_tune_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "data",
        nargs="+",
        help="a folder with one folder for each class, Parquet files (with wildcards), or a CSV beside its pictures",
    )
    add(
        "--classes",
        default=None,
        help="JSON file with the names of the classes, in the order of their labels (default: the data's)",
    )
    add("--image-column", default=None, metavar="NAME", help="of a Parquet file or a CSV, where it is not plain")
    add("--label-column", default=None, metavar="NAME", help="the same for the labels")
    add(
        "--from",
        dest="source",
        default="tiny",
        help="masked model, or classifier of a file, to begin with (default %(default)s)",
    )
    add(
        "-o",
        "--out",
        default="runs/tiny-classifier",
        help="folder for run.safetensors (to resume) and model.safetensors (default %(default)s)",
    )
    add("--validate", default=None, metavar="DATA", help="pictures with labels to score the finished model on")
    add("--steps", type=int, default=2000)
    add("--until", type=int, default=None, help="end after so many of the steps, with the schedule of all of them")
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
    from ..tune import Classifier, read_classes
    from ..zoo import save_vit

    device, source = prepare(args), _opened(args.source)
    named = read_classes(args.classes) if args.classes else None
    pictures = _labelled(args, args.data, source, named, args.limit)
    classes = pictures.classes
    print(_looked_over(pictures))
    vit, name, options = _begin_with(args.source, source, classes)
    held_out = _labelled(args, [args.validate], source, classes) if args.validate else None
    model = Classifier(vit, steps=args.steps, keep=args.keep, whole=args.whole, smoothing=args.smoothing).to(device)
    plain_attention(model, device, args.precision)
    card = begin_card(args, "mimviz tune", WORDS, model, pictures, device)
    print(f"{args.source} as {name}: {size_of(card)}, {len(classes)} classes, {device}")
    out, began = Path(args.out), time.time()
    loss = follow(_steps(args, model, pictures, classes), args.steps, out)
    if loss is None and (out / "model.safetensors").exists():
        print(f"{out / 'run.safetensors'} has all of the steps asked for: nothing was trained, nothing was written")
        return 0
    card |= end_card(began, loss)
    if held_out:
        card |= _score(vit.cpu(), held_out, model.encoder)
        print(f"{len(held_out.labels)} pictures held out: top-1 {card['top1']:.2%}, top-5 {card['top5']:.2%}")
    save_vit(out / "model.safetensors", vit, name, options, classes=classes, card=card)
    print(
        f"{out / 'model.safetensors'}: loss {loss} over the last 100 steps; "
        f"open it with mimviz.load_vit({str(out / 'model.safetensors')!r})"
    )
    return 0


FACTS = ("batch", "source", "layer_decay", "keep", "whole", "smoothing", "crop", "precision")
WORDS = (
    "classes", "from", "steps", "until", "batch", "lr", "layer_decay", "weight_decay", "keep", "whole", "smoothing", "crop", "seed",
    "precision", "threads", "limit", "image_column", "label_column",
)  # fmt: skip


def _steps(args: argparse.Namespace, model, pictures, classes: list[str]):
    from ..data import Batches
    from ..train import fit
    from ..tune import layer_decay

    batches = Batches(
        pictures.images, args.batch, mean=model.encoder.mean, std=model.encoder.std, labels=pictures.labels,
        seed=args.seed, scale=(args.crop, 1.0),
    )  # fmt: skip
    facts = {key: getattr(args, key) for key in FACTS} | {"pictures": len(pictures.images), "classes": classes}
    return fit(
        model, batches, steps=args.steps, until=args.until, lr=args.lr, weight_decay=args.weight_decay,
        precision=args.precision, seed=args.seed, scales=layer_decay(model, args.layer_decay), betas=(0.9, 0.999),
        checkpoint=Path(args.out) / "run.safetensors", every=args.every, facts=facts,
    )  # fmt: skip


def _opened(source: str):
    """A masked model, or the classifier of a file, to begin with."""
    from ..zoo import bundled, load_mim, read_vit
    from ..zoo.here import WEIGHTS
    from ..zoo.own import holds_vit

    path = WEIGHTS / f"{source}.safetensors" if source in bundled() else Path(source)
    return read_vit(path) if holds_vit(path) else load_mim(source)


def _begin_with(source: str, model, classes: list[str]) -> tuple:
    """(timm ViT with a head for the classes, under which name, with which of its own keywords timm builds it)."""
    from ..grammar import MaskedModel
    from ..tune import classifier

    if not isinstance(model, MaskedModel):
        if model.classes != classes:
            raise ValueError(f"{source} knows {len(model.classes)} other classes, so it cannot be trained on for these")
        return model.requires_grad_(True), *model.built
    vit, sentence = classifier(model, len(classes)), sentence_of(model)
    kept = {key: value for key, value in sentence.encoder_options.items() if key != "positions"}
    head = {"num_classes": vit.num_classes, "global_pool": vit.global_pool}
    return vit, sentence.encoder, kept | head | {"fc_norm": type(vit.fc_norm).__name__ != "Identity"}


# --- pictures ---

MANY = 20_000  # pictures of which every two are compared in a few seconds
SHOWN = 20  # classes


def _labelled(args: argparse.Namespace, sources: list[str], model, classes: list[str] | None, limit: int | None = None):
    """A Dataset in which each picture has a class; `classes`: the names of all, or None for those of the data."""
    from ..data import dataset
    from ..grammar import MaskedModel
    from ..vit import Encoder

    grid = model.grid if isinstance(model, MaskedModel) else Encoder(model).grid
    found = dataset(
        sources if len(sources) > 1 else sources[0], size=(grid.height, grid.width), image=args.image_column,
        label=args.label_column, limit=limit,
    )  # fmt: skip
    return _numbered(found, found.classes if classes is None else classes)


def _numbered(found, classes: list[str]):
    """The same pictures, labelled by the place of their class among `classes`: by name where the data use the same names."""
    place = {name: number for number, name in enumerate(classes)}
    shared = [number for number, name in enumerate(found.classes) if name in place]
    if len(shared) == len(found.classes):
        labels = found.labels.clone()
        for number in shared:
            labels[found.labels == number] = place[found.classes[number]]
    elif moved := [found.classes[number] for number in shared if place[found.classes[number]] != number]:
        other = next(name for name in found.classes if name not in place)
        raise ValueError(
            f"the data have a class {other!r}, which is none of the {len(classes)} named, and {moved[0]!r} at another place than "
            "there: name the classes as the data do"
        )
    else:
        labels = found.labels
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise ValueError(
            f"labels are {low} to {high}, but there are {len(classes)} classes, so 0 to {len(classes) - 1} are wanted"
            + (": pictures without a label cannot be learnt from" if low < 0 else "")
        )
    return replace(found, labels=labels, classes=classes)


def _looked_over(pictures) -> str:
    """The survey in words, with the pictures of each class."""
    survey = pictures.survey(near=4 if len(pictures) <= MANY else None)
    counts = [f"{name} {count}" for name, count in pictures.counts.items()]
    told = ", ".join(counts[:SHOWN]) + (f" and {len(counts) - SHOWN} classes more" if len(counts) > SHOWN else "")
    told = f"{survey}\n{told}"
    return told if len(pictures) <= MANY else f"{told}\nof so many pictures, only equal ones were looked for"


def _score(vit, held_out, encoder) -> dict:
    from ..tune import logits_of, top

    logits = logits_of(vit.eval(), held_out.images, mean=encoder.mean, std=encoder.std)
    return {"held_out": len(held_out.labels)} | dict(zip(("top1", "top5"), top(logits, held_out.labels), strict=True))
