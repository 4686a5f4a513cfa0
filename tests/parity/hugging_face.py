"""Hugging Face's parameter names (transformers 5) → ours, for the oracles of this folder."""

from __future__ import annotations

import re

import torch


def blocks(state: dict, prefix: str, ours: str) -> dict:
    """`{prefix}.N.attention.q_proj…` → `{ours}.N.attn.qkv…` and so on."""
    out: dict = {}
    numbers = {int(m[1]) for k in state if (m := re.match(rf"{re.escape(prefix)}\.(\d+)\.", k))}
    for n in numbers:
        theirs, mine = f"{prefix}.{n}", f"{ours}.{n}"
        for kind in ("weight", "bias"):
            qkv = [state[f"{theirs}.attention.{x}_proj.{kind}"] for x in "qkv"]
            out[f"{mine}.attn.qkv.{kind}"] = torch.cat(qkv)
            out[f"{mine}.attn.proj.{kind}"] = state[f"{theirs}.attention.o_proj.{kind}"]
            out[f"{mine}.norm1.{kind}"] = state[f"{theirs}.layernorm_before.{kind}"]
            out[f"{mine}.norm2.{kind}"] = state[f"{theirs}.layernorm_after.{kind}"]
            out[f"{mine}.mlp.fc1.{kind}"] = state[f"{theirs}.mlp.fc1.{kind}"]
            out[f"{mine}.mlp.fc2.{kind}"] = state[f"{theirs}.mlp.fc2.{kind}"]
    return out


def vit(state: dict) -> dict:
    """The encoder of either model, under `encoder.vit.`"""
    embeddings = "vit.embeddings"
    out = {
        "encoder.vit.cls_token": state[f"{embeddings}.cls_token"],
        "encoder.vit.pos_embed": state[f"{embeddings}.position_embeddings"],
    }
    for kind in ("weight", "bias"):
        out[f"encoder.vit.patch_embed.proj.{kind}"] = state[f"{embeddings}.patch_embeddings.projection.{kind}"]
        out[f"encoder.vit.norm.{kind}"] = state[f"vit.layernorm.{kind}"]
    return out | blocks(state, "vit.layers", "encoder.vit.blocks")


def beit(state: dict) -> dict:
    """BEiT: the norm before the head is the encoder's last, and keys have no bias."""
    vit, embeddings = "encoder.vit", "beit.embeddings"
    out = {"how.token": state[f"{embeddings}.mask_token"], f"{vit}.cls_token": state[f"{embeddings}.cls_token"]}
    tables = {"position_embeddings": "pos_embed", "patch_embeddings.projection.weight": "patch_embed.proj.weight"}
    tables["patch_embeddings.projection.bias"] = "patch_embed.proj.bias"
    out |= {f"{vit}.{ours}": state[key] for name, ours in tables.items() if (key := f"{embeddings}.{name}") in state}
    for kind in ("weight", "bias"):
        out |= {f"{vit}.norm.{kind}": state[f"layernorm.{kind}"], f"decoder.head.{kind}": state[f"lm_head.{kind}"]}
    table = "relative_position_bias_table"
    if f"beit.shared_position_bias.{table}" in state:
        out[f"{vit}.rel_pos_bias.{table}"] = state[f"beit.shared_position_bias.{table}"]
    for n in {int(m[1]) for k in state if (m := re.match(r"beit\.layers\.(\d+)\.", k))}:
        theirs, ours = f"beit.layers.{n}", f"{vit}.blocks.{n}"
        attention, attn = f"{theirs}.attention", f"{ours}.attn"
        out[f"{attn}.qkv.weight"] = torch.cat([state[f"{attention}.{x}_proj.weight"] for x in "qkv"])
        out |= {f"{attn}.{x}_bias": state[f"{attention}.{x}_proj.bias"] for x in "qv"}
        out |= {f"{ours}.gamma_{x}": state[f"{theirs}.lambda_{x}"] for x in "12"}
        if f"{theirs}.relative_position_bias.{table}" in state:
            out[f"{attn}.{table}"] = state[f"{theirs}.relative_position_bias.{table}"]
        names = {"attention.o_proj": "attn.proj", "layernorm_before": "norm1", "layernorm_after": "norm2", "mlp.fc1": "mlp.fc1"}
        names["mlp.fc2"] = "mlp.fc2"
        out |= {f"{ours}.{b}.{kind}": state[f"{theirs}.{a}.{kind}"] for a, b in names.items() for kind in ("weight", "bias")}
    return out
