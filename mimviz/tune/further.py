"""Self-Distillation for Further Pre-training of Transformers. Lee, Kang, Lee, Hwang, Kawaguchi. ICLR 2023. arXiv 2210.02871.

Pre-training on over the pictures of the task overfits. So do it once, call the result a teacher, and start again from the original
weights, now with the masked loss plus the squared distance to what the teacher makes of the whole picture; fine-tune the encoder
afterwards (`tune.classifier`). With weight 0 it is plain further pre-training, number for number (tests/tune/test_further.py).
"""

from __future__ import annotations

from copy import deepcopy

from jaxtyping import Float
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.teacher import Frozen
from ._models import vit_of


class SelfDistilled(MaskedModel):
    """`SelfDistilled(original, teacher)` for `fit`: a copy of the original that is trained on, held near the teacher.

    teacher: the original after further pre-training (a masked model, or its encoder). weight: of the squared distance between all
    tokens behind the last norm, averaged over batch, tokens and channels (the paper writes the squared norm, weight 1).
    """

    def __init__(self, original: MaskedModel, teacher: nn.Module, *, weight: float = 1.0) -> None:
        mim = deepcopy(original)
        super().__init__(
            mim.encoder, where=mim.where, how=mim.how, target=mim.target, decoder=mim.decoder, loss=mim.loss,
            teacher=Frozen(vit_of(teacher), student=mim.encoder), name=mim.name,
        )  # fmt: skip
        assert self.teacher is not None
        if (have := (self.teacher.encoder.width, self.teacher.encoder.prefix)) != (
            self.encoder.width,
            self.encoder.prefix,
        ):
            raise ValueError(
                f"the teacher has {have[0]} channels and {have[1]} prefix tokens, but the student {self.encoder.width} and "
                f"{self.encoder.prefix}: a teacher is the same model, trained on"
            )
        self.weight = weight

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Outcome:
        """The masked model's outcome, with the distance to the teacher in the term "distillation"."""
        mask = self._mask(images, mask)
        guess = self.predict(images, mask)
        terms = {"distillation": self.weight * self.distance(images)} if self.weight else {}
        return self.compare(guess, images, mask, **terms)

    def distance(self, images: Float[Tensor, "B 3 H W"]) -> Tensor:
        """Mean squared distance between the student's and the teacher's tokens of the whole picture."""
        assert self.teacher is not None
        return (self.encoder(self.encoder.embed(images)) - self.teacher(images)).square().mean()
