"""Guard rails: mistakes that a training does not tell by itself, found on the way and explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..tune.lr import scaled_lr
from .health import Health
from .leak import leaks

ENOUGH = 16  # labels seen before they may be called constant
OFF = 4.0  # times the learning rate of the batch rule


class TrainingWarning(UserWarning):
    """Something about a training is probably not as it was meant."""


@dataclass(frozen=True)
class Warned:
    """kind: one word; step: after how many steps; title: what is wrong; text: why that is, and what to do."""

    kind: str
    step: int
    title: str
    text: str


class Guards:
    """Looks at each step from both sides; every kind of warning is told once."""

    def __init__(self, model: nn.Module, lr: float, tell: Callable[[Warned], None]):
        self._model, self._lr, self._tell = model, lr, tell
        self._told: set[str] = set()
        self._still: set[nn.Module] = set()
        self._labels: tuple[set[int], int, int] = (set(), 0, 0)  # which, how many, in how many batches

    def begin(self) -> None:
        """The model has just been put into training mode: what is in eval mode now is so on purpose, as a teacher is."""
        self._still = {module for module in self._model.modules() if not module.training}

    def before(self, index: int, inputs: list[Tensor]) -> None:
        """Mode and batch of step `index`, from 0. A model that was left in eval mode is put back."""
        if any(not module.training and module not in self._still for module in self._model.modules()):
            self._model.train()
            self._warn(
                "eval", index, "The model was left in eval mode",
                "Something between two steps called model.eval() and did not undo it, so dropout and the like were off. It is back "
                "in training mode now: look at a copy instead, or call model.train() afterwards",
            )  # fmt: skip
        if index < 3:
            self._normalized(index, inputs[0])
            self._rule(index, inputs[0])
        if len(inputs) > 1:
            self._constant(index, inputs[1])

    def compare(self, batches: Any, validation: Any) -> None:
        """Looks for pictures of `validation` among those of `batches`."""
        found = leaks(batches, validation)
        if found.pairs:
            first, second = found.pairs[0]
            self._warn(
                "leak", 0, "Validation pictures are in the training data",
                f"{len(found.pairs)} of {found.validation} ({100 * found.share:.1f} %) are, as they stand or mirrored, e.g. number "
                f"{second} is number {first} of the training: scores on them say nothing of new pictures. Split the data anew",
            )  # fmt: skip

    def after(self, index: int, norm: float, rate: float, health: dict[str, Health] | None) -> None:
        """What the step did."""
        if norm == 0:
            self._warn(
                "no gradient", index + 1, "No gradient reaches the weights",
                "The gradient of every trainable parameter is exactly 0: is the loss computed from detached tensors, or from "
                "parts of the model that are frozen?",
            )  # fmt: skip
        elif health and rate > 0 and all(each.update == 0 for each in health.values()):
            self._warn(
                "no step", index + 1, "The step left every weight as it was",
                f"There is a gradient (norm {norm:.3g}), but with the learning rate {rate:.3g} it is too small to change a number: "
                "raise the rate, or train in float32",
            )  # fmt: skip

    # --- inside ---

    def _warn(self, kind: str, step: int, title: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._tell(Warned(kind, step, title, text))

    def _normalized(self, index: int, images: Tensor) -> None:
        encoder = getattr(self._model, "encoder", self._model)
        mean, std = getattr(encoder, "mean", None), getattr(encoder, "std", None)
        if mean is None or std is None or images.shape[1] != len(mean):
            return
        if twice_normalized(images, mean, std):
            told, wished = float(images.float().mean()), "about 0"
            self._warn(
                "normalized twice", index, "The pictures seem to be normalized twice",
                f"Their mean is {told:.2f} where {wished} is usual, and undoing mean {tuple(mean)} and std {tuple(std)} twice, "
                "not once, gives colours of 0 to 1: leave one of the two normalizations out",
            )  # fmt: skip

    def _rule(self, index: int, images: Tensor) -> None:
        blr, lr = getattr(self._model, "blr", None), self._lr
        if not blr:
            return
        wanted = scaled_lr(blr, len(images))
        if not wanted / OFF <= lr <= wanted * OFF:
            self._warn(
                "learning rate", index, "The learning rate is off the batch rule",
                f"lr is {lr:.3g}, but this recipe's base rate {blr:.3g} means {wanted:.3g} for batches of {len(images)} "
                "(blr · batch / 256, Goyal et al. 2017, arXiv 1706.02677)",
            )  # fmt: skip

    def _constant(self, index: int, labels: Tensor) -> None:
        which, count, batches = self._labels
        if len(which) > 1:
            return
        self._labels = which, count, batches = which | set(labels.unique().tolist()), count + len(labels), batches + 1
        if len(which) == 1 and count >= ENOUGH and batches >= 3:
            self._warn(
                "constant labels", index, "All labels are the same",
                f"The first {count} pictures all have class {which.pop()}: is the data sorted by class and not shuffled, "
                "or are the labels read from the wrong column?",
            )  # fmt: skip


def twice_normalized(images: Tensor, mean, std) -> bool:
    """Whether (x − mean) / std was done to pictures (B, 3, H, W) two times: only undone twice they are colours."""
    mean, std = (torch.tensor(list(each), device=images.device).view(-1, 1, 1) for each in (mean, std))
    once = images.float() * std + mean
    twice = once * std + mean
    outside = ((once < -0.02) | (once > 1.02)).float().mean()
    inside = ((twice >= -0.02) & (twice <= 1.02)).float().mean()
    return bool(outside > 0.2 and inside > 0.999)


@torch.no_grad()
def where_it_broke(model: nn.Module, inputs: list[Tensor]) -> str:
    """Runs a step's forward pass once more and says which module made the first number that is NaN or infinite."""
    if bad := [i for i, each in enumerate(inputs) if each.is_floating_point() and not each.isfinite().all()]:
        count = int((~inputs[bad[0]].isfinite()).sum())
        return f"{count} values of the pictures are NaN or infinite: look at the data"
    broken = [name for name, p in model.named_parameters() if not p.isfinite().all()]
    if broken:
        return f"{len(broken)} weights are NaN or infinite, {broken[0]} first: lower the learning rate and go back to a kept moment"
    names = {module: name for name, module in model.named_modules()}
    first: list[str] = []

    def look(module: nn.Module, given, made) -> None:
        made = made if isinstance(made, (tuple, list)) else [made]
        if not first and any(isinstance(x, Tensor) and x.is_floating_point() and not x.isfinite().all() for x in made):
            first.append(names[module] or type(module).__name__)

    hooks = [module.register_forward_hook(look) for module in model.modules()]
    try:
        model(*inputs)
    except Exception:  # the search must not hide what it searches for
        pass
    finally:
        for hook in hooks:
            hook.remove()
    where = f"it began in {first[0]}" if first else "it began outside of the model's modules, in the loss"
    return f"{where}; lower the learning rate, or look at the pictures of this batch"
