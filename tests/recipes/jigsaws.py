"""Pictures whose patches can be told apart by their place, but only beside each other."""

import torch


def gradients(count: int, *, seed: int = 0, batch: int = 32) -> list[torch.Tensor]:
    """Batches of colour gradients of one direction, each of another steepness and on another colour, with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    n = count * batch
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    colour = 0.7 * torch.randn(n, 3, 1, 1, generator=generator)
    steep = 0.5 + torch.rand(n, 1, 1, 1, generator=generator)
    noise = 0.1 * torch.randn(n, 3, 32, 32, generator=generator)
    return list((torch.stack([x, y, (x + y) / 2]) * steep + colour + noise).split(batch))


def accuracy(model, images, mask) -> float:
    """Share of the patches asked for whose likeliest place is their own."""
    model.eval()
    with torch.no_grad():
        outcome = model(images, mask)
    asked = outcome.mask.predict.gather(1, outcome.where)
    return float((outcome.guess.argmax(-1) == outcome.where)[asked].float().mean())
