"""Published layouts that no package here builds: state dicts of the documented names and shapes, and what they compute, slowly.

Written from the papers and the parameter names of facebookresearch/mae, microsoft/SimMIM, microsoft/unilm (beit) and
keyu-tian/SparK.
"""

from __future__ import annotations

import torch
from torch.nn.functional import (
    batch_norm,
    conv2d,
    conv_transpose2d,
    gelu,
    interpolate,
    layer_norm,
    linear,
    pixel_shuffle,
    relu6,
)

State = dict[str, torch.Tensor]


# --- the tensors of each file ---


def _blocks(at: str, width: int, depth: int, *, beit: bool = False, table: tuple[int, int] | None = None) -> dict[str, tuple]:
    shapes: dict[str, tuple] = {}
    for i in range(depth):
        block = f"{at}.{i}"
        shapes |= {f"{block}.norm{n}.{kind}": (width,) for n in (1, 2) for kind in ("weight", "bias")}
        shapes |= {f"{block}.attn.qkv.weight": (3 * width, width), f"{block}.attn.proj.weight": (width, width)}
        shapes |= {f"{block}.attn.proj.bias": (width,), f"{block}.mlp.fc1.weight": (4 * width, width)}
        shapes |= {f"{block}.mlp.fc1.bias": (4 * width,), f"{block}.mlp.fc2.weight": (width, 4 * width)}
        shapes[f"{block}.mlp.fc2.bias"] = (width,)
        biases = ("q_bias", "v_bias") if beit else ("qkv.bias",)
        shapes |= {f"{block}.attn.{name}": (3 * width if name == "qkv.bias" else width,) for name in biases}
        if beit:
            shapes |= {f"{block}.gamma_{n}": (width,) for n in (1, 2)}
        if table:
            shapes[f"{block}.attn.relative_position_bias_table"] = table
    return shapes


def _front(width: int, patch: int) -> dict[str, tuple]:
    return {"cls_token": (1, 1, width), "patch_embed.proj.weight": (width, 3, patch, patch), "patch_embed.proj.bias": (width,)}


def _random(shapes: dict[str, tuple], seed: int = 0) -> State:
    draw = torch.Generator().manual_seed(seed)
    return {k: torch.randn(shape, generator=draw) * 0.3 / max(shape[-1], 9) ** 0.25 for k, shape in shapes.items()}


def mae(width=192, depth=2, patch=8, side=4, dim=64, decoder_depth=2, *, decoder=True) -> State:
    """mae_visualize_vit_*.pth; without a decoder mae_pretrain_vit_*.pth."""
    count = side**2 + 1
    shapes = {**_front(width, patch), "pos_embed": (1, count, width), **_blocks("blocks", width, depth)}
    shapes |= {"norm.weight": (width,), "norm.bias": (width,)}
    if decoder:
        out = patch**2 * 3
        shapes |= {"mask_token": (1, 1, dim), "decoder_pos_embed": (1, count, dim), "decoder_embed.weight": (dim, width)}
        shapes |= {"decoder_embed.bias": (dim,), "decoder_norm.weight": (dim,), "decoder_norm.bias": (dim,)}
        shapes |= {"decoder_pred.weight": (out, dim), "decoder_pred.bias": (out,)}
        shapes |= _blocks("decoder_blocks", dim, decoder_depth)
    return _random(shapes)


def beit(bias: str, width=64, depth=2, heads=4, patch=8, side=4, codes=20) -> State:
    """beit_base_patch16_224_pt22k.pth: a shared table of relative positions; "per block" and "table" as its options have them."""
    distances = (2 * side - 1) ** 2 + 3
    table = (distances, heads)
    shapes = {**_front(width, patch), "mask_token": (1, 1, width), "norm.weight": (width,), "norm.bias": (width,)}
    shapes |= _blocks("blocks", width, depth, beit=True, table=table if bias == "per block" else None)
    shapes |= {"lm_head.weight": (codes, width), "lm_head.bias": (codes,)}
    if bias == "shared":
        shapes["rel_pos_bias.relative_position_bias_table"] = table
    if bias == "table":
        shapes["pos_embed"] = (1, side**2 + 1, width)
    state = _random(shapes)
    for name in [k for k in state if k.endswith("bias_table")]:
        state[name.replace("bias_table", "index")] = relative_index(side)
    return state


def simmim(bias: str, **sizes) -> State:
    """simmim_pretrain__vit_base: BEiT's encoder under `encoder.`, one convolution before PixelShuffle."""
    inside = {k: v for k, v in beit(bias, **sizes).items() if not k.startswith("lm_head")}
    width, _, patch, _ = inside["patch_embed.proj.weight"].shape
    out = _random({"decoder.0.weight": (3 * patch**2, width, 1, 1), "decoder.0.bias": (3 * patch**2,)}, seed=1)
    return {f"encoder.{k}": v for k, v in inside.items()} | out


def spark_convnext(widths=(8, 16, 24, 32), depths=(1, 2, 1, 1), seed=0) -> State:
    """The net of SparK's ConvNeXt, as its `sp_cnn` names it: no norm and no head behind the last stage."""
    shapes: dict[str, tuple] = {"downsample_layers.0.0.weight": (widths[0], 3, 4, 4), "downsample_layers.0.0.bias": (widths[0],)}
    shapes |= {f"downsample_layers.0.1.{kind}": (widths[0],) for kind in ("weight", "bias")}
    for i, (width, blocks) in enumerate(zip(widths, depths, strict=True)):
        if i:
            shapes |= {f"downsample_layers.{i}.0.{kind}": (widths[i - 1],) for kind in ("weight", "bias")}
            shapes |= {f"downsample_layers.{i}.1.weight": (width, widths[i - 1], 2, 2), f"downsample_layers.{i}.1.bias": (width,)}
        for j in range(blocks):
            at = f"stages.{i}.{j}"
            shapes |= {f"{at}.gamma": (width,), f"{at}.dwconv.weight": (width, 1, 7, 7), f"{at}.dwconv.bias": (width,)}
            shapes |= {f"{at}.norm.weight": (width,), f"{at}.norm.bias": (width,)}
            shapes |= {f"{at}.pwconv1.weight": (4 * width, width), f"{at}.pwconv1.bias": (4 * width,)}
            shapes |= {f"{at}.pwconv2.weight": (width, 4 * width), f"{at}.pwconv2.bias": (width,)}
    return _random(shapes, seed)


def spark(net: State, widths=(8, 16, 24, 32), dim=64, size=64, *, batch: bool) -> State:
    """*_withdecoder_1kpretrained_spark_style.pth of a net with these widths; `batch`: its densifying norms are batch norms."""
    shapes: dict[str, tuple] = {}
    for i, width in enumerate(reversed(widths)):  # from the coarsest scale
        shapes |= {f"mask_tokens.{i}": (1, width, 1, 1)} | _norm(f"densify_norms.{i}", width, batch)
        side, out = 3 if i else 1, dim // 2**i
        if i or width != dim:
            shapes |= {f"densify_projs.{i}.weight": (out, width, side, side), f"densify_projs.{i}.bias": (out,)}
    for i in range(5):
        at, wide, out = f"dense_decoder.dec.{i}", dim // 2**i, dim // 2 ** (i + 1)
        shapes |= {f"{at}.up_sample.weight": (wide, wide, 4, 4), f"{at}.up_sample.bias": (wide,)}
        shapes |= {f"{at}.conv.0.weight": (wide, wide, 3, 3)} | _norm(f"{at}.conv.1", wide, True)
        shapes |= {f"{at}.conv.3.weight": (out, wide, 3, 3)} | _norm(f"{at}.conv.4", out, True)
    shapes |= {"dense_decoder.proj.weight": (3, dim // 32, 1, 1), "dense_decoder.proj.bias": (3,)}
    state = _random(shapes, seed=2)
    for name in [k for k in state if k.endswith("running_var")]:
        state[name] = 0.5 + state[name].abs()
        state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    state |= {"imn_m": torch.empty(1, 3, 1, 1), "imn_s": torch.empty(1, 3, 1, 1), "norm_black": torch.zeros(1, 3, size, size)}
    return {f"sparse_encoder.sp_cnn.{k}": v for k, v in net.items()} | state


def _norm(at: str, width: int, batch: bool) -> dict[str, tuple]:
    kinds = ("weight", "bias", "running_mean", "running_var") if batch else ("weight", "bias")
    return {f"{at}.{kind}": (width,) for kind in kinds}


# --- what they compute ---


def relative_index(side: int) -> torch.Tensor:
    """(1 + N, 1 + N): the row of the table for each pair of tokens; the last three are those of the class token."""
    last = (2 * side - 1) ** 2
    index = torch.empty(side**2 + 1, side**2 + 1, dtype=torch.long)
    index[0], index[:, 0], index[0, 0] = last, last + 1, last + 2
    for a in range(side**2):
        for b in range(side**2):
            down, right = a // side - b // side, a % side - b % side
            index[1 + a, 1 + b] = (down + side - 1) * (2 * side - 1) + right + side - 1
    return index


def norm(state: State, at: str, x):
    return layer_norm(x, x.shape[-1:], state[f"{at}.weight"], state[f"{at}.bias"], 1e-6)


def block(state: State, at: str, x, heads: int, bias=0.0):
    B, M, C = x.shape
    get = state.get
    qkv_bias = get(f"{at}.attn.qkv.bias")
    if qkv_bias is None:
        q_bias, v_bias = state[f"{at}.attn.q_bias"], state[f"{at}.attn.v_bias"]
        qkv_bias = torch.cat([q_bias, torch.zeros_like(q_bias), v_bias])
    qkv = linear(norm(state, f"{at}.norm1", x), state[f"{at}.attn.qkv.weight"], qkv_bias)
    q, k, v = qkv.reshape(B, M, 3, heads, C // heads).permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-2, -1) / (C // heads) ** 0.5 + bias).softmax(-1)
    mixed = (weights @ v).transpose(1, 2).reshape(B, M, C)
    x = x + get(f"{at}.gamma_1", 1.0) * linear(mixed, state[f"{at}.attn.proj.weight"], state[f"{at}.attn.proj.bias"])
    hidden = gelu(linear(norm(state, f"{at}.norm2", x), state[f"{at}.mlp.fc1.weight"], state[f"{at}.mlp.fc1.bias"]))
    return x + get(f"{at}.gamma_2", 1.0) * linear(hidden, state[f"{at}.mlp.fc2.weight"], state[f"{at}.mlp.fc2.bias"])


def depth(state: State, at: str) -> int:
    return len({k.split(".")[at.count(".") + 1] for k in state if k.startswith(f"{at}.")})


def embedded(state: State, images):
    patch = state["patch_embed.proj.weight"].shape[-1]
    x = conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=patch)
    return x.flatten(2).transpose(1, 2)


def mae_features(state: State, images, hidden, heads: int):
    """(1, 1 + K, width): class token and visible patches of one picture, `hidden` (N,) boolean."""
    x = (embedded(state, images) + state["pos_embed"][:, 1:])[:, ~hidden]
    x = torch.cat([state["cls_token"] + state["pos_embed"][:, :1], x], 1)
    for i in range(depth(state, "blocks")):
        x = block(state, f"blocks.{i}", x, heads)
    return norm(state, "norm", x)


def mae_guess(state: State, features, hidden, heads: int):
    """(1, N, patch² · 3)."""
    x = linear(features, state["decoder_embed.weight"], state["decoder_embed.bias"])
    full = state["mask_token"].repeat(1, len(hidden) + 1, 1)
    full[:, 0] = x[:, 0]
    full[:, 1:][:, ~hidden] = x[:, 1:]
    x = full + state["decoder_pos_embed"]
    for i in range(depth(state, "decoder_blocks")):
        x = block(state, f"decoder_blocks.{i}", x, heads)
    return linear(norm(state, "decoder_norm", x), state["decoder_pred.weight"], state["decoder_pred.bias"])[:, 1:]


def mae_loss(guess, images, hidden, patch: int, normalize: bool) -> float:
    side = images.shape[-1] // patch
    truth = images.reshape(1, 3, side, patch, side, patch).permute(0, 2, 4, 3, 5, 1).reshape(1, side**2, -1)
    if normalize:
        truth = (truth - truth.mean(-1, keepdim=True)) / (truth.var(-1, keepdim=True) + 1e-6) ** 0.5
    return float(((guess - truth) ** 2).mean(-1)[0, hidden].mean())


def beit_features(state: State, images, hidden, heads: int):
    """(B, 1 + N, width); `hidden` (B, N)."""
    x = embedded(state, images)
    x = torch.where(hidden[..., None], state["mask_token"], x)
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], 1) + state.get("pos_embed", 0.0)
    index = relative_index(round(hidden.shape[1] ** 0.5))
    shared = state.get("rel_pos_bias.relative_position_bias_table")
    for i in range(depth(state, "blocks")):
        tables = [t for t in (shared, state.get(f"blocks.{i}.attn.relative_position_bias_table")) if t is not None]
        x = block(state, f"blocks.{i}", x, heads, sum((t[index].permute(2, 0, 1) for t in tables), torch.zeros(())))
    return norm(state, "norm", x)


def simmim_picture(state: State, features):
    """(B, 3, H, W)."""
    side = round((features.shape[1] - 1) ** 0.5)
    x = features[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    x = conv2d(x, state["decoder.0.weight"], state["decoder.0.bias"])
    return pixel_shuffle(x, round((x.shape[1] / 3) ** 0.5))


def _active(active, x):
    """(B, 1, H, W) of cells (B, 1, rows, cols), for a map x."""
    return interpolate(active.to(x.dtype), x.shape[2:], mode="nearest")


def _channels(state: State, at: str, x):
    return norm(state, at, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def spark_maps(state: State, images, active):
    """What SparK's ConvNeXt makes of the active cells (B, 1, rows, cols), coarsest first: hidden ones are 0 after every layer."""
    x, maps = images * _active(active, images), []
    state = {k.removeprefix("sparse_encoder.sp_cnn."): v for k, v in state.items()}
    for i in range(4):
        at = f"downsample_layers.{i}"
        conv, scale = (0, 1) if i == 0 else (1, 0)
        if i:
            x = _channels(state, f"{at}.{scale}", x)
            x = x * _active(active, x)
        x = conv2d(x, state[f"{at}.{conv}.weight"], state[f"{at}.{conv}.bias"], stride=4 if i == 0 else 2)
        x = x * _active(active, x)
        if i == 0:
            x = _channels(state, f"{at}.{scale}", x)
            x = x * _active(active, x)
        for j in range(depth(state, f"stages.{i}")):
            at = f"stages.{i}.{j}"
            y = conv2d(x, state[f"{at}.dwconv.weight"], state[f"{at}.dwconv.bias"], padding=3, groups=x.shape[1])
            y = norm(state, f"{at}.norm", y.permute(0, 2, 3, 1))
            y = gelu(linear(y, state[f"{at}.pwconv1.weight"], state[f"{at}.pwconv1.bias"]))
            y = state[f"{at}.gamma"] * linear(y, state[f"{at}.pwconv2.weight"], state[f"{at}.pwconv2.bias"])
            x = x + y.permute(0, 3, 1, 2) * _active(active, x)
        maps.append(x)
    return maps[::-1]


def spark_picture(state: State, maps, active):
    """(B, 3, H, W) of maps from the coarsest on; a trained model, so batch norms use what they keep."""

    def batch(at, x):
        kept = [state[f"{at}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")]
        return batch_norm(x, *kept)

    x = 0
    for i in range(5):
        if i < len(maps):
            at = f"densify_norms.{i}"
            normal = batch(at, maps[i]) if f"{at}.running_var" in state else _channels(state, at, maps[i])
            dense = torch.where(_active(active, normal).bool(), normal, state[f"mask_tokens.{i}"])
            if f"densify_projs.{i}.weight" in state:
                weight = state[f"densify_projs.{i}.weight"]
                dense = conv2d(dense, weight, state[f"densify_projs.{i}.bias"], padding=weight.shape[-1] // 2)
            x = x + dense
        at = f"dense_decoder.dec.{i}"
        x = conv_transpose2d(x, state[f"{at}.up_sample.weight"], state[f"{at}.up_sample.bias"], stride=2, padding=1)
        x = relu6(batch(f"{at}.conv.1", conv2d(x, state[f"{at}.conv.0.weight"], padding=1)))
        x = batch(f"{at}.conv.4", conv2d(x, state[f"{at}.conv.3.weight"], padding=1))
    return conv2d(x, state["dense_decoder.proj.weight"], state["dense_decoder.proj.bias"])
