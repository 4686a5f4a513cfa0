"""A tuned classifier out of mimviz: its own file with a card, timm's folder, and a folder of Hugging Face transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from ..train.checkpoint import publish
from ..tune._shape import shape_of
from ..tune.plain import plain
from ..vit import anatomy
from .own import CONFIG, save_vit

FAR = 1e-5  # logits further apart than this are another model's


def export_own(model: Any, folder: str | Path, *, classes: Sequence[str], **card: Any) -> Path:
    """model.safetensors for `mimviz.load_vit`, with classes and card inside, and README.md to read. Returns the folder."""
    vit, (name, options) = _rebuilt(model)
    out = Path(folder)
    save_vit(out / "model.safetensors", vit, name, options, classes=list(classes), card={"name": out.name, **card})
    _readme(out, classes, card, f'mimviz.load_vit("{out.name}/model.safetensors")')
    return out


def export_timm(model: Any, folder: str | Path, *, classes: Sequence[str], **card: Any) -> Path:
    """model.safetensors in timm's own names and config.json: `timm.create_model("local-dir:" + folder)`, also `load_vit(folder)`.

    The file alone is a state dict: `timm.create_model(name, checkpoint_path=..., **model_args)`, both from config.json.
    """
    vit, (name, options) = _rebuilt(model)
    out, own = Path(folder), {key: value for key, value in vit.pretrained_cfg.items() if key in CONFIG}
    config = {
        "architecture": name,
        "num_classes": len(classes),
        "model_args": options,
        "pretrained_cfg": {**own, "num_classes": len(classes)},
    }
    config["label_names"] = config["pretrained_cfg"]["label_names"] = list(classes)
    _save(out, vit.state_dict(), config)
    _readme(out, classes, card, f'timm.create_model("local-dir:{out.name}", pretrained=True)')
    return out


def export_transformers(model: Any, folder: str | Path, *, classes: Sequence[str], **card: Any) -> Path:
    """A folder for `transformers.ViTForImageClassification.from_pretrained` and its image processor.

    For a plain ViT that reads its class token (`tune.classifier(..., pool="token")`); ValueError with the reason for any other.
    """
    vit, _ = _rebuilt(model)
    if reason := _foreign(vit):
        raise ValueError(
            f"transformers' ViTForImageClassification cannot hold this model: {reason}. timm can: export_timm"
        )
    out, parts = Path(folder), anatomy(vit)
    if parts.grid.height != parts.grid.width:
        size: Any = [parts.grid.height, parts.grid.width]
    else:
        size = parts.grid.height
    config = {
        "architectures": ["ViTForImageClassification"], "model_type": "vit", "hidden_size": vit.embed_dim,
        "num_hidden_layers": len(vit.blocks), "num_attention_heads": vit.blocks[0].attn.num_heads,
        "intermediate_size": vit.blocks[0].mlp.fc1.out_features, "hidden_act": "gelu", "layer_norm_eps": vit.norm.eps,
        "image_size": size, "patch_size": parts.grid.patch, "num_channels": 3, "qkv_bias": vit.blocks[0].attn.qkv.bias is not None,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        "id2label": {str(i): name for i, name in enumerate(classes)}, "label2id": {name: i for i, name in enumerate(classes)},
    }  # fmt: skip
    _save(out, hugging_face_names(vit.state_dict()), config)
    shown = {"height": parts.grid.height, "width": parts.grid.width}
    processor = {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": shown, "resample": 3, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": list(parts.mean), "image_std": list(parts.std),
    }  # fmt: skip
    (out / "preprocessor_config.json").write_text(json.dumps(processor, indent=1))
    _readme(out, classes, card, f'transformers.ViTForImageClassification.from_pretrained("{out.name}")')
    return out


def hugging_face_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A plain ViT's tensors under the names of ViTForImageClassification that every version of transformers reads."""
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if ".attn.qkv." in name:
            block, _, kind = name.rpartition(".attn.qkv.")
            for part, each in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                out[f"vit.encoder.layer.{block.removeprefix('blocks.')}.attention.attention.{part}.{kind}"] = (
                    each.clone()
                )
            continue
        for ours, theirs in NAMES:
            name = name.replace(ours, theirs)
        out[name if name.startswith("classifier") else f"vit.{name}"] = tensor
    return out


NAMES = (
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("attn.proj", "attention.output.dense"),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
    ("blocks.", "encoder.layer."),
    ("head.", "classifier."),
    ("norm.", "layernorm."),
)


def _foreign(vit: Any) -> str:
    """Why this is no ViT of transformers; "" where it is one."""
    if type(vit) is not VisionTransformer:
        return f"it is a {type(vit).__name__}, not a plain VisionTransformer"
    shape = shape_of(vit)
    if vit.global_pool != "token" or not shape["class_token"]:
        return f"its head reads the {vit.global_pool} of the patches, and there it reads the class token alone"
    odd = [
        name
        for name in ("reg_tokens", "no_embed_class", "qk_norm", "init_values", "pre_norm", "fc_norm")
        if shape[name]
    ]
    return f"it has {', '.join(odd)}, which that class has not" if odd else ""


def _rebuilt(model: Any) -> tuple[Any, tuple[str, dict[str, Any]]]:
    """The plain model, and the name and keywords with which timm builds it: tried out, and compared on a picture of noise."""
    vit = plain(model).cpu()
    name = str((vit.pretrained_cfg or {}).get("architecture") or getattr(vit, "built", ("",))[0])
    if not timm.is_model(name):
        raise ValueError(
            f"this {type(vit).__name__} does not say which model of timm it is (pretrained_cfg['architecture'] is {name!r})"
        )
    options: dict[str, Any] = {"num_classes": vit.num_classes}
    if type(vit) in (VisionTransformer, VisionTransformerDistilled):
        options = {**shape_of(vit), "img_size": list(shape_of(vit)["img_size"])}
    try:
        twin: Any = timm.create_model(name, **options).eval()
        twin.load_state_dict(vit.state_dict())
    except (RuntimeError, TypeError) as err:
        raise ValueError(f"timm builds another model as {name}: {str(err).splitlines()[-1].strip()[:200]}") from err
    height, width = anatomy(vit).size
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        apart = float((twin(images) - vit(images)).abs().max())
    if not apart <= FAR:
        raise ValueError(
            f"timm's own {name} with these weights answers otherwise, by up to {apart:.1e}: nothing was written"
        )
    return vit, (name, options)


def _save(out: Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    part = out / "model.safetensors.part"
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, part, metadata={"format": "pt"})
    publish(part, out / "model.safetensors")
    (out / "config.json").write_text(json.dumps(config, indent=1))


def _readme(out: Path, classes: Sequence[str], card: dict[str, Any], opened: str) -> None:
    """The card: what it is, how to open it, and whatever is known about how it was made."""
    names = ", ".join(classes[:30]) + (" …" if len(classes) > 30 else "")
    lines = [
        f"# {out.name}",
        "",
        f"A classifier of {len(classes)} classes: {names}.",
        "",
        f"Open it with `{opened}`.",
        "",
    ]
    if card:
        lines += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in card.items()), ""]
    else:
        lines += [
            "Nothing was said about its data, its training or its scores: do not trust it before you have tried it.",
            "",
        ]
    (out / "README.md").write_text("\n".join(lines), "utf-8")
