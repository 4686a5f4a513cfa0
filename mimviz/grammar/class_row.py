"""The class token among the rows of a loss."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from ..core import Outcome


def with_class(outcome: Outcome, loss: Float[Tensor, " B"]) -> Outcome:
    """The same with one more row for each picture, its class token: the mean is over patches to be predicted and class tokens.

    The patches' losses are scaled to their share of all rows, the class tokens' share is the term "class".
    """
    patches = outcome.mask.predict.gather(1, outcome.where).sum()
    share = len(loss) / (patches + len(loss))
    terms = {**outcome.terms, "class": share * loss.mean()}
    return replace(outcome, patch_loss=(1 - share) * outcome.patch_loss, terms=terms)
