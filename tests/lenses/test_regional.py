"""Regional multi-scale prediction difference: closed forms, and captum for a single scale."""

import captum.attr as ca
import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz import lenses
from mimviz.lenses.regional import border

from .planted import PATCH, planted_scene


class Corner(nn.Module):
    """Logits that read one square alone: a model in front of which a scene's own is put aside."""

    def __init__(self, size: int = 8):
        super().__init__()
        self.size = size

    def forward(self, x):
        seen = x[:, :, 8 : 8 + self.size, 16 : 16 + self.size].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(seen), seen, 0.5 * seen], 1)


def corner_scene():
    scene = planted_scene(PATCH)
    scene.model = Corner()
    vars(scene)["_scorer"] = mv.vit.target.scorer(scene.model, lambda logits: logits[:, 1], None)
    return scene


def test_only_regions_that_touch_the_square_matter():
    scene = corner_scene()
    lens = lenses.RegionalMultiScale(scales=(20,), samples=2, smoothing=1e12)
    (regions,) = lens.regions(scene)
    values = lens(scene).values[0]
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[8:16, 16:24] = True
    touching = torch.isin(regions[0], regions[0][inside].unique())
    assert values[~touching].abs().max() < 1e-5 < values[touching].abs().max()


def test_one_scale_without_spread_is_captums_ablation_of_the_log_odds():
    scene = planted_scene(PATCH)
    lens = lenses.RegionalMultiScale(scales=(30,), samples=1, spread=0.0, smoothing=1e12)
    (regions,) = lens.regions(scene)
    mean, _ = border(scene.images, regions)
    expected = ca.FeatureAblation(lambda x: lens.log_odds(scene, x)).attribute(
        scene.images, baselines=mean.expand_as(scene.images), feature_mask=regions[:, None]
    )[:, 0]
    torch.testing.assert_close(lens(scene).values, expected.float(), rtol=1e-3, atol=1e-4)


def test_the_map_is_the_mean_of_its_scales():
    scene = planted_scene(PATCH)
    both = lenses.RegionalMultiScale(scales=(10, 30), samples=1, spread=0.0)(scene).values
    each = [lenses.RegionalMultiScale(scales=(n,), samples=1, spread=0.0)(scene).values for n in (10, 30)]
    torch.testing.assert_close(both, sum(each) / 2, rtol=1e-4, atol=1e-5)


def test_a_function_has_no_probability():
    with pytest.raises(ValueError, match="wants a class"):
        lenses.RegionalMultiScale()(planted_scene(target=lambda logits: logits[:, 1]))


def test_the_border_is_measured():
    scene = planted_scene(PATCH)
    regions = torch.arange(16).reshape(4, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)[None]
    mean, std = border(scene.images, regions)
    edge = torch.ones(32, 32, dtype=torch.bool)
    edge[8:24, 8:24] = False
    pixels = scene.images[0][:, edge]
    torch.testing.assert_close(mean[0, :, 0, 0], pixels.mean(1))
    torch.testing.assert_close(std[0, :, 0, 0], pixels.std(1, correction=0))
