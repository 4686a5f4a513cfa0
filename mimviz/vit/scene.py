"""A model in front of pictures: whatever is asked is computed once and kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Grid, Picture
from .anatomy import Anatomy, anatomy
from .evaluating import evaluating
from .layout import token_layout
from .recording import recording
from .target import Target, class_names, scorer
from .trace import Gradients, Trace


class Scene:
    """`Scene(model, pictures, target=…)`: what every lens, judge and view of a ViT starts from.

    model: a timm ViT. pictures: whatever `mimviz.image` opens, a list of such, or normalized tensors (B, 3, H, W).
    target: a class by number or name, one for each picture or one for all; a function of the logits (B, classes) → (B,); None means
    each picture's best class.

    The model is left as it was found: modes, hooks, `.grad`. `trace` is one pass without a gradient; whatever needs a gradient
    (`trace.attention_grad`, `trace.token_grad`, `image_grad`) shares one more. Raises TypeError for models mimviz cannot read.
    """

    def __init__(self, model: nn.Module, pictures: Any, *, target: Target = None):
        self.model = model
        self.anatomy: Anatomy = anatomy(model)
        self.pictures, self.images = _opened(pictures, self.anatomy, next(model.parameters()))
        self.target = target

    @property
    def grid(self) -> Grid:
        return self.anatomy.grid

    @property
    def prefix(self) -> int:
        """Tokens in front of the patches."""
        return self.anatomy.prefix

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def trace(self) -> Trace:
        """One pass over the pictures, without a gradient."""
        with torch.inference_mode(False), torch.no_grad():
            trace = self._pass(self.images)
        trace.backward = lambda: self._gradients
        return trace

    def patches(self, values: Tensor) -> Tensor:
        """(B, prefix + N) or (B, N), a number for each token → (B, rows, cols): the patches alone, where they lie.

        Raises ValueError where the tokens are not those of the grid or of a coarser one.
        """
        return token_layout(values.shape[1], self.anatomy, name="the map").map(values[..., None])[:, 0]

    @property
    def logits(self) -> Tensor:
        """(B, classes)."""
        logits = self.trace.logits
        if logits is None or logits.ndim != 2 or not getattr(self.model, "num_classes", 0):
            raise ValueError(
                f"this {self.anatomy.family} has no classes, so nothing can be asked about one: load it with its head, "
                "or give target=… a function of its output"
            )
        return logits

    def score(self, images: Tensor) -> Tensor:
        """(B,): the target's score for any normalized pictures (B or a multiple of B, 3, H, W), with a gradient."""
        with evaluating(self.model):
            return self._scorer(self.model(images))

    @property
    def names(self) -> list[str] | None:
        """Names of the classes, where the model has any."""
        return class_names(self.model)

    @property
    def image_grad(self) -> Tensor:
        """∂ score / ∂ pictures, (B, 3, H, W)."""
        return self._gradients.images

    # --- inside ---

    def _pass(self, images: Tensor) -> Trace:
        with evaluating(self.model), recording(self.model, self.anatomy) as trace:
            trace.logits = self.model(images)
        return trace

    @cached_property
    def _scorer(self) -> Callable[[Any], Tensor]:
        return self.target if callable(self.target) else scorer(self.model, self.target, self.logits)

    @cached_property
    def _gradients(self) -> Gradients:
        with torch.inference_mode(False), torch.enable_grad():
            images = self.images.detach().requires_grad_()  # frozen weights must not cut the graph
            trace = self._pass(images)
            score = self._scorer(trace.logits).sum()
            mixed = [layer.mixed for layer in trace.layers]
            wanted: list[Any] = [*mixed, *(block.output for block in trace.blocks), images]
            grads = torch.autograd.grad(score, wanted, allow_unused=True)
        found = [torch.zeros_like(w) if g is None else g for g, w in zip(grads, wanted, strict=True)]
        return Gradients(found[: len(mixed)], found[len(mixed) : -1], found[-1])


def _opened(pictures: Any, parts: Anatomy, weights: Tensor) -> tuple[list[Picture], Tensor]:
    """Pictures as people see them and as the model takes them: (B, 3, H, W), normalized, on its device."""
    from ..data import image

    height, width = getattr(parts, "size", (parts.grid.height, parts.grid.width))
    if isinstance(pictures, Tensor) and pictures.ndim == 4 and (pictures.min() < 0 or pictures.max() > 1):
        if tuple(pictures.shape[1:]) != (3, height, width):
            raise ValueError(f"pictures are {tuple(pictures.shape)}, but (B, 3, {height}, {width}) is wanted")
        shown = [Picture.from_tensor(each, mean=parts.mean, std=parts.std) for each in pictures]
        return shown, _usable(pictures.to(weights))
    many = pictures if isinstance(pictures, (list, tuple)) else [pictures]
    opened = [each if isinstance(each, Picture) else image(each) for each in many]
    shown = [each.fit(height, width) for each in opened]
    images = torch.cat([each.tensor(mean=parts.mean, std=parts.std) for each in shown]).to(weights)
    return shown, _usable(images)


def _usable(images: Tensor) -> Tensor:
    """Tensors that were made in inference mode cannot carry a gradient; a copy made outside it can."""
    if not images.is_inference():
        return images.detach()
    with torch.inference_mode(False):
        return images.clone()
