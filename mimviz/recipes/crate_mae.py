"""Masked Completion via Structured Diffusion with White-Box Transformers. Pai et al. ICLR 2024. arXiv 2404.02446.

A masked autoencoder in which every layer has a meaning: the encoder's compress (subspace attention) and sparsify (a step of ISTA),
the decoder's undo it. White-box layers take the place of the ViT's blocks, with a quarter of their parameters. As in the authors'
code (Ma-Lab-Berkeley/CRATE, model/crate_ae) a mask token stands in for hidden patches before positions, all patches are encoded,
and the decoder goes on at the encoder's width. A naive twin after that code is equal (tests/recipes/test_crate_mae.py).
"""

from __future__ import annotations

from torch import nn

from ..grammar import MaskedModel
from ..grammar.decoders import WhiteBox
from ..grammar.how import MaskToken
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder, with_parts
from ..vit.crate import Compressing, initialize


def crate_mae(
    encoder: Encoder, *, ratio=0.75, normalize=True, depth=None, heads=None, step=0.1, penalty=0.5
) -> MaskedModel:
    """A model with an encoder of its own: that one's patches and positions, white-box layers of as many heads.

    depth: layers of the decoder, as many as the encoder's unless told; heads: of both. step, penalty: η and λ of ISTA.
    Raises TypeError for an encoder that is no plain ViT.
    """
    if encoder.anatomy.family != "VisionTransformer":
        raise TypeError(
            f"white-box layers take the place of a plain ViT's, but this encoder is a {encoder.anatomy.family}: take one of "
            "timm's vit_… models"
        )
    blocks, width = encoder.vit.blocks, encoder.width
    heads = heads or getattr(blocks[0].attn, "num_heads", 0)
    made = nn.Sequential(*(Compressing(width, heads, step=step, penalty=penalty) for _ in blocks)).apply(initialize)
    own = with_parts(encoder, blocks=made)
    target = Pixels(own.grid, normalize=normalize)
    decoder = WhiteBox(width, target.width, prefix=own.prefix, depth=depth or len(blocks), heads=heads)
    return MaskedModel(
        own, where=Highest(ratio), how=MaskToken(width), target=target, decoder=decoder, loss=squared, name="crate_mae"
    )
