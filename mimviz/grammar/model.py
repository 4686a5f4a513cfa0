"""A masked model: where → how → encoder → decoder | target → loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..core import Grid, Mask, Outcome, Picture
from ..core.made import Made
from ..core.outcome import View
from ..vit import Encoder, evaluating
from .targets.pixels import Statistics
from .teacher import EMA, Teacher


class MaskedModel(nn.Module):
    """One sentence of the grammar as a module: call it with normalized pictures to train, `reconstruct` to look.

    The words are plain attributes, so one can be exchanged: `mim.where = Units(0.6)`. `teacher`: the encoder, if any, that words
    of this sentence ask; they keep a plain reference, it lives here. blr: the base learning rate, of 256 pictures, that `fit` shall
    keep to: it warns where its `lr` is far from blr · batch / 256. None: any will do.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        where: Callable,
        how: Callable,
        target: Any,
        decoder: nn.Module,
        loss: Callable,
        teacher: Teacher | None = None,
        name="",
        blr: float | None = None,
    ):
        super().__init__()
        self.encoder, self.where, self.how, self.target = encoder, where, how, target
        self.decoder, self.loss, self.teacher, self.name, self.blr = decoder, loss, teacher, name, blr

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Outcome:
        """Normalized pictures (B, 3, height, width) and a mask (or None: `where` draws one) → Outcome with a gradient."""
        mask = self._mask(images, mask)
        return self.compare(self.predict(images, mask), images, mask)

    def predict(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B N D"]:
        """The guess, from what the encoder makes of the visible patches."""
        return self.decoder(self.encode(images, mask), mask)

    def compare(
        self, guess: Float[Tensor, "B N D"], images: Float[Tensor, "B 3 H W"], mask: Mask, **terms: Tensor
    ) -> Outcome:
        """The guess against the target; `terms` are added to the loss."""
        truth = self.target(images, mask)
        where = torch.arange(self.grid.count, device=images.device).expand(len(images), -1)
        view = self._view(images, mask, "visible")
        return Outcome(mask, guess, truth, self.loss(guess, truth).mean(-1), where, view, terms)

    def encode(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B K C"]:
        """What the encoder makes of pictures whose hidden patches it may not see: tokens (B, prefix + K, width)."""
        return self.encoder(*self.how(self.encoder.embed(images), mask))

    def reconstruct(
        self,
        picture,
        mask: Mask | None = None,
        *,
        statistics: Statistics = "visible",
        ratio: float = 0.75,
        seed: int = 0,
    ) -> Outcome:
        """What the model makes of one picture with these patches hidden (or a random share `ratio`).

        picture: a Picture or whatever `mimviz.image` opens; it is scaled and centre-cropped to the model's grid.
        mask: a Mask for one picture, or rows × cols truth values, True = hidden.
        statistics: "visible" never reads hidden pixels; "true" de-normalizes with the true mean and spread of each hidden patch,
        which leaks them (only for models that predict normalized patches).
        Raises ValueError for a mask of another grid, for nothing or everything hidden, and where the model's guess is not finite.
        """
        if statistics not in ("visible", "true"):
            raise ValueError(f"statistics is {statistics!r}, but 'visible' or 'true' is wanted")
        drawn = seed if mask is None else None
        mask = Mask.random(self.grid, ratio=ratio, seed=seed) if mask is None else mask
        mask = self._some_hidden(mask if isinstance(mask, Mask) else Mask.from_array(mask)).to(self.device)
        return self.answer(self.prepare(picture), mask, statistics=statistics, seed=drawn)

    def answer(
        self, images: Float[Tensor, "1 3 H W"], mask: Mask, *, statistics: Statistics = "visible", seed: int | None = None
    ) -> Outcome:
        """`reconstruct` for a picture that is prepared; `seed`: what drew the mask, for figures that say it."""
        with evaluating(self), torch.no_grad():
            outcome = self(images, mask)
        _check_finite(outcome.guess, self.name)
        view = self._view(images, mask, statistics)
        made = Made.by(self, statistics=statistics, seed=seed)
        return replace(outcome, view=view and replace(view, made=made))

    def prepare(self, picture) -> Float[Tensor, "1 3 H W"]:
        """A picture as this model wants it: (1, 3, height, width), normalized, on its device."""
        from ..data import image

        opened = picture if isinstance(picture, Picture) else image(picture)
        fitted = opened.fit(self.grid.height, self.grid.width)
        return fitted.tensor(mean=self.encoder.mean, std=self.encoder.std).to(self.device, self.dtype)

    @property
    def grid(self) -> Grid:
        """The patches of the pictures that the model takes."""
        return self.encoder.grid

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are made of."""
        return next(self.parameters()).dtype

    @property
    def words(self) -> dict[str, Any]:
        """The sentence by name, for a model of another class that begins alike: `MFF(encoder, **mae(encoder).words)`."""
        return {name: getattr(self, name) for name in ("where", "how", "target", "decoder", "loss", "teacher")}

    @property
    def normalized(self) -> bool:
        """Whether the model predicts normalized patches, whose picture depends on `statistics`."""
        return bool(getattr(self.target, "normalize", False))

    def after_step(self) -> None:
        """Called once after each optimizer step, the one door for slow state: a teacher that follows the encoder does so here."""
        if isinstance(self.teacher, EMA):
            self.teacher.update(self.encoder)

    # --- inside ---

    def __setattr__(self, name: str, value: Any) -> None:
        """Also a word with weights may give way to one without, which torch refuses for its submodules."""
        modules = self.__dict__.get("_modules", {})
        if name in modules and not isinstance(value, nn.Module):
            del modules[name]
        super().__setattr__(name, value)

    def _mask(self, images: Tensor, mask: Mask | None) -> Mask:
        if mask is not None and not isinstance(mask, Mask):
            raise TypeError(
                f"mask is {type(mask).__name__}, but a Mask is wanted: Mask.from_array(rows x cols truth values)"
            )
        drawn: Mask = self.where(images, self.grid) if mask is None else self.grid.check(mask).to(images.device)
        return drawn.expand(len(images))

    def _some_hidden(self, mask: Mask) -> Mask:
        N = self.grid.count
        if (count := self.grid.check(mask).count) == 0:
            raise ValueError(
                f"0 of {N} patches are hidden, so there is nothing to reconstruct: "
                "hide at least one, e.g. Mask.random(model.grid)"
            )
        if count == N:
            raise ValueError(
                f"all {N} patches are hidden, so the model would see nothing of the picture: leave at least one visible"
            )
        return self.grid.check(mask)

    def _view(self, images: Tensor, mask: Mask, statistics: Statistics) -> View | None:
        if not hasattr(self.target, "pixels"):
            return None
        draw = partial(self.target.pixels, images=images, mask=mask, statistics=statistics)
        enc = self.encoder
        return View(
            images, enc.grid, enc.mean, enc.std, draw, self.target.note(statistics), self.target.leaks(statistics)
        )


def _check_finite(guess: Tensor, name: str) -> None:
    bad = int((~torch.isfinite(guess)).sum())
    if bad:
        raise ValueError(
            f"{bad} of {guess.numel()} values that {name or 'the model'} guessed are NaN or infinite: "
            "the picture or the weights hold such values, or half precision overflowed"
        )
