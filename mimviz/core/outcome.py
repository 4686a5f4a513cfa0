"""All that one step of masked image modelling produced."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from .grid import Grid
from .heatmap import Heatmap
from .made import Made
from .mask import Mask
from .picture import Picture


@dataclass(frozen=True)
class View:
    """How a guess becomes a picture: `pixels(guess)`, (B, N, D) → (B, N, patch² · 3), is on the scale of `images`.

    `images` (B, 3, H, W) are the pictures as the model got them, normalized with `mean` and `std` (three numbers each). `made`: by
    whom, for figures that say it.
    """

    images: Tensor
    grid: Grid
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pixels: Callable[[Tensor], Tensor]
    note: str = ""
    leaks: bool = False
    made: Made | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """Patches that are drawn already, in the place of `View.pixels`."""

    patches: Tensor

    def __call__(self, guess: Tensor) -> Tensor:
        return self.patches


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one step produced, whichever recipe made it.

    `guess` and `truth` are (B, M, D), `patch_loss` is (B, M) and `where` (B, M) says which patches these M rows speak of; M is N
    for decoders that guess everywhere. `view` is there for targets that can be drawn. `terms` holds what a recipe adds to the
    loss of its patches, by name: scalars, each already times its weight.
    """

    mask: Mask
    guess: Tensor
    truth: Tensor
    patch_loss: Tensor
    where: Tensor
    view: View | None = None
    terms: dict[str, Tensor] = field(default_factory=dict)

    @property
    def loss(self) -> Tensor | float:
        """The mean of `patch_loss` over the patches to be predicted, plus all `terms`: a scalar tensor while it carries a gradient,
        else a float."""
        wanted = self.mask.predict.gather(1, self.where)
        if not wanted.any():
            raise ValueError("no patch is to be predicted, so there is no loss: hide at least one patch")
        mean = (self.patch_loss * wanted).sum() / wanted.sum()
        whole = sum(self.terms.values(), mean)
        return whole if whole.requires_grad else float(whole)

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, index: int) -> Outcome:
        """The same for one picture of the batch."""
        at = range(len(self))[operator.index(index)]
        cut = slice(at, at + 1)
        view = self.view and replace(self.view, images=self.view.images[cut], pixels=Drawn(self._drawn[cut]))
        guess, truth, patch_loss = self.guess[cut], self.truth[cut], self.patch_loss[cut]
        return Outcome(self.mask[at], guess, truth, patch_loss, self.where[cut], view, self.terms)

    def detached(self) -> Outcome:
        """The same without the graph behind it."""
        guess, truth, patch_loss = self.guess.detach(), self.truth.detach(), self.patch_loss.detach()
        terms = {name: term.detach() for name, term in self.terms.items()}
        return replace(self, guess=guess, truth=truth, patch_loss=patch_loss, terms=terms)

    # --- pictures, for targets that are pixels ---

    @property
    def picture(self) -> Picture:
        """The whole reconstruction, also where the patches were visible (there the loss never looked, see MAE)."""
        return self._shown(self._drawn)

    @property
    def pasted(self) -> Picture:
        """The visible patches as they are, the guess in the hidden ones."""
        return self._shown(self._pasted)

    @property
    def filled(self) -> Tensor:
        """(B, 3, H, W): the same as the model takes it, normalized; of many pictures at once."""
        return self._drawable.grid.unpatchify(self._pasted)

    @property
    def original(self) -> Picture:
        """What the model got."""
        return self._shown(self._patches)

    @property
    def masked(self) -> Picture:
        """What the model saw; hidden patches mid-grey."""
        return self._of_rgb(self._rgb(self._patches).masked_fill(self.mask.hidden[..., None], 0.5))

    @cached_property
    def error(self) -> Heatmap:
        """(B, rows, cols): root mean square error per patch of the pasted picture, RGB in 0..1; exactly 0 where visible."""
        values = self._squared.sqrt().reshape(-1, *self._drawable.grid.shape)
        return Heatmap(values, by="root mean square error per patch of the pasted picture, RGB 0..1")

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio over the hidden pixels in dB, RGB clipped to 0..1; infinite where the guess is perfect."""
        squared = self._squared[self.mask.hidden]
        error = float(squared.mean()) if squared.numel() else 0.0
        return -10 * math.log10(error) if error else math.inf

    @property
    def note(self) -> str:
        """How the statistics of hidden patches were obtained; empty for a model that predicts plain pixels."""
        return self.view.note if self.view else ""

    @property
    def leaks(self) -> bool:
        """Whether these pictures were drawn with knowledge of the hidden pixels."""
        return bool(self.view and self.view.leaks)

    def plot(self, *, everywhere: bool = False):
        """A matplotlib figure: original, masked, reconstruction, pasted, error; see `mimviz.plot.show_outcome`."""
        from ..plot import show_outcome

        return show_outcome(self, everywhere=everywhere)

    # --- inside ---

    @property
    def _drawable(self) -> View:
        if self.view is None:
            raise ValueError(
                "this recipe predicts no pixels, so its guess is no picture: look at outcome.patch_loss instead"
            )
        return self.view

    @cached_property
    def _patches(self) -> Tensor:
        return self._drawable.grid.patchify(self._drawable.images)

    @cached_property
    def _drawn(self) -> Tensor:
        """(B, N, patch² · 3) on the images' scale; where nothing was guessed the image itself."""
        guess = self.guess.detach()
        rows = self.where[..., None].expand_as(guess)
        everywhere = guess.new_zeros(len(self), self.mask.hidden.shape[1], guess.shape[-1]).scatter(1, rows, guess)
        guessed = torch.zeros_like(self.mask.hidden).scatter(1, self.where, True)
        drawn = self._drawable.pixels(everywhere).to(self._patches.dtype)
        return torch.where(guessed[..., None], drawn, self._patches)

    @cached_property
    def _pasted(self) -> Tensor:
        return torch.where(self.mask.hidden[..., None], self._drawn, self._patches)

    @cached_property
    def _squared(self) -> Tensor:
        """(B, N): mean squared error per patch of the pasted picture, RGB in 0..1."""
        return (self._rgb(self._pasted) - self._rgb(self._patches)).square().mean(-1)

    def _rgb(self, patches: Tensor) -> Tensor:
        """Patches on the images' scale → RGB, clipped to 0..1."""
        view = self._drawable
        p2 = view.grid.patch**2
        mean, std = (
            torch.tensor(x, dtype=patches.dtype, device=patches.device).repeat(p2) for x in (view.mean, view.std)
        )
        return (patches * std + mean).clamp(0, 1)

    @property
    def _only(self) -> int:
        if len(self) != 1:
            raise ValueError(f"this outcome is of {len(self)} pictures: take one, e.g. outcome[0].picture")
        return 0

    def _shown(self, patches: Tensor) -> Picture:
        return self._of_rgb(self._rgb(patches))

    def _of_rgb(self, rgb: Tensor) -> Picture:
        picture = self._drawable.grid.unpatchify(rgb)[self._only]
        return Picture(picture.permute(1, 2, 0).float().cpu().numpy())
