"""WaveletX: the transform against pywt, and what its mask must do."""

import numpy as np
import pytest
import pywt
import torch

from mimviz import lenses
from mimviz.lenses._wavelets import restored, transformed

from .planted import PATCH, planted_scene


@pytest.mark.parametrize("levels", [1, 3])
def test_the_transform_is_haars(levels):
    x = torch.randn(1, 1, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coarse, *details = pywt.wavedec2(x[0, 0].numpy(), "haar", level=levels)
    found = [band[0, 0].numpy() for band in transformed(x, levels)]
    np.testing.assert_allclose(found[0], coarse, atol=1e-12)
    for band, expected in zip(found[1:], [each for level in details for each in level], strict=True):
        np.testing.assert_allclose(band, expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(32, 32), (24, 40), (15, 15)])
def test_a_mask_of_ones_returns_the_picture(shape):
    x = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(restored(transformed(x, 4)), x, rtol=1e-5, atol=1e-6)
    assert sum(each.square().sum() for each in transformed(x, 4)) == pytest.approx(float(x.square().sum()), rel=1e-5)


def test_it_keeps_the_probability_and_little_of_the_picture():
    scene = planted_scene(PATCH)
    lens = lenses.WaveletX(steps=80)
    kept = lens.explanation(scene)
    mean, std = (torch.tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
    with torch.no_grad():
        told, wanted = (scene.model(x).softmax(-1)[0, 1] for x in ((kept - mean) / std, scene.images))
    assert told > 0.8 * wanted
    before = (scene.images * std + mean).abs().mean()
    assert kept.abs().mean() < 0.5 * before


def test_heavier_penalties_keep_less():
    scene = planted_scene(PATCH)
    sizes = [lenses.WaveletX(steps=30, sparse=s, spatial=2 * s)(scene).values.mean() for s in (0.0, 1.0, 20.0)]
    assert sizes[0] > sizes[1] > sizes[2]
