"""A ViT that has learnt which of three colours are in a picture, in which two of them are: a map must say whose it is."""

from functools import cache

import torch
from torch import nn

import mimviz as mv

from .small import small_vit
from .trained_toy import deletion


def pictures(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 3, 32, 32) with two patches, each bright in one channel, and those two channels (B, 2)."""
    generator = torch.Generator().manual_seed(seed)
    channels = torch.stack([torch.randperm(3, generator=generator)[:2] for _ in range(count)])
    images = torch.randn(count, 3, 32, 32, generator=generator) * 0.1
    for image, pair in zip(images, channels, strict=True):
        for channel, patch in zip(pair, torch.randperm(16, generator=generator)[:2], strict=True):
            row, col = divmod(int(patch), 4)
            image[channel, row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] += 1.5
    return images, channels


@cache
def trained(seed: int) -> nn.Module:
    model = small_vit(embed_dim=32, num_classes=3, seed=seed)
    torch.manual_seed(seed)
    nn.init.zeros_(model.head.bias)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(300):
        images, channels = pictures(32, seed=step)
        there = torch.zeros(32, 3).scatter_(1, channels, 1.0)
        loss = nn.functional.binary_cross_entropy_with_logits(model(images), there)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def areas(*lenses, seed: int = 1) -> tuple[dict, float]:
    """(area under the deletion curve of the first colour, for each lens; for a random order): less is better."""
    model = trained(seed)
    images, channels = pictures(64, seed=1000)
    with torch.no_grad():
        assert ((model(images) > 0).sum(1) == 2).float().mean() > 0.9
    wanted = channels[:, 0]
    scene = mv.Scene(model, images, target=wanted.tolist())
    found = {
        lens: deletion(model, images, wanted, lens(scene).values.flatten(1), share=torch.sigmoid) for lens in lenses
    }
    return found, deletion(
        model, images, wanted, torch.rand(64, 16, generator=torch.Generator().manual_seed(0)), share=torch.sigmoid
    )
