"""Enhancing Vision-Language Model with Unmasked Token Alignment. Liu, Zheng, Liu, Liu, Li. TMLR 2024. arXiv 2405.19009.

Masking without prediction: patches are left out, and every patch that is left, and the class token, shall point where a frozen CLIP
tower's does in the whole picture: −cosine. There is no mask token, so that what is trained is what is used later, and since CLIP's
texts live in the space of the targets, the student knows them at once: `zero_shot`. Blocks are what is seen ("reversed block-wise
masking"). The training code is not public (jihaonew/UTA is for inference): a ratio of one half, and the class token as one more
row, are readings of the text. The teacher is a frozen copy of the encoder, as it is, unless one is given; with `project` its
targets lie behind its own last layer, as CLIP's texts do. A naive twin is in tests/recipes/test_uta.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..grammar import Frozen
from ..grammar.aligned import Aligned
from ..grammar.decoders import Visible
from ..grammar.how import Drop
from ..grammar.losses import negative_cosine
from ..grammar.targets import Features, Projected
from ..grammar.where import Blocks, Inverted
from ..vit import Encoder, evaluating


class UTA(Aligned):
    @torch.no_grad()
    def pooled(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Whole pictures in the space of the targets: the class token, the mean of patches where there is none; of length 1."""
        with evaluating(self):
            seen = self.encoder(self.encoder.embed(images))
            return F.normalize(self._head(seen[:, 0] if self.encoder.anatomy.class_tokens else seen.mean(1)), dim=-1)

    def zero_shot(
        self, images: Float[Tensor, "B 3 H W"], texts: Float[Tensor, "T D"], *, scale: float = 100.0
    ) -> Float[Tensor, "B T"]:
        """Chances of texts, given as directions in the space of the targets (`ClipPair.texts`): softmax of scale · cosine."""
        return (scale * self.pooled(images) @ F.normalize(texts.to(self.device, torch.float32), dim=-1).T).softmax(-1)

    @property
    def _head(self) -> nn.Module:
        return self.decoder.head  # type: ignore[return-value]


def uta(encoder: Encoder, *, ratio=0.5, teacher: nn.Module | None = None, project=False) -> UTA:
    """teacher: a timm model or Encoder. project: targets behind the teacher's own last layer, e.g. CLIP's `ClipPair.vit`."""
    frozen = Frozen(encoder if teacher is None else teacher, student=encoder)
    target = (Projected if project else Features)(frozen, whole="none")
    where = Inverted(Blocks.on(encoder.grid, 1 - ratio))
    decoder = Visible(encoder.width, target.width, prefix=encoder.prefix)
    return UTA(
        encoder, where=where, how=Drop(), target=target, decoder=decoder, loss=negative_cosine, teacher=frozen, name="uta",
    )  # fmt: skip
