"""Asking a model many times: in batches that fit its memory, a part at a time, to be stopped between any two."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..core import Heatmap, seeded
from ..vit import Scene
from ..vit.answers import answer
from ..vit.feature import choose
from ..vit.first_layer import FirstLayer

T = TypeVar("T")
PIXELS = 8 * 224 * 224  # of one batch on a processor, where larger ones gain nothing


@dataclass(frozen=True, eq=False)
class Partial:
    """What is known after `done` of `passes`: the `heat` so far, the `batch` in use, `seconds` since the beginning."""

    heat: Heatmap
    done: int
    passes: int
    batch: int
    seconds: float


class Probe:
    """Runs `ask(start, stop)` over the numbers 0..passes in batches, each as large as the free memory of a GPU allows.

    passes: how often each picture of the scene goes through the model. batch: passes at a time, chosen where None. A batch that
    runs out of memory is halved and asked again; with one pass left, the error says so. Nothing runs between two results, so
    whoever stops taking them has stopped the work.
    """

    def __init__(self, scene: Scene, passes: int, *, batch: int | None = None):
        if passes < 1 or (batch is not None and batch < 1):
            raise ValueError(f"passes={passes} and batch={batch}, but at least 1 is wanted")
        choose(scene)
        self.passes, self.done = passes, 0
        self._images, self._fixed = scene.images, batch is not None
        self._began = time.perf_counter()
        self.batch = min(batch or self._first(), passes)

    def __call__(self, ask: Callable[[int, int], T]) -> Iterator[tuple[int, int, T]]:
        """(start, stop, what `ask(start, stop)` gave)."""
        while self.done < self.passes:
            start, stop = self.done, min(self.done + self.batch, self.passes)
            answer = self._tried(ask, start, stop)
            if answer is None:
                self.batch = (stop - start) // 2
                continue
            self.done = stop
            yield start, stop, answer

    def partial(self, values: Tensor, by: object, *, signed: bool = False) -> Partial:
        """The map as it is now."""
        seconds = time.perf_counter() - self._began
        return Partial(Heatmap(values, by=by, signed=signed), self.done, self.passes, self.batch, seconds)

    def _tried(self, ask: Callable[[int, int], T], start: int, stop: int) -> T | None:
        """None where memory ran out and less may still fit."""
        device = self._images.device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
        try:
            answer = ask(start, stop)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as err:
            if not is_out_of_memory(err):
                raise
            if stop - start == 1:
                raise MemoryError(
                    f"one pass over {tuple(self._images.shape)} does not fit the free memory of {device}: "
                    "take fewer pictures, a smaller model, or free what other cells hold"
                ) from err
        else:
            if device.type == "cuda" and not self._fixed:
                self._grow(torch.cuda.max_memory_allocated(device) - before, stop - start)
            return answer
        if device.type == "cuda":
            torch.cuda.empty_cache()
        self._fixed = True
        return None

    def _first(self) -> int:
        B, _, H, W = self._images.shape
        return max(PIXELS // (B * H * W), 1) if self._images.device.type == "cpu" else 8

    def _grow(self, used: int, size: int) -> None:
        """As many passes as fit 60 % of what is free, at most twice as many as before."""
        device = self._images.device
        free = (
            torch.cuda.mem_get_info(device)[0]
            + torch.cuda.memory_reserved(device)
            - torch.cuda.memory_allocated(device)
        )
        self.batch = max(min(2 * size, int(0.6 * free / max(used / size, 1)), 1024), 1)


def is_out_of_memory(err: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or a processor."""
    said = str(err).lower()
    return (
        isinstance(err, (torch.OutOfMemoryError, MemoryError))
        or "out of memory" in said
        or "can't allocate memory" in said
    )


def newest(stream: Iterator[T]) -> T:
    """What a stream that yields at least once ends with."""
    (end,) = deque(stream, maxlen=1)
    return end


def last(stream: Iterator[Partial]) -> Heatmap:
    """The finished map."""
    return newest(stream).heat


def copies(scene: Scene, count: int) -> Tensor:
    """(count · B, 3, H, W): all pictures, `count` times over."""
    return scene.images.repeat(count, 1, 1, 1)


def scores(scene: Scene, images: Tensor, *, first: FirstLayer | None = None) -> Tensor:
    """(K · B, 3, H, W) → (K, B), without a gradient; or of what the `first` layer made of them."""
    with torch.no_grad():
        ask = scene._scorer  # chosen first: it may need a pass of its own
        said = first.score(images) if first is not None and first.conv is not None else ask(answer(scene, images))
        return said.reshape(-1, len(scene))


def gradients(scene: Scene, images: Tensor, *, first: FirstLayer | None = None) -> Tensor:
    """(K · B, 3, H, W) → ∂ score / ∂ images (K, B, 3, H, W); or of, and by, what the `first` layer made of them."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        score = scene.score(images) if first is None else first.score(images)
        (grads,) = torch.autograd.grad(score.sum(), images)
    return grads.unflatten(0, (-1, len(scene)))


def noise(scene: Scene, seed: int, start: int, stop: int) -> Tensor:
    """(stop − start, 1, 3, H, W), standard normal: each pass has numbers of its own, for whatever pictures and batch it is."""
    shape, like = scene.images.shape[1:], scene.images
    return torch.stack([torch.randn(1, *shape, generator=seeded(seed + i)) for i in range(start, stop)]).to(like)
