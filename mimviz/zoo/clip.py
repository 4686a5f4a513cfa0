"""CLIP pairs: an image tower that every lens can read, and its texts as directions in what it says."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timm.data.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from timm.layers.activations import GELU, QuickGELU
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

BATCH = 256  # texts at a time


@dataclass(frozen=True, eq=False)
class ClipPair:
    """`vit`: the image tower as a timm ViT, (B, 3, H, W) → (B, D) in the space that pictures and texts share; `head` is the
    projection to it. `texts(…)`: (T, D) of length 1. `scale`: what cosines are multiplied with before softmax."""

    vit: VisionTransformer
    text: Any
    tokenizer: Any
    scale: float

    @torch.no_grad()
    def texts(self, texts: Sequence[str], *, template: str = "{}") -> Tensor:
        """(T, D): the directions of texts, each put into `template` first ("a photo of a {}.")."""
        if isinstance(texts, str) or not texts:
            raise ValueError(f"texts is {texts!r}, but a list of at least one text is wanted")
        wanted = [template.format(each) for each in texts]
        found = [self._encoded(wanted[start : start + BATCH]) for start in range(0, len(wanted), BATCH)]
        return F.normalize(torch.cat(found), dim=-1)

    def classifier(self, texts: Sequence[str], *, template: str = "{}") -> VisionTransformer:
        """The image tower with `texts` as its classes, for `Scene(pair.classifier(["a cat", "a dog"]), picture, target="a cat")`.

        Its logits are CLIP's, but for one positive factor for each picture: the length of the picture's own embedding, by which
        CLIP divides. The tower's weights are shared with the pair, the head is new.
        """
        directions = self.scale * self.texts(texts, template=template)
        projection: Any = self.vit.head
        shared = {id(each): each for each in (*self.vit.parameters(), *self.vit.buffers())}
        model: Any = copy.deepcopy(self.vit, shared)
        head = nn.Linear(projection.in_features, len(directions), bias=False).to(projection.weight)
        head.weight.data = directions.to(projection.weight) @ projection.weight.detach()
        model.head, model.num_classes = head, len(directions)
        model.classes = list(texts)
        return model

    def project(self, features: Tensor) -> Tensor:
        """Features of the tower (…, C), or terms of them as `lenses.Decompose` finds, in the shared space (…, D)."""
        projection: Any = self.vit.head
        return features @ projection.weight.detach().T

    def _encoded(self, texts: list[str]) -> Tensor:
        most = self.text.text_model.config.max_position_embeddings
        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
        device = self.text.text_projection.weight.device
        read = self.text.text_model(
            input_ids=batch["input_ids"].to(device), attention_mask=batch["attention_mask"].to(device)
        )
        return self.text.text_projection(read.pooler_output)


def load_clip(source: str | Path) -> ClipPair:
    """A folder, or an id of the Hugging Face Hub, of a `CLIPModel` with its tokenizer, in eval mode; weights as safetensors alone.

    Needs transformers (ImportError says so). Raises ValueError for a model that is no CLIP pair.
    """
    try:
        from transformers import AutoConfig, AutoTokenizer, CLIPModel
    except ImportError as error:
        raise ImportError(
            "load_clip reads CLIP pairs with transformers, which is missing: pip install transformers"
        ) from error
    config = AutoConfig.from_pretrained(source)
    if config.model_type != "clip":
        raise ValueError(f"{source} holds a {config.model_type!r} model, but a CLIP pair ('clip') is wanted")
    whole: Any = CLIPModel.from_pretrained(source, use_safetensors=True).eval()
    vit = tower(whole)
    _set_pictures(vit, Path(source) / "preprocessor_config.json")
    return ClipPair(vit, whole, AutoTokenizer.from_pretrained(source), float(whole.logit_scale.detach().exp()))


ACTIVATIONS: dict[str, type[nn.Module]] = {"quick_gelu": QuickGELU, "gelu": GELU}


def tower(whole: Any) -> VisionTransformer:
    """The image tower of a transformers `CLIPModel` as a timm ViT with the same weights."""
    config = whole.config.vision_config
    if config.hidden_act not in ACTIVATIONS:
        raise ValueError(f"hidden_act is {config.hidden_act!r}, but one of {', '.join(ACTIVATIONS)} is wanted")
    vit = VisionTransformer(
        img_size=config.image_size, patch_size=config.patch_size, embed_dim=config.hidden_size, pre_norm=True,
        depth=config.num_hidden_layers, num_heads=config.num_attention_heads, final_norm=True,
        mlp_ratio=config.intermediate_size / config.hidden_size, num_classes=whole.config.projection_dim,
        norm_layer=partial(nn.LayerNorm, eps=config.layer_norm_eps), act_layer=ACTIVATIONS[config.hidden_act],
    )  # fmt: skip
    vit.head = nn.Linear(config.hidden_size, whole.config.projection_dim, bias=False)
    vit.load_state_dict(_renamed(whole))
    return vit.eval()


def _renamed(whole: Any) -> dict[str, Tensor]:
    """timm's names for the tensors of the image tower."""
    vision = whole.vision_model
    found = {
        "cls_token": vision.embeddings.class_embedding[None, None],
        "pos_embed": vision.embeddings.position_embedding.weight[None],
        "patch_embed.proj.weight": vision.embeddings.patch_embedding.weight,
        "head.weight": whole.visual_projection.weight,
    }
    pairs = [("norm_pre", vision.pre_layrnorm), ("norm", vision.post_layernorm)]
    for i, layer in enumerate(vision.encoder.layers):
        attention, block = layer.self_attn, f"blocks.{i}"
        for kind in ("weight", "bias"):
            parts = [getattr(each, kind) for each in (attention.q_proj, attention.k_proj, attention.v_proj)]
            found[f"{block}.attn.qkv.{kind}"] = torch.cat(parts)
        pairs += [(f"{block}.norm1", layer.layer_norm1), (f"{block}.norm2", layer.layer_norm2)]
        pairs += [(f"{block}.attn.proj", attention.out_proj)]
        pairs += [(f"{block}.mlp.fc1", layer.mlp.fc1), (f"{block}.mlp.fc2", layer.mlp.fc2)]
    found |= {f"{name}.{kind}": tensor for name, module in pairs for kind, tensor in module.state_dict().items()}
    return {name: tensor.detach() for name, tensor in found.items()}


def _set_pictures(vit: Any, processor: Path) -> None:
    """What pictures the tower wants: as its folder says, else as OpenAI's do."""
    said = json.loads(processor.read_text()) if processor.is_file() else {}
    mean, std = (
        said.get(name, default) for name, default in (("image_mean", OPENAI_CLIP_MEAN), ("image_std", OPENAI_CLIP_STD))
    )
    size = vit.patch_embed.img_size
    vit.pretrained_cfg = {
        "architecture": "clip_vision", "input_size": (3, *size), "mean": tuple(mean), "std": tuple(std),
        "interpolation": "bicubic", "crop_pct": 1.0, "num_classes": vit.num_classes, "first_conv": "patch_embed.proj",
        "classifier": "head",
    }  # fmt: skip
    vit.default_cfg = vit.pretrained_cfg
