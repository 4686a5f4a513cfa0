"""Masked Autoencoders Enable Efficient Knowledge Distillers. Bai, Wang, Xiao, Wei et al. CVPR 2023. arXiv 2208.12256.

While a small masked autoencoder learns, what it makes of the visible patches in the middle is drawn towards what a large one makes
of the same patches; the large one runs only as far as that block, on a quarter of the picture or much less. Read beside the
authors' code: with a projection both sides get length 1, without they are compared as they are; equal to that, written slowly
(tests/tune/test_dmae.py).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.how import Drop
from ..grammar.teacher import Frozen
from ._models import vit_of
from ._taps import as_far_as, outputs


class DMAE(MaskedModel):
    """`DMAE(student, teacher)` for `fit`: the student itself is trained, its loss has the term "distillation" besides.

    layer, of: blocks of the student and of the teacher that are aligned, from 0; three quarters of the depth unless told (block 9
    of 12 with block 18 of 24 in the paper). projection: from the student's channels to the teacher's, "linear" or "mlp" (the
    paper's); None where they have equally many. Prefix tokens are compared, too, where both have the same.
    """

    def __init__(
        self,
        student: MaskedModel,
        teacher: nn.Module,
        *,
        layer: int | None = None,
        of: int | None = None,
        projection: Literal["linear", "mlp"] | None = "mlp",
        weight: float = 1.0,
    ) -> None:
        super().__init__(
            student.encoder, where=student.where, how=student.how, target=student.target, decoder=student.decoder,
            loss=student.loss, teacher=Frozen(vit_of(teacher), student=student.encoder), name=student.name,
        )  # fmt: skip
        assert self.teacher is not None
        theirs = self.teacher.encoder
        if not isinstance(self.how, Drop) or theirs.grid.shape != self.grid.shape:
            raise ValueError(
                f"the teacher has {theirs.grid.rows} x {theirs.grid.cols} patches, the student {self.grid.rows} x {self.grid.cols} "
                f"and hides them by {type(self.how).__name__}: the same grid is wanted, and Drop"
            )
        self.layer, self.of = _three_quarters(self.encoder, layer), _three_quarters(theirs, of)
        self.projection, self.weight = _projection(projection, self.encoder.width, theirs.width), weight

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Outcome:
        """The student's outcome plus the distance between the two, of the very same patches."""
        mask = self._mask(images, mask)
        name = self.encoder.anatomy.blocks[self.layer]
        with outputs(self.encoder.vit, [name]) as found:
            guess = self.predict(images, mask)
        distance = self.distance(found[name], self.seen_by_teacher(images, mask))
        return self.compare(guess, images, mask, distillation=self.weight * distance)

    @torch.no_grad()
    def seen_by_teacher(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Tensor:
        """(B, prefix + K, its width) behind the aligned block; its later blocks do not run."""
        assert self.teacher is not None
        theirs = self.teacher.encoder
        return as_far_as(theirs, *Drop()(theirs.embed(self.teacher._seen(images)), mask), self.of)

    def distance(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Mean absolute difference, of directions where there is a projection."""
        assert self.teacher is not None
        if self.encoder.prefix != self.teacher.encoder.prefix:
            ours, theirs = ours[:, self.encoder.prefix :], theirs[:, self.teacher.encoder.prefix :]
        if not isinstance(self.projection, nn.Identity):
            ours, theirs = F.normalize(self.projection(ours), dim=-1), F.normalize(theirs, dim=-1)
        return F.l1_loss(ours, theirs)


def _three_quarters(encoder, layer: int | None) -> int:
    depth = len(encoder.anatomy.blocks)
    layer = max(depth * 3 // 4 - 1, 0) if layer is None else layer
    if not -depth <= layer < depth:
        raise IndexError(f"layer is {layer}, but there are {depth} blocks: 0..{depth - 1}, or -1 for the last")
    return layer % depth


def _projection(kind: str | None, ours: int, theirs: int) -> nn.Module:
    if kind is None:
        if ours != theirs:
            raise ValueError(
                f"projection is None, but the student has {ours} channels and the teacher {theirs}: 'linear' or 'mlp'"
            )
        return nn.Identity()
    if kind == "linear":
        return nn.Linear(ours, theirs)
    return nn.Sequential(nn.Linear(ours, theirs), nn.GELU(), nn.Linear(theirs, theirs))
