"""Quantifying Attention Flow in Transformers. Abnar, Zuidema. ACL 2020. arXiv 2005.00928.

Attention flow, section 3: layers are a network of pipes, as wide as the attention with half a residual (`Rollout`'s steps), and a
patch matters as much as can flow from it to what the head reads: a maximum flow for each patch, by SciPy (Dinic).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import maximum_flow
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._tokens import fused_of, heat, reading
from .rollout import with_residual

UNIT = 2**24  # capacities are whole numbers in SciPy: 1 becomes this many
BOUND = 100_000_000  # patches · pipes, about 5 s of one core for a picture


@dataclass(frozen=True)
class Flow:
    """(B, rows, cols): the largest flow 0..1 from each patch, through all layers, to what the head reads.

    merge: side in patches of squares that are taken as one node: attention to a square is the sum, attention from it the mean.
    Exact (to 1e-5) with merge=1. The work grows with patches · tokens² · layers; more than 14 x 14 patches and 12 layers (a few
    seconds) are refused: ValueError names the merge that fits.
    """

    merge: int = 1

    def __call__(self, scene: Scene) -> Heatmap:
        layers = len(scene.trace.layers)
        join = self._squares(scene).to(scene.images.device)  # (nodes, tokens)
        self._check(scene, len(join), layers)
        steps = torch.stack([fused_of(scene, layer, "mean") for layer in range(layers)], 1)  # (B, layers, N, N)
        steps = with_residual((join / join.sum(1, keepdim=True)) @ steps @ join.T)  # (B, layers, nodes, nodes)
        read = reading(scene) @ join.T  # (B, nodes)
        pairs = zip(steps.cpu().numpy(), read.cpu().numpy(), strict=True)
        flows = torch.stack([torch.from_numpy(_flows(*each)) for each in pairs])
        return heat(scene, flows.to(join) @ join, self)  # every patch of a square gets its flow

    def _squares(self, scene: Scene) -> Tensor:
        """(nodes, prefix + N), 1 where a token belongs to a node."""
        grid, prefix = scene.grid, scene.prefix
        if self.merge < 1:
            raise ValueError(f"merge is {self.merge}, but a side of at least 1 patch is wanted")
        rows, cols = torch.arange(grid.rows) // self.merge, torch.arange(grid.cols) // self.merge
        squares = (rows[:, None] * (int(cols.max()) + 1) + cols).flatten() + prefix
        return torch.nn.functional.one_hot(torch.cat([torch.arange(prefix), squares])).T.float()

    def _check(self, scene: Scene, nodes: int, layers: int) -> None:
        if (nodes - scene.prefix) * nodes**2 * layers <= BOUND:
            return
        side = next(s for s in range(2, 999) if _work(scene, s) * layers <= BOUND)
        raise ValueError(
            f"a flow over {nodes} nodes and {layers} layers takes long: say Flow(merge={side}), which takes squares of "
            f"{side} x {side} patches as one, or use Rollout()"
        )


def _work(scene: Scene, side: int) -> int:
    squares = -(-scene.grid.rows // side) * -(-scene.grid.cols // side)
    return squares * (squares + scene.prefix) ** 2


def _flows(steps: np.ndarray, read: np.ndarray) -> np.ndarray:
    """steps (layers, n, n), read (n,) → (n,): the flow from the source, which the head reads, down to each token of the input."""
    layers, n, _ = steps.shape
    ids = np.arange((layers + 1) * n).reshape(layers + 1, n)  # the last row is the input
    source = ids.size
    tails, heads = [np.full(n, source)], [ids[0]]
    for above, below in pairwise(ids):
        tails.append(np.repeat(above, n))
        heads.append(np.tile(below, n))
    widths = np.concatenate([read, steps[::-1].ravel()])
    pipes = (np.rint(widths * UNIT).astype(np.int32), (np.concatenate(tails), np.concatenate(heads)))
    graph = coo_matrix(pipes, shape=(source + 1, source + 1)).tocsr()
    return np.array([maximum_flow(graph, source, sink).flow_value / UNIT for sink in ids[-1]], dtype=np.float32)
