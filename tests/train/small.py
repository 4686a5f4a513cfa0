"""A model, batches and interrupts that are small enough for tests of the loop."""

import ctypes

import torch

import mimviz as mv
from mimviz.data import Batches

HALF = (0.5, 0.5, 0.5)


def model(seed=0):
    torch.manual_seed(seed)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    return mv.recipes.mae(encoder, dim=16, depth=1)


def pictures(count=12):
    return torch.randint(0, 255, (count, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))


def batches(seed=0):
    return Batches(pictures(), 4, mean=HALF, std=HALF, seed=seed)


def weights(m):
    return torch.cat([p.detach().flatten() for p in m.parameters()])


class At(torch.nn.Module):
    """A masked model that does `act()` in the forward pass of one step (from 0)."""

    def __init__(self, step, act):
        super().__init__()
        self.inner, self.at, self.act, self.calls = model(), step, act, 0

    def forward(self, images):
        self.calls += 1
        if self.calls == self.at + 1:
            self.act()
        return self.inner(images)


def interrupt(thread):
    """Raises KeyboardInterrupt in another thread, wherever it is."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
