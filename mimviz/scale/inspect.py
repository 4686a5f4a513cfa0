"""Any lens, judge, norm or feature over a whole dataset: watched, left at any time, and taken up again."""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import judges as all_judges
from .. import lenses as all_lenses
from ..core.words import label as label_of
from ..core.words import word
from ..data.parquet import Row
from ..lenses._probing import is_out_of_memory
from ..vit.fingerprint import fingerprint
from ..vit.target import class_names
from ..zoo import opened
from .asked import Asked, Said
from .parts import FOLDER, LOCK, MANIFEST, sweep, write_json, writing
from .pending import Pending
from .rows import Read, batches, rows
from .store import FORMAT, Store

COLLECTED = 8  # batches, after which scenes that judges made, which hold themselves, are let go
PACKAGES = ("mimviz", "torch", "timm", "captum", "numpy", "safetensors", "pyarrow")


@dataclass(frozen=True)
class Progress:
    """After each batch: `done` of `of` pictures, `broken` of them left out, `seconds` since this run began; `written` are safe."""

    done: int
    of: int
    broken: int
    written: int
    seconds: float


class Inspection:
    """`Inspection(dataset, model, …, out=folder)`: the question of `inspect`, to be run a batch at a time.

    `for progress in inspection.run()` asks what is not in the store yet, and may be left at any time: what was asked so far is then
    written. `store` is what there is.
    """

    def __init__(
        self,
        dataset: Any,
        model: Any = "tiny-classifier",
        *,
        out: str | Path,
        lenses: Any = (),
        judges: Any = (),
        features: Any = ("avg",),
        norms: Any = (-1,),
        target: Any = None,
        batch: int = 32,
        limit: int | None = None,
        image: str | None = None,
        label: str | None = None,
        thumbnails: int | None = 64,
        seconds: float = 20.0,
        seed: int = 0,
    ):
        every, self.classes = rows(dataset, image=image, label=label)
        self.rows = every if limit is None else every[: _positive("limit", limit)]
        self.model = opened(model)
        named = {"lenses": _named(lenses, all_lenses, "lenses"), "judges": _named(judges, all_judges, "judges")}
        self.asked = Asked(self.model, tuple(_many(features)), tuple(_many(norms)), **named, target=target, seed=seed)
        self.batch, self.seconds, self.small, self.out = (
            _positive("batch", batch),
            seconds,
            thumbnails,
            Path(out).expanduser(),
        )
        self.labels, self.why = _labels_for(self.model, every, self.classes)
        if target == "label" and min(self.labels[: len(self.rows)]) < 0:
            raise ValueError(
                f"target is 'label', but not every picture has a class of this model: {self.why or 'some have no label'}"
            )
        self._begin(dataset, {"image": image, "label": label})

    @property
    def store(self) -> Store:
        return Store(self.out)

    def run(self) -> Iterator[Progress]:
        """Asks what is not known yet. Whoever leaves keeps what was asked."""
        began = time.perf_counter()
        with writing(self.out):
            (self.out / FOLDER).mkdir(exist_ok=True)
            sweep(self.out)
            store = self.store
            todo, broken = self.todo(store), len(store.errors)
            pending, done = Pending(self.out, self.asked.columns, seconds=self.seconds), store.rows
            spans = batches(self.rows, todo, self.asked.anatomy.size, small=self.small)
            try:
                for number, read in enumerate(spans):
                    if number % COLLECTED == 0:
                        gc.collect()
                    said, failed = self.answer(read, first=not done)
                    pending.add(read, said, failed)
                    done, broken = done + len(read), broken + len(failed)
                    yield Progress(done, len(self.rows), broken, done - pending.rows, time.perf_counter() - began)
            finally:
                spans.close()
                pending.flush()

    def todo(self, store: Store) -> list[range]:
        """Batches that are not in the store; always the same ones, wherever a run was cut off."""
        known = {number for part in store.parts for number in range(part.start, part.stop, self.batch)}
        starts = range(0, len(self.rows), self.batch)
        return [range(at, min(at + self.batch, len(self.rows))) for at in starts if at not in known]

    def answer(self, read: Sequence[Read], *, first: bool = False) -> tuple[Said | None, dict[int, str]]:
        """(what is said of the pictures that could be read and asked, in order; {row: why} of the others).

        A batch that fails is asked picture by picture; of the `first` batch not all may fail, or the question is a wrong one.
        """
        failed = {each.number: each.error for each in read if each.error is not None}
        good = [each for each in read if each.error is None]
        if not good:
            return None, failed
        try:
            return self._ask(good), failed
        except Exception as err:
            if is_out_of_memory(err):
                raise MemoryError(
                    f"{self.batch} pictures at a time do not fit the memory: give a smaller batch=…"
                ) from err
            wrong = err
        said: list[Said] = []
        for each in good:
            try:
                said.append(self._ask([each]))
            except Exception as err:
                failed[each.number] = " ".join(str(err).split())
        if first and not said:
            raise wrong
        return _joined(said), failed

    # --- inside ---

    def _ask(self, read: Sequence[Read]) -> Said:
        images = torch.from_numpy(np.stack([each.pixels for each in read if each.pixels is not None]))
        return self.asked(images, torch.tensor([self.labels[each.number] for each in read]))

    def _begin(self, dataset: Any, read: dict[str, str | None]) -> None:
        """Writes the manifest, or finds that it is that of the same question."""
        asked, path = self.asked, self.out / MANIFEST
        question = {
            "model": fingerprint(self.model), "dataset": digest(self.rows), "rows": len(self.rows), "read": read,
            "size": list(asked.anatomy.size), "batch": self.batch, "features": list(asked.features),
            "norms": [asked._number(layer) for layer in asked.norms],
            "lenses": {name: repr(each) for name, each in asked.lenses.items()},
            "judges": {name: repr(each) for name, each in asked.judges.items()},
            "target": None if asked.target is None else str(asked.target), "seed": asked.seed, "thumbnails": self.small,
        }  # fmt: skip
        left = {LOCK, f"{MANIFEST}.part"}  # by a run that was cut off before it began
        if self.out.is_dir() and any(path.name not in left for path in self.out.iterdir()):
            there = Store(self.out).manifest["question"]
            if differs := [key for key in question if there.get(key) != question[key]]:
                raise ValueError(
                    f"{self.out} holds another question ({', '.join(differs)} differ): give another folder, or ask the same again"
                )
            return
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(path, {
            "format": FORMAT, "question": question, "source": _source(dataset), "columns": asked.columns, "arrays": asked.arrays,
            "classes": self.classes, "model_classes": class_names(self.model) or [], "labels": self.why,
            "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
            "device": str(next(self.model.parameters()).device), "architecture": asked.anatomy.family,
        })  # fmt: skip


def inspect(
    dataset: Any, model: Any = "tiny-classifier", *, out: str | Path, progress: bool = True, **question: Any
) -> Store:
    """Asks a model about every picture of a dataset and stores the answers: features, norms, maps, scores, losses.

    dataset: whatever `mimviz.data.dataset` opens, a Dataset, or a list of pictures; read a few batches at a time. model: a timm
    model, a masked model, or a name for `load_vit` or `load_mim`. out: a folder; one that holds the same question is gone on with.
    lenses, judges: words, classes or names, each judge judges each lens's map. features: "avg", "token"; norms: numbers of blocks.
    target: what lenses ask about, as in a Scene, or "label". batch: pictures at a time. limit: first pictures only. image, label:
    columns, where they are not plain. thumbnails: longest side of the JPEGs in the store, None for none. seconds: how often, at
    least, what is known is written; a run that is killed loses no more.

    Broken pictures are listed in `store.errors`. Ctrl-C keeps what was asked; the same call goes on. Raises ValueError for a word
    that there is not or does not fit, and for a folder that holds another question; OSError where the disk is full.
    """
    from tqdm.auto import tqdm

    work = Inspection(dataset, model, out=out, **question)
    with tqdm(total=len(work.rows), initial=work.store.rows, unit="picture", disable=not progress) as bar:
        for told in work.run():
            bar.update(told.done - bar.n)
            bar.set_postfix(broken=told.broken, refresh=False)
    store = work.store
    if len(store.errors) == store.rows:
        raise ValueError(
            f"none of {store.rows} pictures could be asked, but at least one is needed. The first: {store.errors[0][2]}"
        )
    return store


def digest(found: Iterable[Row]) -> str:
    """One name for equal lists of names and labels."""
    made = hashlib.blake2b(digest_size=16)
    for row in found:
        made.update(f"{row.name}\0{row.label}\0".encode())
    return made.hexdigest()


def _labels_for(model: Any, found: Sequence[Row], classes: Sequence[str]) -> tuple[list[int], str]:
    """(the model's class for each row, -1 where it has none; why not all have one): by name, else by number where all fit."""
    count = int(getattr(model, "num_classes", 0) or 0)
    labels, names = [row.label for row in found], class_names(model) if count else None
    if not count:
        return [-1] * len(labels), "the model knows no classes"
    if names and classes and not all(name.isdigit() for name in classes):
        place = {short: i for i, name in reversed(list(enumerate(names))) for short in (name.lower(), _short(name))}
        at = [place.get(name.lower(), place.get(_short(name), -1)) for name in classes]
        missing = [name for name, i in zip(classes, at, strict=True) if i < 0]
        why = (
            f"the model does not know {missing[0]!r} and {len(missing) - 1} more of {len(classes)} classes"
            if missing
            else ""
        )
        return [at[n] if n >= 0 else -1 for n in labels], why
    if max(labels, default=-1) >= count:
        return [-1] * len(labels), f"labels go up to {max(labels)}, but the model knows {count} classes"
    return labels, ""


def _short(name: str) -> str:
    return name.split(",")[0].strip().lower()


def _joined(said: Sequence[Said]) -> Said | None:
    if not said:
        return None
    columns, arrays = (
        {key: np.concatenate([getattr(each, part)[key] for each in said]) for key in getattr(said[0], part)}
        for part in ("columns", "arrays")
    )
    return Said(columns, arrays)


def _named(given: Any, package: Any, argument: str) -> dict[str, Any]:
    if isinstance(given, dict):
        return {name: word(each, package, argument) for name, each in given.items()}
    made = [word(each, package, argument) for each in _many(given)]
    named = {label_of(each): each for each in made}
    if len(named) < len(made):
        raise ValueError(f"{argument} has two of one name in {[label_of(each) for each in made]}: give {{name: word}}")
    return named


def _many(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} is {value}, but at least 1 is wanted")
    return value


def _source(dataset: Any) -> Any:
    """Where the pictures can be found again, if it can be said."""
    if isinstance(dataset, (str, os.PathLike)):
        return os.path.abspath(os.path.expanduser(os.fspath(dataset)))
    every = isinstance(dataset, (list, tuple)) and all(isinstance(each, (str, os.PathLike)) for each in dataset)
    return [os.fspath(each) for each in dataset] if every else None
