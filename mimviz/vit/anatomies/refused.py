"""Families that mimviz does not read, by timm's modules, each with what is different about it."""

from __future__ import annotations

from typing import Any

from torch import nn

STEM = (
    "its patches come out of a stem of overlapping convolutions ({0}), so no token belongs to one patch of the picture"
)
CONV_NET = "it is a conv net of another kind; of conv nets, ResNet and ConvNeXt are read"
BETWEEN = "convolutions come before and between its attentions, so no token belongs to one patch of the picture"
LANGUAGE = (
    "it is the image encoder of a language model, whose blocks and merging of tokens are not read; of ViTs with rotary positions, "
    "EVA-02 and DINOv3 are ('vit_base_patch16_dinov3')"
)

REASONS = {
    "byobnet": "it is a conv net, in some variants with attention in its blocks; of conv nets, ResNet and ConvNeXt are read",
    "cait": "its heads are mixed before and after the softmax (talking heads), and its class token joins in last blocks of its "
    "own, which leave the patches as they are",
    "coat": "its attention is factorized, without a map between patches, and convolutions give it positions",
    "cpubone": BETWEEN,
    "crossvit": "it sees the picture twice, in patches of two sizes, so there is no one grid",
    "csatv2": "it sees frequencies of the picture (a cosine transform), not its patches",
    "davit": "attention between channels takes turns with attention in windows",
    "deepseek_vit": LANGUAGE,
    "edgenext": "its attention mixes channels, not patches, and convolutions do the rest",
    "efficientformer": "pooling takes the place of attention in all but its last blocks, after a stem of convolutions",
    "efficientformer_v2": BETWEEN,
    "efficientvim": "its mixers are state spaces, not attention",
    "efficientvit_mit": "its attention is linear, without a softmax and so without a map between patches",
    "efficientvit_msra": BETWEEN,
    "fastvit": "convolutions mix its patches, in some variants attention in the last stage",
    "focalnet": "it has no attention: neighbourhoods are gathered by convolutions and modulate every patch",
    "gcvit": "in every second block the queries come from the whole picture, the same for all windows; its patches overlap",
    "gemma4_vit": LANGUAGE,
    "hieradet_sam2": "it is SAM 2's Hiera, with windows, pooled queries and no mask units; Hiera itself is read ('hiera_tiny_224')",
    "iformer": BETWEEN,
    "levit": "its patches come out of a stem of overlapping convolutions, and between stages one query in four goes on",
    "lowformer": BETWEEN,
    "mambaout": "it has no attention: gated convolutions mix its patches",
    "maxxvit": "convolutions take turns with attention in windows and in dilated grids (MaxViT) or come before it (CoAtNet), so no "
    "token belongs to one patch of the picture",
    "metaformer": "pooling (PoolFormer) or convolutions (ConvFormer, CAFormer) mix its patches, in some variants attention at the "
    "end",
    "mlp_mixer": "it has no attention: the weights that mix its patches belong to fixed places, so none can be left out",
    "mobilenetv5": "it is a conv net with attention in some of its blocks; of conv nets, ResNet and ConvNeXt are read",
    "mvitv2": "convolutions pool its queries, keys and values, over overlapping patches",
    "nest": "its attention stays inside blocks of patches, which convolutions and pooling merge",
    "nextvit": BETWEEN,
    "pit": "its patches overlap, and convolutions pool them between stages",
    "pvt_v2": "its patches overlap, and its keys are pooled from several of them",
    "qwen3_vit": LANGUAGE,
    "repvit": CONV_NET,
    "sequencer": "it has no attention: recurrent networks (LSTM) run along rows and columns",
    "shvit": BETWEEN,
    "swiftformer": "its attention is additive, by one query for the whole picture, without a map between patches",
    "swin_transformer_v2_cr": "it is another implementation of Swin v2, whose blocks are not read; take a model named 'swinv2_…' "
    "without 'cr' ('swinv2_tiny_window8_256')",
    "tiny_vit": BETWEEN,
    "tnt": "inside every patch a second transformer mixes its pixels",
    "twins": "its keys are pooled from several patches, in Twins-SVT between attentions in windows",
    "visformer": BETWEEN,
    "vision_transformer_sam": "it is the eye of Segment Anything: attention in padded windows, with a bias that depends on the "
    "query; take the same kind of ViT without windows ('vit_base_patch16_224.mae')",
    "volo": "its first blocks weigh neighbourhoods without queries and keys (outlook attention), over overlapping patches",
    "xcit": "its attention is between channels, not between patches (cross-covariance), and its patches come out of overlapping "
    "convolutions",
}
CONV_NETS = {
    "convmixer", "cspnet", "cspnext", "densenet", "dla", "dpn", "efficientnet", "fasternet", "ghostnet", "hgnet", "hrnet",
    "inception_next", "inception_resnet_v2", "inception_v3", "inception_v4", "lcnetv2", "mobilenetv3", "nasnet", "nfnet", "pnasnet",
    "rdnet", "regnet", "repghost", "resnetv2", "rexnet", "selecsls", "senet", "starnet", "tresnet", "vgg", "vovnet", "xception",
    "xception_aligned",
}  # fmt: skip


def refusal(model: nn.Module) -> str | None:
    """Why a model cannot be read, as far as its family or its patch embedding says; None where these say nothing against it."""
    vit: Any = model
    embed: Any = getattr(vit, "patch_embed", None)
    if type(embed).__name__.startswith("Hybrid"):
        return STEM.format(type(getattr(embed, "backbone", embed)).__name__)
    package, _, family = type(model).__module__.rpartition(".")
    if package != "timm.models":
        return _changed(type(model))
    return REASONS.get(family) or (CONV_NET if family in CONV_NETS else None)


def _changed(kind: type) -> str | None:
    """What a class of one's own, made from one of timm's, does in its own way between picture and tokens."""
    base = next((each for each in kind.__mro__ if each.__module__.startswith("timm.models.")), None)
    for name in ("forward_features", "_pos_embed", "_forward_embeds"):
        if base is not None and getattr(kind, name, None) is not getattr(base, name, None):
            return f"it is a {base.__name__} with a {name} of its own, which mimviz would pass over"
    return None
