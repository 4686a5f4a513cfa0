"""A Unified View of Masked Image Modeling. Peng, Dong, Bao, Wei, Ye. TMLR 2023. arXiv 2210.10615.

A method is five choices: a teacher, a norm of what it says, a student, a head and a loss (equation 1). The defaults are those of
the paper's own method, MaskDistill: features of a frozen teacher, layer-normed, are regressed where blocks hide 40 %, by a linear
head on a student that sees mask tokens, with smooth L1. Its teacher is CLIP's ViT-B/16; here it is a frozen copy of the encoder, as
it is, unless a teacher is given. `PRESETS` are the choices that make other methods of it: the losses of `recipes.mae`,
`recipes.maskfeat` and `recipes.beit` are equal, bit for bit (tests/recipes/test_maskdistill.py). The authors' code is not public; β
of the loss, which the text leaves open, is 2 as in data2vec.
"""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from ..grammar import Frozen, MaskedModel
from ..grammar.decoders import Linear, Transformer, Whole
from ..grammar.how import Drop, MaskToken
from ..grammar.losses import SmoothL1, absolute, cosine, cross_entropy, squared
from ..grammar.targets import HOG, Codes, Features, Normed, Pixels
from ..grammar.where import Blocks, Highest
from ..vit import Encoder

LOSSES = {"l1": absolute, "smooth l1": SmoothL1(2.0), "l2": squared, "cosine": cosine, "cross entropy": cross_entropy}
PRESETS: dict[str, dict[str, Any]] = {
    "maskdistill": {},
    "mae": {
        "predict": "pixels", "norm": "patch", "student": "drop", "head": "transformer", "loss": "l2", "ratio": 0.75,
        "blocks": False,
    },
    "beit": {"predict": "codes", "norm": "none", "loss": "cross entropy"},
    "maskfeat": {"predict": "hog", "norm": "none", "loss": "l2"},
}  # fmt: skip
"""Keywords for `maskdistill` by the name of the method that they make."""


def maskdistill(
    encoder: Encoder,
    *,
    predict: Literal["features", "pixels", "hog", "codes"] = "features",
    norm: Literal["none", "layer", "patch", "l2"] = "layer",
    student: Literal["tokens", "drop"] = "tokens",
    head: Literal["linear", "transformer"] = "linear",
    loss: Literal["l1", "smooth l1", "l2", "cosine", "cross entropy"] = "smooth l1",
    ratio=0.4, blocks=True, dim=512, depth=8, heads=None, teacher: nn.Module | None = None,
) -> MaskedModel:  # fmt: skip
    """predict: what the teacher says. student: sees mask tokens, or only what is visible. blocks: or single patches are hidden.

    dim, depth, heads: of a transformer as head. teacher: a timm model or Encoder, e.g. `mv.load_vit("tiny-classifier")`.
    Raises ValueError for codes with a norm or without cross-entropy, and for a linear head where patches are dropped.
    """
    if (predict == "codes") != (loss == "cross entropy") or (predict == "codes" and norm != "none"):
        raise ValueError(f"predict is {predict!r}, norm {norm!r}, loss {loss!r}: codes, no norm, cross entropy go together")
    if (student, head) == ("drop", "linear"):
        raise ValueError("student is 'drop', so hidden patches have no token for a linear head: take head='transformer'")
    grid, prefix, frozen = encoder.grid, encoder.prefix, None
    if predict == "features":
        frozen = Frozen(encoder if teacher is None else teacher, student=encoder)
        target: Any = Features(frozen, whole=norm)
    elif predict == "codes":
        target = Codes.by_kmeans(grid, mean=encoder.mean, std=encoder.std)
    else:
        target = HOG(grid) if predict == "hog" else Pixels(grid, normalize=norm == "patch")
        target = target if norm == "none" or (predict, norm) == ("pixels", "patch") else Normed(target, norm)
    out = target.count if predict == "codes" else target.width
    made = Transformer if student == "drop" else Whole
    decoder = (
        Linear(encoder.width, out, prefix=prefix)
        if head == "linear"
        else made(encoder.width, out, grid, prefix=prefix, dim=dim, depth=depth, heads=heads)
    )
    where = Blocks.on(grid, ratio) if blocks else Highest(ratio)
    how = Drop() if student == "drop" else MaskToken(encoder.content_width)
    return MaskedModel(
        encoder, where=where, how=how, target=target, decoder=decoder, loss=LOSSES[loss], teacher=frozen,
        name="maskdistill",
    )  # fmt: skip
