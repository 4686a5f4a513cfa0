"""data2vec: A General Framework for Self-supervised Learning. Baevski, Hsu, Xu, Babu, Gu, Auli. ICML 2022. arXiv 2202.03555.

The student sees a masked picture and predicts what its own slow copy makes of the whole one: the mean of the last `top` blocks,
each without its own scale (section 3.3). Settings of the paper's ViT-B: blocks hide 60 %, smooth L1 with β = 2, top 6, momentum
0.9998. Read beside fairseq's data2vec_vision.py: targets are block ends; its norms are switches, of which `each` and `whole` are
two. Here the loss is the mean over channels (there a sum over √channels), and a naive twin in the tests gives the same numbers.
"""

from __future__ import annotations

from torch import nn

from ..grammar import EMA, Frozen, MaskedModel
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import SmoothL1
from ..grammar.targets import Features
from ..grammar.where import Blocks
from ..vit import Encoder


def data2vec(
    encoder: Encoder,
    *,
    ratio=0.6,
    top=6,
    beta=2.0,
    momentum=0.9998,
    end=None,
    steps=1000,
    teacher: nn.Module | None = None,
) -> MaskedModel:
    """top: how many of the last blocks are averaged, all where there are fewer.

    momentum: of the teacher; it goes to `end` in `steps` steps, where `end` is given. teacher: a timm model or
    Encoder that is asked in place of the slow copy and stays as it is, e.g. `mv.load_vit("tiny-classifier")`.
    """
    slow = (
        EMA(encoder, momentum=momentum, end=end, steps=steps) if teacher is None else Frozen(teacher, student=encoder)
    )
    target = Features(slow, top=min(top, len(slow.encoder.anatomy.blocks)), each="layer", whole="none")
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    how = MaskToken(encoder.content_width)
    where = Blocks.on(encoder.grid, ratio)
    return MaskedModel(
        encoder, where=where, how=how, target=target, decoder=decoder, loss=SmoothL1(beta), teacher=slow,
        name="data2vec",
    )  # fmt: skip
