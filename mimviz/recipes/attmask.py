"""What to Hide from Your Students: Attention-Guided Masked Image Modeling. Kakogeorgiou et al. ECCV 2022. arXiv 2203.12719.

Self-distillation in which the teacher, who sees the whole picture anyway, also says what to hide from the student: the patches that
its class token attends to. "low" hides the others instead, "hint" shows some of the attended again. The masks equal those of
gkakogeorgiou/attmask given the same attention (a twin in the tests). The paper puts it into iBOT; here the distillation is
data2vec's, so that it runs with an encoder alone: with random masks instead, this recipe is data2vec.
"""

from __future__ import annotations

from torch import nn

from ..grammar import MaskedModel
from ..grammar.where import Attended, Attention
from ..grammar.where.attended import Mode
from ..vit import Encoder
from .data2vec import data2vec


def attmask(
    encoder: Encoder,
    *,
    ratio=0.5,
    mode: Mode = "high",
    show=0.1,
    top=0.3,
    layer=-1,
    momentum=0.996,
    end=1.0,
    steps=1000,
    teacher: nn.Module | None = None,
) -> MaskedModel:
    """mode: "high", "low" or "hint". show, top: of "hint", shares of all patches. layer: whose attention; others: data2vec's."""
    model = data2vec(encoder, momentum=momentum, end=end, steps=steps, teacher=teacher)
    assert model.teacher is not None
    model.where = Attended(Attention(model.teacher, layer), ratio, mode, show, top)
    model.name = "attmask"
    return model
