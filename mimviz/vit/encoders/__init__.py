"""How each family of models embeds a picture and encodes what is left of it: one file for one family."""

from __future__ import annotations

from timm.models.beit import Beit
from timm.models.convit import ConVit
from timm.models.eva import Eva
from timm.models.hiera import Hiera
from timm.models.naflexvit import NaFlexVit
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import nn

from ...cnn import FAMILIES as CONV_NETS
from .beit import BeitPass
from .convit import ConVitPass
from .convolutional import ConvolutionalPass
from .eva import EvaPass
from .hiera import HieraPass
from .naflex import NaFlexPass
from .passes import Pass
from .plain import PlainPass
from .relpos import RelPosPass
from .swin import SwinPass

PASSES: tuple[tuple[tuple[type[nn.Module], ...], type[Pass]], ...] = (
    ((VisionTransformer,), PlainPass),
    ((Beit,), BeitPass),
    ((Eva,), EvaPass),
    ((NaFlexVit,), NaFlexPass),
    ((ConVit,), ConVitPass),
    ((VisionTransformerRelPos,), RelPosPass),
    ((SwinTransformer, SwinTransformerV2), SwinPass),
    ((Hiera,), HieraPass),
    (CONV_NETS, ConvolutionalPass),
)
"""(classes of timm models, the pass through them)."""

__all__ = ["PASSES", "Pass"]
