"""Views: parts of a picture, mirrored and in other colours, the same for the same seed."""

import torch

from mimviz.core import seeded
from mimviz.grammar.views import Views


def places(batch: int) -> torch.Tensor:
    """Pictures whose red and green say where a pixel lies, −1..1."""
    y, x = torch.meshgrid((torch.arange(32) + 0.5) / 16 - 1, (torch.arange(32) + 0.5) / 16 - 1, indexing="ij")
    return torch.stack([x, y, 0 * x]).expand(batch, -1, -1, -1)


def test_the_same_seed_gives_the_same_views():
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(Views()(images, seeded(1)), Views()(images, seeded(1)))
    assert not torch.equal(Views()(images, seeded(1)), Views()(images, seeded(2)))


def test_parts_have_the_area_that_is_asked():
    views = Views((0.2, 0.5), jitter=0.0, grey=0.0)(places(200), seeded(0))
    width, height = (views[:, c].amax((1, 2)) - views[:, c].amin((1, 2)) for c in (0, 1))
    area = (width * 32 / 31) * (height * 32 / 31) / 4
    assert area.min() > 0.17 and area.max() < 0.53 and area.std() > 0.05
    mirrored = (views[:, 0, 0, -1] < views[:, 0, 0, 0]).float().mean()
    assert 0.35 < float(mirrored) < 0.65


def test_colours_change_as_told():
    images = torch.randn(64, 3, 8, 8)
    same = Views((1.0, 1.0), False, 0.0, 0.0)(images, seeded(0))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=1e-5)
    grey = Views((1.0, 1.0), False, 0.0, 1.0)(images, seeded(0))
    assert torch.allclose(grey.std(1), torch.zeros(64, 8, 8), atol=1e-5)
    torch.testing.assert_close(grey[:, 0], images.mean(1), atol=1e-5, rtol=1e-5)
    bright = Views((1.0, 1.0), False, 0.4, 0.0)(images, seeded(0))
    shift = bright.mean((1, 2, 3)) - images.mean((1, 2, 3))
    assert shift.abs().max() <= 0.4 and shift.std() > 0.1
