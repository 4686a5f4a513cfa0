"""Tiny models of every family that timm makes and mimviz reads."""

import timm
import torch
from torch import nn

from mimviz.vit import anatomy

DEEP = {"depth": 3, "embed_dim": 24, "num_heads": 2}
SWIN = {"img_size": (32, 64), "patch_size": 2, "embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "window_size": 4}
MODELS: dict[str, tuple[str, dict]] = {
    "ViT": ("vit_tiny_patch16_224", {"img_size": (16, 24), "patch_size": 4, **DEEP}),
    "ViT, averaged": (
        "vit_tiny_patch16_224",
        {"class_token": False, "global_pool": "avg", "img_size": 16, "patch_size": 4, **DEEP},
    ),
    "ViT, post-norm": ("vit_relpos_small_patch16_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "q/k norm": ("vit_tiny_patch16_224", {"qk_norm": True, "img_size": 16, "patch_size": 4, **DEEP}),
    "norm of A V": ("vit_tiny_patch16_224", {"scale_attn_norm": True, "img_size": 16, "patch_size": 4, **DEEP}),
    "MAE": ("vit_base_patch16_224.mae", {"img_size": 16, "patch_size": 4, "num_classes": 7, **DEEP}),
    "CLIP": ("vit_base_patch16_clip_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "DINOv2, registers": ("vit_small_patch14_reg4_dinov2", {"img_size": 16, "patch_size": 4, "num_classes": 7, **DEEP}),
    "SigLIP": ("vit_base_patch16_siglip_224", {"img_size": 16, "patch_size": 4, "num_classes": 7, **DEEP}),
    "SigLIP gap": ("vit_base_patch16_siglip_gap_224", {"img_size": 16, "patch_size": 4, "num_classes": 7, **DEEP}),
    "DeiT": ("deit_tiny_patch16_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "DeiT distilled": ("deit_tiny_distilled_patch16_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "DeiT III": ("deit3_small_patch16_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "FlexiViT": ("flexivit_small", {"img_size": 16, "patch_size": 4, **DEEP}),
    "parallel things": ("vit_small_patch16_18x2_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "parallel scaling": (
        "vit_pwee_patch16_reg1_gap_256",
        {"img_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2},
    ),
    "differential": (
        "vit_dwee_patch16_reg1_gap_256",
        {"img_size": 16, "patch_size": 4, "depth": 3, "embed_dim": 32, "num_heads": 2},
    ),
    "BEiT": ("beit_base_patch16_224", {"img_size": (16, 24), "patch_size": 4, **DEEP}),
    "BEiT v2": ("beitv2_base_patch16_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "BEiT, shared": (
        "beit_base_patch16_224",
        {"use_rel_pos_bias": False, "use_shared_rel_pos_bias": True, "img_size": 16, "patch_size": 4, **DEEP},
    ),
    "EVA": ("eva_giant_patch14_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "EVA-02": ("eva02_tiny_patch14_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "EVA-02, unfused": ("eva02_base_patch14_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "DINOv3": ("vit_small_patch16_dinov3", {"img_size": 16, "patch_size": 4, "num_classes": 7, **DEEP}),
    "RoPE": ("vit_small_patch16_rope_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "RoPE, mixed": ("vit_small_patch16_rope_mixed_224", {"img_size": 16, "patch_size": 4, **DEEP}),
    "Perception Encoder": ("vit_pe_core_tiny_patch16_384", {"img_size": 16, "patch_size": 4, "num_classes": 7, **DEEP}),
    "NaFlex": ("naflexvit_base_patch16_gap", {"patch_size": 4, **DEEP}),
    "NaFlex, gated": ("naflexvit_base_patch16_gap", {"attn_gated": True, "patch_size": 4, **DEEP}),
    "NaFlex, RoPE": ("naflexvit_base_patch16_gap", {"rope_type": "axial", "patch_size": 4, **DEEP}),
    "relative positions, shared": ("vit_relpos_base_patch32_plus_rpn_256", {"img_size": 16, "patch_size": 4, **DEEP}),
    "ConViT": (
        "convit_tiny",
        {"img_size": 16, "patch_size": 4, "depth": 3, "embed_dim": 12, "num_heads": 4, "local_up_to_layer": 2},
    ),
    "Swin": ("swin_tiny_patch4_window7_224", SWIN),
    "Swin, padded": ("swin_tiny_patch4_window7_224", {**SWIN, "img_size": (40, 24)}),
    "Swin v2": ("swinv2_tiny_window8_256", SWIN),
    "Hiera": ("hiera_tiny_224", {"img_size": 64, "embed_dim": 8, "num_heads": 1, "stages": (1, 1, 2, 1)}),
}


def tiny(family: str, seed: int = 0, *, gain: float = 1.5) -> nn.Module:
    """The model in eval mode, every weight drawn, also those that training starts from zero; a high gain makes attention sharp."""
    torch.manual_seed(seed)
    name, more = MODELS[family]
    model = timm.create_model(name, **({"num_classes": 7} | more))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim < 2 or weight.shape[-1] == 1:
                weight.add_(0.2 * noise)
            else:  # attention far from even, unlike with the weights that training starts from
                fan_in = weight[0].numel() if weight.ndim == 4 else weight.shape[-1]
                weight.copy_(gain * noise / fan_in**0.5)
    return model.eval()


def pictures(model: nn.Module, batch: int = 2, *, seed: int = 1) -> torch.Tensor:
    """(B, 3, H, W), normalized, as small as the model takes."""
    flexible = hasattr(model, "embeds")
    size = (16, 24) if flexible else anatomy(model).size
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(seed)).to(next(model.parameters()))
