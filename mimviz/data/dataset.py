"""Pictures with labels, from whatever a person has, in one line: looked over, split without leaks, and made into batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..core import Picture
from .batches import Batches
from .duplicates import content_keys, exact_groups, near_groups
from .parquet import gather
from .sources import rows_of
from .survey import Survey


@dataclass(frozen=True, eq=False)
class Dataset:
    """images: uint8 (N, 3, height, width); labels: int64 (N,), -1 where there is none; classes: a name for each label.

    names: where each picture came from. broken: what was left out and why. `dataset(source, size=...)` makes one.
    """

    images: Tensor
    labels: Tensor
    classes: list[str]
    names: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _found: dict[int | None, list[list[int]]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        count, most = len(self.images), int(self.labels.max()) if len(self.labels) else -1
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.labels.shape != (count,):
            raise ValueError(
                f"images are {self.images.dtype} {tuple(self.images.shape)} and labels {tuple(self.labels.shape)}, but uint8 "
                "(N, 3, H, W) and (N,) are wanted"
            )
        if most >= len(self.classes):
            raise ValueError(f"label {most} has no name: there are {len(self.classes)} classes")
        if not self.names:
            object.__setattr__(self, "names", [f"picture {i}" for i in range(count)])

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width = self.images.shape[2:]
        left = f", {len(self.broken)} left out" if self.broken else ""
        return f"Dataset({len(self)} pictures of {height} × {width}, {len(self.classes)} classes{left})"

    @property
    def counts(self) -> dict[str, int]:
        """Pictures of each class, by name."""
        return {name: int((self.labels == label).sum()) for label, name in enumerate(self.classes)}

    def picture(self, index: int) -> Picture:
        """One of them, to look at."""
        return Picture(self.images[index].permute(1, 2, 0).numpy().astype("float32") / 255)

    def take(self, ids: Sequence[int] | Tensor) -> Dataset:
        """The pictures with these numbers, in this order; classes keep their labels."""
        at = torch.as_tensor(ids, dtype=torch.int64)
        return replace(
            self, images=self.images[at], labels=self.labels[at], names=[self.names[i] for i in at.tolist()], broken=[]
        )

    def of(self, classes: Sequence[str]) -> Dataset:
        """The pictures of these classes alone, numbered from 0 in this order. KeyError for a class that there is not."""
        numbers = _numbers(classes, self.classes)
        ids = [i for i, label in enumerate(self.labels.tolist()) if label in numbers]
        found = self.take(ids)
        labels = torch.tensor([numbers.index(label) for label in found.labels.tolist()], dtype=torch.int64)
        return replace(found, labels=labels, classes=list(classes))

    def survey(self, *, near: int | None = 4) -> Survey:
        """Counts, broken files and duplicates. near: bits of 64 of the perceptual hash that may differ; None: exact ones alone."""
        exact = self._groups(None)
        alike = [] if near is None else [g for g in self._groups(near) if not any(set(g) <= set(e) for e in exact)]
        return Survey(self, exact, alike)

    def without_duplicates(self, *, near: int | None = None) -> Dataset:
        """The first of every group of equal (or nearly equal) pictures; groups under several labels go altogether."""
        gone: set[int] = set()
        for group in self._groups(near):
            told = {int(self.labels[i]) for i in group}
            gone |= set(group[1:] if len(told) == 1 else group)
        return self.take([i for i in range(len(self)) if i not in gone])

    def split(self, share: float = 0.2, *, seed: int = 0, near: int | None = 4) -> tuple[Dataset, Dataset]:
        """(to train on, to validate with): the same `share` of every class, and equal or nearly equal pictures on one side.

        Which side a picture falls on depends on its content and the seed alone, not on its name or place, so that it stays there
        when others come. Pictures without a label, and groups under several labels, are trained on. ValueError where a class would
        have nothing to validate with.
        """
        if not 0 < share < 1:
            raise ValueError(f"share is {share}, but a share of the pictures above 0 and below 1 is wanted")
        keys, groups = content_keys(self.images), self._groups(near)
        grouped = {i for group in groups for i in group}
        groups = groups + [[i] for i in range(len(self)) if i not in grouped]
        held: list[int] = []
        for label, name in enumerate(self.classes):
            mine = [g for g in groups if {int(self.labels[i]) for i in g} == {label}]
            mine.sort(key=lambda g: hashlib.blake2b(f"{seed}".encode() + min(keys[i] for i in g)).digest())
            wanted = round(share * sum(map(len, mine)))
            chosen = _first(mine, wanted)
            if mine and (not chosen or len(chosen) == sum(map(len, mine))):
                raise ValueError(
                    f"class {name!r} has {sum(map(len, mine))} pictures in {len(mine)} groups of equal ones, of which {share:.0%} "
                    "cannot be held out: get more pictures, or leave the class out with dataset.of(...)"
                )
            held += chosen
        kept = set(held)
        return self.take([i for i in range(len(self)) if i not in kept]), self.take(sorted(held))

    def batches(self, batch_size: int, model: Any, **options: Any) -> Batches:
        """Batches with labels, normalized as `model` (a masked model, an Encoder, a timm model) wants them; see `Batches`."""
        encoder = getattr(model, "encoder", model)
        config = getattr(encoder, "pretrained_cfg", None)
        mean, std = (config["mean"], config["std"]) if isinstance(config, dict) else (encoder.mean, encoder.std)
        return Batches(self.images, batch_size, mean=mean, std=std, labels=self.labels, **options)

    def _groups(self, near: int | None) -> list[list[int]]:
        if near not in self._found:
            self._found[near] = exact_groups(self.images) if near is None else near_groups(self.images, near)
        return self._found[near]


def dataset(
    source: Any,
    *,
    size: int | tuple[int, int],
    classes: Sequence[str] | None = None,
    of: Sequence[str] | None = None,
    limit: int | None = None,
    image: str | None = None,
    label: str | None = None,
) -> Dataset:
    """A Dataset of a folder of class folders, Parquet files, a CSV beside its pictures, a torchvision or a Hugging Face dataset.

    size: pixels, or (height, width); pictures are scaled to cover it and cropped at the centre. What cannot be read is left out,
    listed in `.broken` and counted in a warning. classes: names of the labels where the source has none. of: the classes that are
    wanted, as `Dataset.of` has it; nothing else is decoded. image, label: which column of a CSV, a Parquet file or a Hugging Face
    dataset they are in, where it is not plain.
    Raises FileNotFoundError, ValueError or TypeError, with the reason, for what is none of these, KeyError for an unknown class.
    """
    rows, found = rows_of(source, image=image, label=label)
    names = list(classes) if classes is not None else found
    names = names or [str(i) for i in range(max((row.label for row in rows), default=-1) + 1)]
    if of is not None:
        numbers = _numbers(of, names)
        rows = [row for row in rows if row.label in numbers]
    numbered = (row._replace(label=index) for index, row in enumerate(rows))
    got = gather(numbered, count=len(rows), size=size, limit=limit)
    kept = got.labels.tolist()  # numbers of the rows that could be read
    labels = torch.tensor([rows[i].label for i in kept], dtype=torch.int64)
    made = Dataset(got.images, labels, names, [rows[i].name for i in kept], got.broken)
    return made if of is None else replace(made.of(of), broken=got.broken)


def _numbers(classes: Sequence[str], names: list[str]) -> list[int]:
    """Labels of `classes`."""
    if missing := [name for name in classes if name not in names]:
        raise KeyError(f"there is no class {missing[0]!r}; there are {', '.join(names[:10])} …")
    return [names.index(name) for name in classes]


def _first(groups: list[list[int]], wanted: int) -> list[int]:
    """Whole groups, in order, as long as they fit into `wanted`; at least the smallest."""
    chosen: list[int] = []
    for group in groups:
        if len(chosen) + len(group) <= max(wanted, 1):
            chosen += group
    return chosen
