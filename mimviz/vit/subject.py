"""What stands in front of the pictures: a model, an encoder, or a masked model with its decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Mask
from .anatomy import Anatomy, anatomy
from .placing import decoding
from .recording import recording
from .trace import Trace


@dataclass(frozen=True, eq=False)
class Subject:
    """`run(images)` is a pass through `whole`; `vit` is the timm model in it that `anatomy` names the parts of.

    `encoder` and `decoder`, if any, are a masked model's; `mask` (B, N) is what it hides.
    """

    whole: nn.Module
    vit: nn.Module
    anatomy: Anatomy
    run: Callable[[Tensor], Any]
    mask: Mask | None = None
    encoder: nn.Module | None = None
    decoder: nn.Module | None = None

    @contextmanager
    def recording(self, *, layers: frozenset[int] | None) -> Iterator[tuple[Trace, Trace | None]]:
        """The traces of the model or encoder and, if there is one, of the decoder, of one pass inside."""
        with ExitStack() as stack:
            trace = stack.enter_context(recording(self.vit, self.anatomy, layers=layers))
            if self.encoder is not None:
                _note_ids(self.encoder, trace, stack)
            if self.decoder is None:
                yield trace, None
            else:
                yield trace, stack.enter_context(recording(self.decoder, decoding(self.decoder, self.anatomy)))


def subject(model: Any, mask: Any, *, count: int, size: tuple[int, int] | None = None) -> Subject:
    """The subject that `model` is, for `count` pictures of `size` (height, width) pixels, its own unless told.

    Raises ValueError for a mask where there is nothing to hide from.
    """
    encoder = getattr(model, "encoder", model)
    vit = getattr(encoder, "vit", None)
    if not isinstance(vit, nn.Module):
        if mask is not None:
            raise ValueError(
                f"a mask is given, but {type(model).__name__} sees whole pictures: give a masked model or an encoder"
            )
        return Subject(model, model, anatomy(model, size=size), model)
    parts = getattr(encoder, "anatomy", None) or anatomy(vit)
    mask = _mask(mask, parts, count, next(vit.parameters()).device)
    if encoder is model:
        ids = None if mask is None else mask.keep_ids
        return Subject(model, vit, parts, lambda images: _encode(encoder, images, ids), mask, encoder)
    decoder = getattr(model, "decoder", None)
    return Subject(model, vit, parts, lambda images: model(images, mask), mask, encoder, decoder)


def _mask(mask: Any, parts: Anatomy, count: int, device: torch.device) -> Mask | None:
    if mask is None:
        return None
    mask = mask if isinstance(mask, Mask) else Mask.from_array(mask)
    return parts.grid.check(mask).to(device).expand(count)


def _encode(encoder: Any, images: Tensor, ids: Tensor | None) -> Tensor:
    content = encoder.embed(images)
    if ids is not None:
        content = content.gather(1, ids[..., None].expand(-1, -1, content.shape[-1]))
    return encoder(content, ids)


def _note_ids(encoder: nn.Module, trace: Trace, stack: ExitStack) -> None:
    """Which patches go in, before any block runs."""

    def entered(_, args: tuple, keywords: dict) -> None:
        ids = args[1] if len(args) > 1 else keywords.get("ids")
        if trace.ids is None and not trace.layers and ids is not None and ids.shape[1] < trace.anatomy.grid.count:
            trace.ids = ids

    stack.callback(encoder.register_forward_pre_hook(entered, with_kwargs=True).remove)
