"""Where the decoder looks for a hidden patch: at tokens of the encoder where it has cross-attention, else at all patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..core import Mask, Picture
from ..vit import Scene, evaluating
from .recipe_lab_views import Panel, map_panel


def decoder_looks(model: Any, picture: Picture, mask: Mask, query: int) -> Iterator[tuple[list[Panel], str]]:
    """A map for each block of the decoder, mean of its heads, and their mean. ValueError for a decoder that does not attend."""
    if query < 0 or query >= mask.hidden.shape[1] or not bool(mask.hidden[0, query]):
        yield [], "click a hidden patch in the panel “guess”"
        return
    crossing = _crossing(model, picture, mask)
    if crossing is None:
        blocks, where = _attending(model, picture, mask, query), "at all patches, hidden ones as mask tokens among them"
    else:
        blocks, where = [each[0, :, query].mean(0) for each in crossing], "at what the encoder saw, by cross-attention"
    if not any(float(each.sum()) for each in blocks):
        yield [], f"the decoder does not look anywhere for patch {query + 1}: it makes no guess there"
        return
    seen = None if crossing is None else ~mask.hidden[0].cpu()
    maps = [_map(f"block {i + 1}", f"decoder block {i + 1}", each, seen, mask) for i, each in enumerate(blocks)]
    if len(blocks) > 1:
        maps.append(_map("mean", "all blocks", torch.stack(blocks).mean(0), seen, mask))
    yield maps, f"patch {query + 1} looks {where}; mean of the heads"


def _crossing(model: Any, picture: Picture, mask: Mask) -> list[Tensor] | None:
    """[(1, heads, N, N)] by the model's own word, of all patches (`looks`) or hidden × visible (`attention`); None where it has
    none, or has nothing to look at."""
    word: Any = getattr(model, "looks", None) or getattr(model, "attention", None)
    if not callable(word):
        return None
    mask = mask.to(model.device)
    try:
        with evaluating(model), torch.no_grad():
            rows: Any = word(model.prepare(picture), mask)
    except ValueError:  # CroCo without a second view
        return None
    found = [each.detach().float().nan_to_num() for each in rows]
    return [each.cpu() if hasattr(model, "looks") else _placed(each, mask).cpu() for each in found]


def _placed(rows: Tensor, mask: Mask) -> Tensor:
    """(1, heads, hidden, visible) → (1, heads, N, N), 0 elsewhere."""
    heads, (hidden, visible) = rows.shape[1], (mask.hidden_ids[0], mask.keep_ids[0])
    whole = rows.new_zeros(1, heads, mask.hidden.shape[1], mask.hidden.shape[1])
    whole[:, :, hidden[:, None], visible[None]] = rows
    return whole


def _attending(model: Any, picture: Picture, mask: Mask, query: int) -> list[Tensor]:
    """[(N,)]: how much the token of patch `query` looks at each patch's token; what it gives to others is left out."""
    trace = Scene(model, model.prepare(picture), mask=mask, normalized=True).decoder_trace
    found = []
    for layer in range(len(trace.layers)):
        whole = trace.layers[layer].mixing.shape[2]
        front = whole - mask.hidden.shape[1]
        if front < 0:
            raise ValueError(
                f"this decoder attends among {whole} tokens, which are not all of {mask.hidden.shape[1]} patches"
            )
        row = trace.rows(layer, torch.tensor([front + query]))[0, :, 0].mean(0)
        found.append(row[front:].float().cpu())
    return found


def _map(key: str, caption: str, row: Tensor, seen: Tensor | None, mask: Mask) -> Panel:
    values = row if seen is None else row.masked_fill(~seen, float("nan"))
    assert mask.shape is not None
    meaning = f"share of its attention that the hidden patch gives to each patch: {caption}, mean of the heads"
    top = int(row.argmax())
    say = f"most at row {top // mask.shape[1] + 1}, col {top % mask.shape[1] + 1}"
    return map_panel(key, caption, meaning, values.reshape(mask.shape), "attention", say=say)
