"""A model in front of pictures: whatever is asked is computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Grid, Mask, Picture
from .anatomy import Anatomy
from .edit import as_edited, changes_in
from .evaluating import evaluating
from .layout import token_layout
from .only_read import only_read
from .subject import Subject, subject
from .target import Target, class_names, scorer
from .trace import Gradients, Trace


class Scene:
    """`Scene(model, pictures, target=…)`: what every lens, judge and view of a model starts from.

    model: a timm ViT or conv net that mimviz reads, an Encoder, or a masked model. pictures: whatever `mimviz.image` opens, a list
    of such, or normalized tensors (B, 3, H, W). target: a class by number or name, one for each picture or one for all; a function
    of the output, logits (B, classes) → (B,); None means each picture's best class, and of a masked model its loss.
    mask: what an encoder or masked model hides, one for all pictures or one for each; a masked model draws its own unless told.
    normalized: whether tensors are as the model takes them; None tells by values outside 0..1.
    layers: numbers (also negative) of the layers and blocks that are kept, where all would need too much memory (`trace.bytes`).

    The model is left as it was found: modes, hooks, `.grad`. `trace` is one pass without a gradient; whatever needs a gradient
    (`trace.attention_grad`, `trace.token_grad`, `image_grad`) shares one more. Raises TypeError for models mimviz cannot read.
    """

    def __init__(
        self,
        model: nn.Module,
        pictures: Any,
        *,
        target: Target = None,
        mask: Any = None,
        layers: Collection[int] | None = None,
        normalized: bool | None = None,
    ):
        ready = _normalized(pictures) if normalized is None else normalized
        size = (pictures.shape[2], pictures.shape[3]) if ready else None  # else the model's own
        self.model = model
        self.subject: Subject = subject(model, mask, count=_count(pictures), size=size)
        self.images, self._shown = _opened(pictures, self.anatomy, next(model.parameters()), ready)
        self.target = target
        self.answers: Any = None  # `Answers`, for who asks the same of an unchanging model again and again
        self._edits = changes_in(model)
        self._layers = None if layers is None else _numbers(layers, len(self.anatomy.blocks))

    @property
    def anatomy(self) -> Anatomy:
        return self.subject.anatomy

    @property
    def grid(self) -> Grid:
        return self.anatomy.grid

    @property
    def prefix(self) -> int:
        """Tokens in front of the patches."""
        return self.anatomy.prefix

    @cached_property
    def pictures(self) -> list[Picture]:
        """As people see them, cut to what the model takes."""
        if self._shown is not None:
            return self._shown
        mean, std = self.anatomy.mean, self.anatomy.std
        return [Picture.from_tensor(each, mean=mean, std=std) for each in self.images]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def trace(self) -> Trace:
        """One pass over the pictures, without a gradient; of a masked model, through its encoder."""
        return self._traces[0]

    @property
    def decoder_trace(self) -> Trace:
        """The same pass through a masked model's decoder: its layers see all patches, seen and hidden ones."""
        found = self._traces[1]
        if found is None or not found.layers:
            what = (
                type(self.subject.decoder).__name__ if self.subject.decoder is not None else type(self.model).__name__
            )
            raise ValueError(f"{what} has no layers of attention to look at" if found else f"{what} has no decoder")
        return found

    @property
    def logits(self) -> Tensor:
        """(B, classes)."""
        logits = self.trace.logits
        if not isinstance(logits, Tensor) or logits.ndim != 2 or not getattr(self.model, "num_classes", 0):
            raise ValueError(
                f"this {self.anatomy.family} has no classes, so nothing can be asked about one: load it with its head, "
                "or give target=… a function of its output"
            )
        return logits

    def score(self, images: Tensor) -> Tensor:
        """(B,): the target's score for any normalized pictures (B or a multiple of B, 3, H, W), with a gradient."""
        score_of = self._scorer  # its own pass, if it needs one, is whole
        with evaluating(self.model), only_read(self.model):
            return score_of(self.subject.run(images))

    @property
    def names(self) -> list[str] | None:
        """Names of the classes, where the model has any."""
        return class_names(self.model)

    @property
    def image_grad(self) -> Tensor:
        """∂ score / ∂ pictures, (B, 3, H, W)."""
        return self._gradients[1]

    def patches(self, values: Tensor) -> Tensor:
        """(B, prefix + N) or (B, N), a number for each token → (B, rows, cols): the patches alone, where they lie.

        Raises ValueError where the tokens are those of no grid of this model.
        """
        return token_layout(values.shape[1], self.anatomy, name="the map").map(values[..., None])[:, 0]

    # --- inside ---

    @cached_property
    def _traces(self) -> tuple[Trace, Trace | None]:
        with torch.inference_mode(False), torch.no_grad():
            traces = self._pass(self.images)
        drawn = getattr(traces[0].logits, "mask", None)
        if self.subject.mask is None and isinstance(drawn, Mask):  # whatever is asked next is asked of the same patches
            self.subject = subject(self.model, drawn, count=len(self), size=self.anatomy.size)
        for index, trace in enumerate(traces):
            if trace is not None:
                trace.hidden = None if self.subject.mask is None else self.subject.mask.hidden
                trace.backward = partial(self._of_trace, index)
        return traces

    def _of_trace(self, index: int) -> Gradients:
        return self._gradients[0][index]

    def _pass(self, images: Tensor) -> tuple[Trace, Trace | None]:
        with (
            evaluating(self.model),
            as_edited(self.model, self._edits),
            self.subject.recording(layers=self._layers) as traces,
        ):
            output = self.subject.run(images)
        for trace in traces:
            if trace is not None:
                trace.logits = output
        return traces

    @cached_property
    def _scorer(self) -> Callable[[Any], Tensor]:
        if callable(self.target):
            return self.target
        if self.target is None and hasattr(self.trace.logits, "patch_loss"):
            return _loss
        return scorer(self.model, self.target, self.logits)

    @cached_property
    def _gradients(self) -> tuple[list[Gradients], Tensor]:
        score_of = self._scorer  # its own pass, if it needs one, comes first
        with torch.inference_mode(False), torch.enable_grad():
            images = self.images.detach().requires_grad_()  # frozen weights must not cut the graph
            traces = self._pass(images)
            score = score_of(traces[0].logits)
            first = self.trace.ids
            if first is not None and not torch.equal(first, traces[0].ids):  # type: ignore[arg-type]
                raise RuntimeError("the model hid other patches in its second pass, so it has no gradient of the first")
            wanted = [images, *(each for trace in traces if trace is not None for each in _sources(trace))]
            grads = torch.autograd.grad(score.sum(), wanted, allow_unused=True)
        found = iter([torch.zeros_like(w) if g is None else g for g, w in zip(grads, wanted, strict=True)])
        by_images = next(found)
        return [_sorted(trace, found, by_images) for trace in traces if trace is not None], by_images


def _sources(trace: Trace) -> list[Tensor]:
    """What a gradient is wanted by, in one order."""
    layers = [*trace.layers, *([] if trace.pooling is None else [trace.pooling])]
    return [
        each for each in (*(layer.mixed for layer in layers), *(b.output for b in trace.blocks)) if each is not None
    ]


def _sorted(trace: Trace, found: Any, images: Tensor) -> Gradients:
    """The gradients back to where their sources came from; None where a layer was left out."""
    mixed = [None if layer.mixed is None else next(found) for layer in trace.layers]
    pooling = None if trace.pooling is None or trace.pooling.mixed is None else next(found)
    blocks = [None if block.output is None else next(found) for block in trace.blocks]
    return Gradients(mixed, pooling, blocks, images)


def _loss(outcome: Any) -> Tensor:
    """(B,): how wrong a masked model's guess is, over the patches it had to predict."""
    predicted = outcome.mask.predict.gather(1, outcome.where).to(outcome.patch_loss.dtype)
    return (outcome.patch_loss * predicted).sum(1) / predicted.sum(1)


def _numbers(layers: Collection[int], count: int) -> frozenset[int]:
    if wrong := [layer for layer in layers if not -count <= layer < count]:
        raise IndexError(
            f"layers names {wrong[0]}, but this model has {count} blocks: 0..{count - 1}, or -1 for the last"
        )
    return frozenset(layer % count for layer in layers)


def _count(pictures: Any) -> int:
    return len(pictures) if isinstance(pictures, (list, tuple)) or getattr(pictures, "ndim", 0) == 4 else 1


def _normalized(pictures: Any) -> bool:
    """Whether these are tensors as the model takes them, not pictures of 0..1."""
    return isinstance(pictures, Tensor) and pictures.ndim == 4 and bool(pictures.min() < 0 or pictures.max() > 1)


def _opened(pictures: Any, parts: Anatomy, weights: Tensor, ready: bool) -> tuple[Tensor, list[Picture] | None]:
    """Pictures as the model takes them, (B, 3, H, W), normalized, on its device; and as people see them, where they came so."""
    from ..data import image

    height, width = parts.size
    if ready:
        if tuple(pictures.shape[1:]) != (3, height, width):
            raise ValueError(f"pictures are {tuple(pictures.shape)}, but (B, 3, {height}, {width}) is wanted")
        return _usable(pictures.to(weights)), None
    many = list(pictures) if isinstance(pictures, (list, tuple)) or getattr(pictures, "ndim", 0) == 4 else [pictures]
    opened = [each if isinstance(each, Picture) else image(each) for each in many]
    shown = [each.fit(height, width) for each in opened]
    images = torch.cat([each.tensor(mean=parts.mean, std=parts.std) for each in shown]).to(weights)
    return _usable(images), shown


def _usable(images: Tensor) -> Tensor:
    """Tensors that were made in inference mode cannot carry a gradient; a copy made outside it can."""
    if not images.is_inference():
        return images.detach()
    with torch.inference_mode(False):
        return images.clone()
