"""EVA-02: A Visual Representation for Neon Genesis. Fang, Sun, Wang, Huang, Wang, Cao. IVC 2024. arXiv 2303.11331.

The plainest sentence with features as the target: blocks hide 40 %, mask tokens stand in, one linear layer says what a frozen CLIP
tower makes of the hidden patches of the whole picture, and only the direction counts: −cosine, so −1 is perfect. The student is a
ViT with SwiGLU, sub-norms and rotary positions: `mv.encoder("eva02_tiny_patch14_224", global_pool="token")`, whose last norm then
lies in front of the head as in the paper, or any other. Its teacher is EVA-CLIP; here it is a frozen copy of the encoder, as it is,
unless one is given. Read beside the authors' code (baaivision/EVA, EVA-02/asuka: engine_for_pretraining.py and
modeling_pretrain.py), which a naive twin follows (tests/recipes/test_eva02.py). `model.rope(patch)` shows what the rotations alone
say. Not here: how the authors initialize the student.
"""

from __future__ import annotations

from torch import nn

from ..core import Heatmap
from ..grammar import Frozen, MaskedModel
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import negative_cosine
from ..grammar.targets import Features
from ..grammar.where import Blocks
from ..vit import Encoder, rope_bias


class EVA02(MaskedModel):
    def rope(self, patch: int, *, block: int = 0) -> Heatmap:
        """How much the student's rotations favour each patch for a query at `patch`; see `vit.rope_bias`."""
        return rope_bias(self.encoder, patch, block=block)


def eva02(encoder: Encoder, *, ratio=0.4, teacher: nn.Module | None = None) -> EVA02:
    """teacher: a timm model or Encoder, e.g. the `vit` of `mimviz.zoo.load_clip(…)` or `mv.load_vit("tiny-classifier")`."""
    frozen = Frozen(encoder if teacher is None else teacher, student=encoder)
    target = Features(frozen, whole="none")
    where = Blocks.on(encoder.grid, ratio)
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    return EVA02(
        encoder, where=where, how=MaskToken(encoder.content_width), target=target, decoder=decoder, loss=negative_cosine,
        teacher=frozen, name="eva02",
    )  # fmt: skip
