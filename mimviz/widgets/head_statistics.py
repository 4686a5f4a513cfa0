"""What a head does, in three numbers: how spread out it looks, how far, and how much of it goes to tokens that are no patch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CHUNK = 256  # queries at a time: 16 heads on 1,374 tokens make 22 MB, never the whole map
MOST = 512  # queries: of more, evenly spaced ones stand for all


def head_statistics(
    rows: Callable[[np.ndarray], np.ndarray],
    queries: np.ndarray,
    query_at: np.ndarray,
    key_at: np.ndarray,
    *,
    cls: tuple[int, ...],
    registers: tuple[int, ...],
    stale: Callable[[], bool] = bool,
) -> dict[str, np.ndarray]:
    """The statistics of every head of one layer, each (heads,), averaged over queries (every second, third … one where
    there are more than 512).

    rows(ids) gives the attention (heads, R, keys) of the tokens `ids`, of which there are `queries`; `query_at` and `key_at`
    (tokens, 2) are the middles of the patches in pixels, NaN for tokens that are none. As soon as `stale()`, it gives up: {}.

    - entropy: −Σ a ln a over all keys, in nats, from 0 (one token) to ln N (all alike).
    - distance: Σ a d / Σ a over patches, in pixels, from patch queries (Dosovitskiy et al., ICLR 2021, appendix D.7, with the
      attention on patches renormalised as in Walmer et al., CVPR 2023).
    - cls, registers: the share that patch queries give to class tokens and to registers; left out where there are none.
    """
    made: dict[str, list[np.ndarray]] = {"entropy": [], "distance": [], "cls": [], "registers": []}
    placed = ~np.isnan(key_at[:, 0])
    queries = queries[:: -(-len(queries) // MOST)]
    for start in range(0, len(queries), CHUNK):
        if stale():
            return {}
        ids = queries[start : start + CHUNK]
        a = rows(ids)  # (heads, R, keys)
        made["entropy"].append(-(a * np.log(np.where(a > 0, a, 1))).sum(-1))
        patches = ~np.isnan(query_at[ids, 0])
        a = a[:, patches]
        if not a.shape[1]:
            continue
        steps = query_at[ids[patches]][:, None] - key_at[placed][None]  # (R, patches, 2)
        near = a[..., placed]
        total = near.sum(-1)
        reach = (near * np.hypot(steps[..., 0], steps[..., 1])).sum(-1)
        made["distance"].append(np.divide(reach, total, out=np.zeros_like(reach), where=total > 0))
        made["cls"].append(a[..., list(cls)].sum(-1))
        made["registers"].append(a[..., list(registers)].sum(-1))
    there = {"cls": bool(cls), "registers": bool(registers)}
    return {
        name: np.concatenate(values, 1).mean(1) for name, values in made.items() if values and there.get(name, True)
    }
