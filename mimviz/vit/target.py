"""What a scene asks about: a class by number or name, or any function of the model's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache, partial
from typing import Any

from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from torch import Tensor, nn

Target = int | str | Callable[[Tensor], Tensor] | Sequence[int | str] | None


def class_names(model: nn.Module) -> list[str] | None:
    """Readable names of the model's classes, or None: its own `classes`, else ImageNet's where timm knows the subset."""
    own = getattr(model, "classes", None)
    if own is not None:
        return list(own)
    subset = infer_imagenet_subset(model)
    return _imagenet(subset) if subset else None


@cache
def _imagenet(subset: str) -> list[str]:
    info = ImageNetInfo(subset)
    return [info.index_to_description(i) for i in range(info.num_classes())]


def class_index(model: nn.Module, wanted: int | str) -> int:
    """The number of a class; ValueError that names the nearest ones for a name that there is not, IndexError for a number."""
    count = int(getattr(model, "num_classes", 0))
    if not isinstance(wanted, str):
        if not 0 <= int(wanted) < count:
            raise IndexError(f"target is class {wanted}, but this model has {count} classes, numbered from 0")
        return int(wanted)
    names = class_names(model)
    if names is None:
        raise ValueError(f"target is {wanted!r}, but this model brings no names for its {count} classes: give a number")
    first = [name.split(",")[0].strip().lower() for name in names]
    low = wanted.strip().lower()
    exact = [i for i, (name, short) in enumerate(zip(names, first, strict=True)) if low in (name.lower(), short)]
    if exact:
        return exact[0]
    near = [names[first.index(n)] for n in get_close_matches(low, first, n=3, cutoff=0.5)]
    near = near or [name for name in names if low in name.lower()][:3]
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ": see mimviz.vit.class_names(model)"
    raise ValueError(f"target is {wanted!r}, but this model has no such class" + hint)


def scorer(model: nn.Module, target: Target, logits: Tensor) -> Callable[[Any], Tensor]:
    """(B, classes) → (B,): the score that `target` asks for; None asks for each picture's own best class in `logits`."""
    if callable(target):
        return target
    if target is None:
        ids = logits.detach().argmax(-1)
    else:
        many: list[Any] = list(target) if isinstance(target, (list, tuple)) else [target] * len(logits)
        if len(many) != len(logits):
            raise ValueError(
                f"target names {len(many)} classes, but there are {len(logits)} pictures: one for each, or one"
            )
        ids = logits.new_tensor([class_index(model, each) for each in many]).long()
    return partial(_chosen, ids=ids)


def _chosen(output: Tensor, *, ids: Tensor) -> Tensor:
    if len(output) % len(ids):
        raise ValueError(
            f"{len(output)} pictures are to be scored, but the scene has {len(ids)}: as many, or a multiple"
        )
    return output.gather(-1, ids.to(output.device).repeat(len(output) // len(ids))[:, None])[:, 0]
