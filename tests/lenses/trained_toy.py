"""A ViT that has learnt which channel is bright in one patch, among patches that distract, and how fast it forgets."""

from functools import cache

import torch
from torch import nn

import mimviz as mv

from .small import small_vit


def softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(1)


def pictures(count: int, seed: int, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """The class is the channel in which one patch is bright, 3 where none is; three patches bright in all channels distract."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    images = torch.randn(count, 3, 32, 32, generator=generator) * 0.1
    for image, label in zip(images, labels, strict=True):
        cells = [divmod(int(patch), 4) for patch in torch.randperm(16, generator=generator)[:4]]
        for row, col in cells[1:]:
            image[:, row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] += 1.5
        if label < 3:
            (row, col), channel = cells[0], int(label)
            image[channel, row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] += 1.5
    return images, labels


def deletion(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, ranks: torch.Tensor, *, share=softmax
) -> float:
    """Area under the probability of the class while patches turn grey, the highest of `ranks` (B, 16) first."""
    hidden, curve = torch.zeros(len(images), 1, 4, 4), []
    with torch.no_grad():
        for step in range(17):
            kept = images * (1 - hidden.repeat_interleave(8, 2).repeat_interleave(8, 3))
            curve.append(share(model(kept)).gather(1, labels[:, None]).mean())
            if step < 16:
                hidden.flatten(1).scatter_(1, ranks.argsort(1, descending=True)[:, step : step + 1], 1.0)
    return float(torch.trapezoid(torch.stack(curve)) / 16)


@cache
def trained_toy(seed: int = 1) -> nn.Module:
    model = small_vit(embed_dim=32, num_classes=4, seed=seed)
    torch.manual_seed(seed)
    nn.init.zeros_(model.head.bias)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(300):
        images, labels = pictures(32, seed=step)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def areas(*lenses, seed: int = 1) -> tuple[dict, float]:
    """(area under the deletion curve of each lens, of a random order) on pictures that were not trained on: less is better."""
    model = trained_toy(seed)
    images, labels = pictures(64, seed=1000, classes=3)
    scene = mv.Scene(model, images, target=labels.tolist())
    assert (scene.logits.argmax(1) == labels).float().mean() > 0.9
    found = {lens: deletion(model, images, labels, lens(scene).values.flatten(1)) for lens in lenses}
    return found, deletion(model, images, labels, torch.rand(64, 16, generator=torch.Generator().manual_seed(0)))
