"""Which visible patch paints this one: how the guess at each hidden patch depends on each visible patch.

Leave-one-out is Zeiler and Fergus's occlusion (ECCV 2014) asked of a masked model, which can leave patches out for real; the
gradient is its Jacobian's Frobenius norm, by Hutchinson's random projections (1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Grid, Heatmap, Mask, seeded
from ..vit import evaluating
from .model import MaskedModel


@dataclass(frozen=True, eq=False)
class Influence:
    """`values` (J, I): how much visible patch `visible[i]` matters for the guess at hidden patch `hidden[j]`, at least 0.

    helps (J, I), of leave-one-out alone: how much the loss at j rises when i is hidden too; negative where i misleads.
    """

    values: Tensor
    hidden: Tensor
    visible: Tensor
    grid: Grid
    by: str
    helps: Tensor | None = None

    def on(self, patch: int, *, helps: bool = False) -> Heatmap:
        """The visible patches' influence on one hidden patch as a map, 0 where hidden. KeyError for a patch that was not asked."""
        at = (self.hidden == patch).nonzero()
        if not len(at):
            raise KeyError(f"patch {patch} was not asked for: {self.hidden.tolist()[:8]} … were")
        if helps and self.helps is None:
            raise ValueError(f"influence by {self.by} does not say what helps: ask leave_one_out")
        rows = self.helps if helps else self.values
        return self._map(rows[at[0, 0]], signed=helps)  # type: ignore[index]

    def of(self) -> Heatmap:
        """Each visible patch's influence on all patches asked, the mean; 0 where hidden."""
        return self._map(self.values.mean(0), signed=False)

    def _map(self, row: Tensor, *, signed: bool) -> Heatmap:
        values = torch.zeros(self.grid.count).scatter(0, self.visible, row)
        return Heatmap(values.reshape(1, *self.grid.shape), by=self.by, signed=signed)


@torch.no_grad()
def leave_one_out(model: MaskedModel, picture, mask: Mask, *, batch: int = 64) -> Influence:
    """Hides each visible patch in turn, all of them in a few batches: root mean square change of the guess at every hidden patch.

    picture: whatever `mimviz.image` opens. ValueError where fewer than two patches are visible.
    """
    images, mask, hidden, visible = _asked(model, picture, mask)
    fewer = mask.hidden.repeat(len(visible), 1)
    fewer[torch.arange(len(visible)), visible] = True
    changes, helps = [], []
    with evaluating(model):
        guess, loss = _at(model(images, mask), hidden)
        for part in fewer.split(batch):
            less = Mask(part.to(images.device), shape=mask.shape)
            other, worse = _at(model(images.expand(len(part), -1, -1, -1), less), hidden)
            changes.append((other - guess).square().mean(-1).sqrt().float().cpu())
            helps.append((worse - loss).float().cpu())
    return Influence(torch.cat(changes).T, hidden, visible, model.grid, "leave-one-out", torch.cat(helps).T)


def by_gradient(
    model: MaskedModel, picture, mask: Mask, *, patches: Sequence[int] | None = None, probes: int = 4, seed: int = 0,
    batch: int = 32,
) -> Influence:  # fmt: skip
    """‖∂ guess at j / ∂ pixels of i‖, from `probes` random directions of the guess; of some hidden `patches`, or of all.

    One backward pass for each patch and probe: cheaper than leave-one-out for few patches, dearer for many.
    """
    images, mask, hidden, visible = _asked(model, picture, mask)
    asked = hidden if patches is None else torch.as_tensor(list(patches))
    if not torch.isin(asked, hidden).all():
        raise ValueError(
            f"patches {asked[~torch.isin(asked, hidden)].tolist()} are visible: their influence is on hidden ones"
        )
    generator, rows = seeded(seed), []
    with evaluating(model), torch.enable_grad():
        for part in asked.split(batch):
            total = torch.zeros(len(part), len(visible))
            for _ in range(probes):
                copies = images.detach().repeat(len(part), 1, 1, 1).requires_grad_()
                guess, _ = _at(model(copies, mask), hidden)
                own = guess[torch.arange(len(part)), torch.searchsorted(hidden, part)]
                along = torch.randn(own.shape, generator=generator).to(own)
                (grad,) = torch.autograd.grad((own * along).sum(), copies)
                total += model.grid.patchify(grad)[:, visible].square().sum(-1).float().cpu()
            rows.append((total / probes).sqrt())
    return Influence(torch.cat(rows), asked, visible, model.grid, "gradient")


def _asked(model: MaskedModel, picture, mask: Mask) -> tuple[Tensor, Mask, Tensor, Tensor]:
    images = model.prepare(picture)
    mask = model.grid.check(mask)[0].to(images.device)
    hidden, visible = mask.hidden_ids[0].cpu(), mask.keep_ids[0].cpu()
    if len(visible) < 2 or not len(hidden):
        raise ValueError(
            f"{len(visible)} of {model.grid.count} patches are visible, but at least two visible and one hidden are wanted"
        )
    return images, mask, hidden, visible


def _at(outcome, patches: Tensor) -> tuple[Tensor, Tensor]:
    """Guess (B, J, D) and loss (B, J) at the patches, for a model that guesses them."""
    same = outcome.where[:, None] == patches.to(outcome.where.device)[None, :, None]  # (B, J, M)
    if not same.any(-1).all():
        missing = patches[~same.any(-1).all(0).cpu()].tolist()
        raise ValueError(
            f"this model makes no guess at patches {missing[:8]}, but one for each that is asked is wanted"
        )
    rows = same.float().argmax(-1)
    guess = outcome.guess.gather(1, rows[..., None].expand(-1, -1, outcome.guess.shape[-1]))
    return guess, outcome.patch_loss.gather(1, rows)
