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
