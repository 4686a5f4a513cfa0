"""Training data-efficient image transformers & distillation through attention. Touvron et al. ICML 2021. arXiv 2012.12877.

A classifier learns from labels and from another classifier: its probabilities ("soft", equation 2, Hinton et al. 2015, arXiv
1503.02531) or what it would say ("hard", equation 3). A ViT with a distillation token learns the second with that token's own head.
"""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ._models import Grader, vit_of
from .classifier import Classifier, Prediction


class Distilled(Classifier):
    """`Distilled(vit, teacher, steps=...)` for `fit`. (1 − alpha) · cross entropy + alpha · what the teacher says.

    teacher: any model of timm's with the same classes, of any size and normalization; a copy, never trained. temperature: of the
    soft kind, whose Kullback-Leibler divergence counts τ² times (a mean over the batch, as in the paper; DeiT's code divides by the
    number of classes besides).
    """

    def __init__(
        self,
        vit: Any,
        teacher: nn.Module,
        *,
        steps: int,
        kind: Literal["soft", "hard"] = "hard",
        alpha: float = 0.5,
        temperature: float = 3.0,
        **options: Any,
    ) -> None:
        super().__init__(vit, steps=steps, **options)
        if kind not in ("soft", "hard") or not 0 <= alpha <= 1 or not temperature > 0:
            raise ValueError(
                f"kind={kind!r}, alpha={alpha}, temperature={temperature}: 'soft' or 'hard', 0..1, above 0 are wanted"
            )
        self.teacher, self.kind, self.alpha, self.temperature = (
            Grader(vit_of(teacher), student=self.encoder),
            kind,
            alpha,
            temperature,
        )
        theirs, ours = getattr(self.teacher.encoder.vit, "num_classes", None), vit.num_classes
        if theirs != ours:
            raise ValueError(f"the teacher has {theirs} classes, but the student {ours}: they must be the same ones")

    def learn(self, images: Float[Tensor, "B 3 H W"], labels: Tensor) -> Prediction:
        """The class token's prediction, with the teacher's part in the term "distillation"."""
        own, following = self.both(images)
        if not self.training:
            return Prediction((own + following) / 2 if following is not own else own, labels, self.smoothing)
        term = self.alpha * self.follow(following, self.teacher.logits(images))
        return Prediction(own, labels, self.smoothing, {"distillation": term}, 1 - self.alpha)

    def both(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Tensor, Tensor]:
        """(logits that learn from labels, logits that learn from the teacher), (B, classes) each."""
        tokens = self.tokens(images)
        if getattr(self.vit, "dist_token", None) is None:
            logits = self.vit.forward_head(tokens)
            return logits, logits
        return self.vit.head(tokens[:, 0]), self.vit.head_dist(tokens[:, 1])

    def follow(self, logits: Tensor, theirs: Tensor) -> Tensor:
        """How far (B, classes) are from the teacher's: a scalar."""
        if self.kind == "hard":
            return F.cross_entropy(logits.float(), theirs.argmax(-1))
        ours, wanted = (x.float().div(self.temperature).log_softmax(-1) for x in (logits, theirs))
        return F.kl_div(ours, wanted, reduction="batchmean", log_target=True) * self.temperature**2
