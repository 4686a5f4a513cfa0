"""SimMIM with a Swin Transformer, from microsoft/SimMIM or Hugging Face; everything but the picture's size is in the shapes.

SimMIM hides squares of 32 pixels, which is just what a token of Swin's last stage covers: these are the patches here.
"""

from __future__ import annotations

import math
import re
from functools import partial

from torch import Tensor

from ...core import Grid
from ..found import Finding, Stack
from ..safe import Weights
from ..shapes import shape
from ..vits import swin
from . import hugging_face as hf
from .pixels import head, model
from .reading import Reading, Wish, under
from .simmim import masking, wish_size

NAMES = ("SimMIM with a Swin, in the layout of microsoft/SimMIM", "Hugging Face SwinForMaskedImageModeling")
UNUSED = re.compile(r".*(attn_mask|relative_position_index|relative_coords_table)")
HF = [
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"embeddings\.norm\.", "patch_embed.norm."),
    (r"^encoder\.layers\.", "layers."),
    (r"attention\.self\.(query|key|value)\.", lambda m: f"attention.{m[1][0]}_proj."),
    (r"attention\.self\.relative_position_bias_table", "attn.relative_position_bias_table"),
    (r"attention\.relative_position_bias\.relative_position_bias_table", "attn.relative_position_bias_table"),
]


def matches(weights: Weights) -> bool:
    keys = set(weights.tensors)
    return "decoder.0.weight" in keys and bool(keys & {"swin.embeddings.mask_token", "encoder.layers.0.blocks.0.attn.qkv.weight"})


def read(weights: Weights, wish: Wish) -> Reading:
    theirs, file = "swin.embeddings.mask_token" in weights.tensors, weights.name
    given = _timm_names(weights.tensors) if theirs else under(weights.tensors, "encoder.")
    tensors = _moved({k: v for k, v in given.items() if not UNUSED.fullmatch(k) and k != "mask_token"})
    if odd := next((k for k in given if k == "absolute_pos_embed" or k.endswith(("logit_scale", "position_embeddings"))), None):
        said = f"it has {odd}: Swin v2 or a table of positions is not read yet; mimviz.load_vit opens Swin from timm"
        return Reading(Finding(NAMES[theirs], file, decoder="one linear layer", target="pixels", obstacle=said), {})
    stages = _stages(tensors, file)
    size, source = _size(weights, given, file)
    patch = shape(tensors, "patch_embed.proj.weight", file, 4)[2]
    cells = Grid.of(size, size, patch * 2 ** (len(stages) - 1))
    behind, rest = head(weights.tensors, cells, file)
    last, depth = stages[-1], sum(s.depth for s in stages)
    found = Finding(
        NAMES[theirs], file, cells, Stack(last.width, depth, last.heads, last.hidden), behind, "pixels",
        assumed=(f"the size of the pictures, from {source}",),
        ignored=tuple(k for k in given if UNUSED.fullmatch(k)),
    )  # fmt: skip
    window = (math.isqrt(len(tensors["layers.0.blocks.0.attn.relative_position_bias_table"])) + 1) // 2
    normal, _ = hf.normal(weights)
    vit = partial(swin, tensors, size, patch, stages, window, normal=normal, eps=hf.eps(weights.config, 1e-5))
    # one token for a patch of the first stage, the same for all that lie in a cell of the last
    rest["how.token"] = given["mask_token"].repeat(1, 1, 4 ** (len(stages) - 1))
    return Reading(found, tensors, vit, rest, partial(model, **masking(weights)))


def _stages(tensors: dict[str, Tensor], file: str) -> tuple[Stack, ...]:
    out: list[Stack] = []
    while f"layers.{len(out)}.blocks.0.norm1.weight" in tensors:
        at = f"layers.{len(out)}.blocks"
        heads = shape(tensors, f"{at}.0.attn.relative_position_bias_table", file, 2)[1]
        hidden, width = shape(tensors, f"{at}.0.mlp.fc1.weight", file, 2)
        depth = len({m[1] for k in tensors if (m := re.match(rf"{re.escape(at)}\.(\d+)\.", k))})
        out.append(Stack(width, depth, heads, hidden))
    if not out:
        raise ValueError(f"{file} has no layers.0.blocks.0.norm1.weight: it is cut, or of a variant that mimviz does not know")
    return tuple(out)


def _size(weights: Weights, given: dict[str, Tensor], file: str) -> tuple[int, str]:
    """Pixels of a side, and where this is known from: a configuration, or the mask of the shifted windows of the first stage."""
    told = hf.size(weights.config)
    if isinstance(told, int):
        return told, "config.json"
    if (told := wish_size(weights)) is not None:
        return told, "the options of its training"
    mask = given.get("layers.0.blocks.1.attn_mask")  # (windows, tokens, tokens)
    if mask is None or mask.ndim != 3:
        raise ValueError(f"{file} does not say how large its pictures are: put a config.json with image_size beside it")
    tokens = math.isqrt(mask.shape[0]) * math.isqrt(mask.shape[1])
    return tokens * given["patch_embed.proj.weight"].shape[2], "the masks of its shifted windows"


def _moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm merges patches at the beginning of a stage, the others at the end of the one before."""
    later = re.compile(r"layers\.(\d+)\.downsample\.(.*)")
    return {
        f"layers.{int(m[1]) + 1}.downsample.{m[2]}" if (m := later.fullmatch(name)) else name: tensor
        for name, tensor in tensors.items()
    }


def _timm_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("swin.")
        for old, new in HF:
            name = re.sub(old, new, name)
        renamed[re.sub(r"(blocks\.\d+\.)output\.dense\.", r"\1mlp.fc2.", name)] = tensor
    return {k: v for k, v in hf.timm_names(renamed, "", stages=True).items() if not k.startswith("decoder.")}
