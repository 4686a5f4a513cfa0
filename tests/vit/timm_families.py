"""Tiny models of every family, with what is known of each by hand. Everything that starts at zero or one is moved."""

from dataclasses import dataclass, field
from typing import Any

import timm
import torch
from torch import nn

from mimviz import Grid

TINY = {"depth": 2, "embed_dim": 48, "num_heads": 3, "patch_size": 8}
WIDE = {**TINY, "img_size": (32, 48)}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class Case:
    """`expected`: grid, (prefix, class tokens, registers), positions, pool, mean and std."""

    name: str
    options: dict[str, Any]
    grid: Grid
    tokens: tuple[int, int, int]
    positions: str
    pool: str
    colours: tuple = HALF
    more: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None  # asked for, where the model takes any

    def build(self, **more: Any) -> nn.Module:
        torch.manual_seed(0)
        return shaken(timm.create_model(self.name, **{"num_classes": 5, **self.options, **more}))


G = Grid(4, 6, 8)
GLOBAL = {
    "ViT": Case("vit_tiny_patch16_224", WIDE, G, (1, 1, 0), "learned", "token"),
    "ViT, no class token": Case(
        "vit_tiny_patch16_224", {**WIDE, "class_token": False, "global_pool": "avg"}, G, (0, 0, 0), "learned", "avg"
    ),
    "ViT, no positions": Case("vit_tiny_patch16_224", {**WIDE, "pos_embed": "none"}, G, (1, 1, 0), "none", "token"),
    "ViT, dynamic size": Case(
        "vit_tiny_patch16_224", {**WIDE, "dynamic_img_size": True}, G, (1, 1, 0), "learned", "token"
    ),
    "ViT, two attentions side by side": Case(
        "vit_small_patch16_18x2_224", WIDE, G, (1, 1, 0), "learned", "token",
        more={"attentions": tuple(f"blocks.{i}.attns.{j}.attn" for i in range(2) for j in range(2))},
    ),
    "ViT, all in one block": Case(
        "vit_base_patch16_xp_224", WIDE, G, (1, 1, 0), "learned", "token", more={"attentions": ()}
    ),
    "ViT, norm after": Case("vit_base_patch16_rpn_224", WIDE, G, (0, 0, 0), "learned", "avg"),
    "ViT, another size than its own": Case(
        "vit_tiny_patch16_224", {**WIDE, "img_size": 40, "dynamic_img_size": True},
        G, (1, 1, 0), "learned", "token", size=(32, 48),
    ),
    "ViT, attention as a difference": Case(
        "vit_dlittle_patch16_reg1_gap_256", {**WIDE, "num_heads": 2}, G, (1, 0, 1), "learned", "avg"
    ),
    "BEiT-3": Case("beit3_base_patch16_224", WIDE, G, (1, 1, 0), "learned", "avg", IMAGENET),
    "AIMv2": Case("aimv2_large_patch14_224", WIDE, G, (0, 0, 0), "learned", "avg", CLIP),
    "RADIO": Case("vit_base_patch16_radio_v3", WIDE, G, (8, 1, 7), "learned", "token", CLIP),
    "Sapiens 2, grouped queries": Case(
        "vit_base_patch16_sapiens2", {**WIDE, "num_heads": 4, "num_kv_heads": 2},
        G, (9, 1, 8), "rope", "token", IMAGENET,
    ),
    "DeiT": Case("deit_tiny_patch16_224", WIDE, G, (1, 1, 0), "learned", "token", IMAGENET),
    "DeiT, distilled": Case("deit_tiny_distilled_patch16_224", WIDE, G, (2, 2, 0), "learned", "token", IMAGENET),
    "DeiT, distilled, dynamic size": Case(
        "deit_tiny_distilled_patch16_224", {**WIDE, "dynamic_img_size": True}, G, (2, 2, 0), "learned", "token", IMAGENET
    ),
    "DeiT III": Case("deit3_small_patch16_224", WIDE, G, (1, 1, 0), "learned", "token", IMAGENET),
    "BEiT": Case("beit_base_patch16_224", WIDE, G, (1, 1, 0), "relative bias", "avg"),
    "BEiT v2": Case("beitv2_base_patch16_224", WIDE, G, (1, 1, 0), "relative bias", "avg", IMAGENET),
    "BEiT, shared bias and a table": Case(
        "beit_base_patch16_224",
        {**WIDE, "use_rel_pos_bias": False, "use_shared_rel_pos_bias": True, "use_abs_pos_emb": True},
        G, (1, 1, 0), "learned + relative bias", "avg",
    ),
    "BEiT, both biases": Case(
        "beit_base_patch16_224", {**WIDE, "use_shared_rel_pos_bias": True}, G, (1, 1, 0), "relative bias", "avg"
    ),
    "relative positions": Case(
        "vit_relpos_base_patch16_clsgap_224", WIDE, G, (1, 1, 0), "continuous relative bias", "avg"
    ),
    "relative positions, shared": Case(
        "vit_srelpos_small_patch16_224", WIDE, G, (0, 0, 0), "continuous relative bias", "avg"
    ),
    "relative positions, a table": Case(
        "vit_relpos_base_patch16_rpn_224", {**WIDE, "rel_pos_type": "bias"}, G, (0, 0, 0), "relative bias", "avg"
    ),
    "EVA-02": Case(
        "eva02_tiny_patch14_224", {**WIDE, "patch_size": 14, "img_size": (28, 42)},
        Grid(2, 3, 14), (1, 1, 0), "learned + rope", "avg", CLIP,
    ),
    "EVA-02, norm after": Case("eva02_enormous_patch14_clip_224", WIDE, G, (1, 1, 0), "learned", "token", CLIP),
    "DINOv3": Case("vit_small_patch16_dinov3", WIDE, G, (5, 1, 4), "rope", "avg", IMAGENET),
    "DINOv3, another size than its own": Case(
        "vit_small_patch16_dinov3", {**WIDE, "img_size": 64}, G, (5, 1, 4), "rope", "avg", IMAGENET, size=(32, 48)
    ),
    "DINOv3, fixed size": Case(
        "vit_small_patch16_dinov3", {**WIDE, "dynamic_img_size": False}, G, (5, 1, 4), "rope", "avg", IMAGENET
    ),
    "RoPE, mixed per head": Case(
        "vit_small_patch16_rope_mixed_ape_224", WIDE, G, (1, 1, 0), "learned + rope", "token", IMAGENET
    ),
    "Perception Encoder": Case("vit_pe_core_tiny_patch16_384", WIDE, G, (1, 1, 0), "learned + rope", "map"),
    "DINOv2": Case(
        "vit_small_patch14_dinov2", {**WIDE, "patch_size": 14, "img_size": (28, 42)},
        Grid(2, 3, 14), (1, 1, 0), "learned", "token", IMAGENET,
    ),
    "DINOv2, registers": Case("vit_small_patch14_reg4_dinov2", WIDE, G, (5, 1, 4), "learned", "token", IMAGENET),
    "SigLIP": Case("vit_base_patch16_siglip_224", WIDE, G, (0, 0, 0), "learned", "map"),
    "SigLIP, a border cut off": Case(
        "vit_so400m_patch14_siglip_384", {**WIDE, "img_size": (37, 50)}, G, (0, 0, 0), "learned", "map",
        more={"size": (37, 50)},
    ),
    "CLIP": Case("vit_base_patch16_clip_224", WIDE, G, (1, 1, 0), "learned", "token", CLIP),
    "FlexiViT": Case("flexivit_small", WIDE, G, (1, 1, 0), "learned", "token"),
    "NaFlex": Case("naflexvit_base_patch16_gap", TINY, G, (4, 0, 4), "learned", "avg", size=(32, 48)),
    "NaFlex, factorized": Case(
        "naflexvit_base_patch16_parfac_gap", TINY, G, (4, 0, 4), "factorized", "avg", size=(32, 48)
    ),
    "NaFlex, RoPE and a class token": Case(
        "naflexvit_base_patch16_siglip",
        {**TINY, "rope_type": "axial", "class_token": True, "embed_proj_type": "conv", "pos_embed_grid_size": (3, 3)},
        G, (1, 1, 0), "learned + rope", "map", size=(32, 48),
    ),
    "ConViT": Case(
        "convit_tiny",
        {"img_size": 32, "patch_size": 8, "depth": 3, "embed_dim": 12, "num_heads": 4, "local_up_to_layer": 2},
        Grid(4, 4, 8), (1, 1, 0), "learned + gated relative", "token", IMAGENET, more={"prefix_from": 2},
    ),
}  # fmt: skip


def shaken(model: nn.Module) -> nn.Module:
    """In eval mode, every parameter and statistic moved by a little, so that zeros and ones hide nothing."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer += 0.1 * torch.rand_like(buffer)
    return model.eval()
