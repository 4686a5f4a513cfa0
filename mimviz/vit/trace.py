"""What one pass through a model left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .anatomy import Anatomy
from .attention import Windowed
from .attention.mixing import ALL, Heads
from .certificate import Certificate, worst
from .kept import Kept
from .layer import Block, Layer

LIMIT = 2**31
"""Bytes of the largest map that is made whole; rows of it can always be made."""


class Maps(Sequence[Tensor]):
    """A tensor for every layer, made when it is asked for: `maps[layer]`, also negative."""

    def __init__(self, count: int, make: Callable[[int], Tensor], none: str = ""):
        self._count, self._make, self._none = count, make, none

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tensor]:
        return map(self._make, range(self._count))

    def __getitem__(self, layer: int) -> Tensor:  # type: ignore[override]
        return self._make(_index(layer, self._count, self._none))


@dataclass(eq=False)
class Trace:
    """What a pass over pictures left behind.

    layers: an entry for every attention module, in order (none in a conv net). `attention[layer]` (B, heads, N, N) is the
    post-softmax map, made from q and k when asked for; `rows(layer, ids)` makes only some of its rows. `pooling`: the layer, if
    any, in which a learnt query reads all tokens, 1 × N. `embedded` went into the first block, `tokens[block]` (B, prefix + N, C)
    came out of each in the picture's order (the last one before the final norm); `maps(block)` is the same as a picture.
    `logits`: what the model returned, (B, classes) of a classifier.

    Where patches were hidden and dropped, `ids` (B, K) are those that went in; maps and tokens are put back to the places of all N
    patches, with NaN where there was none. `hidden` (B, N) says which were hidden. `bytes`: held by all this, about
    7 · B · N · C numbers for each layer (40 MiB for each of DINOv2-L's at 518 px). Maps and their gradients, once made, are
    `kept` for the next reader where those of all layers fit into `kept.limit`, 256 MiB; do not write into them.
    """

    anatomy: Anatomy
    layers: list[Layer] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    pooling: Layer | None = None
    embedded: Tensor | None = None
    logits: Tensor | None = None
    ids: Tensor | None = None
    hidden: Tensor | None = None
    backward: Callable[[], Gradients] | None = None
    kept: Kept = field(default_factory=Kept)

    @property
    def attention(self) -> Maps:
        return Maps(len(self.layers), self.weights, self._no_attention)

    @property
    def attention_grad(self) -> Maps:
        """∂ score / ∂ attention[layer], (B, heads, N, N): exact, from one backward pass of the scene's target."""
        return Maps(len(self.layers), self.weights_grad, self._no_attention)

    @property
    def tokens(self) -> Maps:
        """(B, prefix + N, C) for every block, in the picture's order."""
        return Maps(len(self.blocks), lambda block: self._placed(self.blocks[block].tokens), _NO_BLOCKS)

    @property
    def token_grad(self) -> Maps:
        """∂ score / ∂ tokens[block], (B, prefix + N, C)."""
        grads = self._gradients().blocks
        return Maps(len(self.blocks), lambda block: self._placed(self.blocks[block].laid(grads[block])), _NO_BLOCKS)

    def weights(self, layer: int, *, heads: Heads = ALL, half: bool = False) -> Tensor:
        """(B, heads, N, N): `attention[layer]` of some heads alone, `half` in float16 (half the bytes, 3 digits).

        Raises ValueError for a map of more than 2 GiB, which only `rows` can make in parts.
        """
        found = self._layer(layer)
        self._affordable(layer, found, heads)
        make = found.mixing.weights
        return _halved(self._shared(("attention", _index(layer, len(self.layers))), lambda: make(heads=heads), heads), half)

    def weights_grad(self, layer: int, *, heads: Heads = ALL, half: bool = False) -> Tensor:
        """`attention_grad[layer]` of some heads alone."""
        found = self._layer(layer)
        self._affordable(layer, found, heads)
        number = _index(layer, len(self.layers))
        mixed = self._gradients().mixed[number]
        assert mixed is not None  # or the mixing had said so
        make = found.mixing.weights_grad
        return _halved(self._shared(("gradient", number), lambda: make(mixed, heads=heads), heads), half)

    def rows(self, layer: int, ids: Tensor, *, heads: Heads = ALL) -> Tensor:
        """(B, heads, R, N): the attention of the tokens numbered `ids` (R,) alone."""
        found = self._layer(layer)
        ids = torch.as_tensor(ids, device=found.mixing.v.device)
        if self.ids is not None:
            return self.weights(layer, heads=heads)[:, :, ids]
        count = found.mixing.shape[2]
        if ids.numel() and not -count <= int(ids.min()) <= int(ids.max()) < count:
            raise IndexError(
                f"rows {int(ids.min())}..{int(ids.max())} are asked for, but layer {layer} has {count}: 0..{count - 1}"
            )
        whole = self.kept.get(("attention", _index(layer, len(self.layers))))
        return found.mixing.weights(ids % count, heads) if whole is None else whole[:, heads][:, :, ids % count]

    def maps(self, layer: int) -> Tensor:
        """(B, C, rows, cols): what block `layer` (also negative) made of the patches, or the feature map of a conv net's block."""
        return self.blocks[_index(layer, len(self.blocks), _NO_BLOCKS)].layout.map(self.tokens[layer])

    def maps_grad(self, layer: int) -> Tensor:
        """∂ score / ∂ maps(layer), (B, C, rows, cols)."""
        return self.blocks[_index(layer, len(self.blocks), _NO_BLOCKS)].layout.map(self.token_grad[layer])

    @property
    def pooling_grad(self) -> Tensor:
        """∂ score / ∂ the map of `pooling`, (B, heads, 1, N)."""
        grad = self._gradients().pooling
        if self.pooling is None or grad is None:
            raise ValueError(f"this {self.anatomy.family} does not pool by attention")
        return self.pooling.mixing.weights_grad(grad)

    @property
    def certificate(self) -> Certificate:
        """The worst of all layers that were kept."""
        layers = [each for each in (*self.layers, self.pooling) if each is not None and each.x is not None]
        if not layers:
            raise ValueError(self._no_attention)
        return worst(each.certificate for each in layers)

    @property
    def bytes(self) -> int:
        layers = [each for each in (*self.layers, self.pooling) if each is not None]
        held = [
            each
            for layer in layers
            for each in (layer.x, layer.mixed, layer.output, *(said for said, _ in layer.said.values()))
        ]
        for layer in layers:
            if "mixing" in vars(layer):
                local = layer.mixing.local if isinstance(layer.mixing, Windowed) else layer.mixing
                held += [local.q, local.k, local.v, local.bias]
        held += [block.output for block in self.blocks] + [self.embedded]
        storages = {
            each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in held if each is not None
        }
        return sum(storages.values()) + self.kept.bytes

    # --- inside ---

    def _shared(self, key: tuple[str, int], make: Callable[[], Tensor], heads: Heads) -> Tensor:
        """A whole map, kept; of some heads alone, cut from it where it is there and else only made."""
        if heads == ALL:
            return self.kept(key, lambda: self._squared(make()), of=len(self.layers))
        whole = self.kept.get(key)
        return self._squared(make()) if whole is None else whole[:, heads]

    @property
    def _no_attention(self) -> str:
        if self.anatomy.reach != "convolutions":
            return (
                f"no attention module of this {self.anatomy.family} ran in the pass: where it has tables of relative positions "
                "and patches are dropped, its tokens are mixed outside of them; hide patches with a mask token instead"
            )
        what = f"{self.anatomy.family} has no attention to look at"
        return f"{what}: ask trace.maps(layer) and trace.maps_grad(layer) instead"

    def _layer(self, layer: int) -> Layer:
        return self.layers[_index(layer, len(self.layers), self._no_attention)]

    def _affordable(self, layer: int, found: Layer, heads: Heads) -> None:
        B, count, Q, K = found.mixing.shape
        chosen = count if heads == ALL else len(torch.arange(count)[heads])
        size = B * chosen * Q * K * found.mixing.v.element_size()
        if size > LIMIT:
            raise ValueError(
                f"the map of layer {layer} has {B} x {chosen} x {Q} x {K} numbers, {size / 2**30:.1f} GiB, above "
                f"{LIMIT / 2**30:.0f}: ask trace.rows({layer}, ids) for some of its rows, or fewer pictures or heads"
            )

    def _gradients(self) -> Gradients:
        if self.backward is None:
            raise ValueError(
                "this trace belongs to no scene with a target, so it has no gradient: use Scene(...).trace"
            )
        return self.backward()

    @property
    def _at(self) -> Tensor:
        """(B, prefix + K): the place of each token that went in."""
        assert self.ids is not None
        prefix = torch.arange(self.anatomy.prefix, device=self.ids.device)
        return torch.cat([prefix.expand(len(self.ids), -1), self.anatomy.prefix + self.ids], dim=1)

    def _placed(self, tokens: Tensor) -> Tensor:
        """(B, prefix + K, C) → (B, prefix + N, C)."""
        if self.ids is None:
            return tokens
        B, _, C = tokens.shape
        out = tokens.new_full((B, self.anatomy.prefix + self.anatomy.grid.count, C), float("nan"))
        return out.scatter(1, self._at[..., None].expand(-1, -1, C), tokens)

    def _squared(self, maps: Tensor) -> Tensor:
        """(B, heads, prefix + K, prefix + K) → (B, heads, prefix + N, prefix + N)."""
        if self.ids is None:
            return maps
        N = self.anatomy.prefix + self.anatomy.grid.count
        out = maps.new_full((*maps.shape[:2], N, N), float("nan"))
        picture = torch.arange(len(maps), device=maps.device)[:, None, None]
        out[picture, :, self._at[:, :, None], self._at[:, None, :]] = maps.permute(0, 2, 3, 1)
        return out


@dataclass(frozen=True, eq=False)
class Gradients:
    """Of the scene's score: by A · V of every layer and of the pooling, by every block's output, and by the pictures."""

    mixed: list[Tensor | None]
    pooling: Tensor | None
    blocks: list[Tensor | None]
    images: Tensor


_NO_BLOCKS = "no block of this model ran in the pass"


def _index(layer: int, count: int, none: str = "") -> int:
    if not count:
        raise ValueError(none)
    if not -count <= layer < count:
        raise IndexError(f"layer is {layer}, but there are {count}: 0..{count - 1}, or -1 for the last")
    return layer % count


def _halved(maps: Tensor, half: bool) -> Tensor:
    return maps.half() if half else maps
