"""Closed forms of RISE, Blur IG, Guided IG, XRAI and FullGrad."""

from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from torch import nn

import mimviz as mv
from mimviz import lenses
from mimviz.lenses.full_grad import enlarged, scaled
from mimviz.lenses.xrai import top
from mimviz.vit.terms import terms

from .planted import PATCH, planted_scene
from .planted_cnn import planted_scene as cnn_scene

# --- RISE ---


def test_rise_is_its_naive_twin():
    scene, lens = planted_scene(PATCH, 3), lenses.RISE(samples=20, center=False, seed=5)
    masks = lens.masks(scene, 0, 20)
    with torch.no_grad():
        expected = sum(scene.score(scene.images * mask)[:, None, None] * mask for mask in masks) / (20 * 0.5)
    torch.testing.assert_close(lens(scene).values, expected, rtol=1e-4, atol=1e-5)


def test_rise_of_a_linear_score_tends_to_its_weights():
    """E[M · f(x ⊙ M)] is, but for a constant, the share of each cell in a linear score."""
    scene = planted_scene(PATCH)
    share = torch.zeros(32, 32)
    share[8:16, 16:24] = 1.0
    scene.score = lambda images: (images * share).sum((1, 2, 3))
    heat = lenses.RISE(samples=600)(scene).values[0]
    inside, outside = heat[9:15, 17:23].abs().mean(), heat[24:, :8].abs().mean()
    assert inside > 3 * outside


def test_rise_masks_are_seen_as_often_as_asked():
    scene = planted_scene()
    smooth = lenses.RISE(keep=0.3).masks(scene, 0, 400)
    assert smooth.mean() == pytest.approx(0.3, abs=0.02) and smooth.min() >= 0 and smooth.max() <= 1
    dropped = lenses.RISE(keep=0.25, remove="drop").masks(scene, 0, 9)
    assert (dropped.flatten(1).sum(1) == 4).all()


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_rise_by_dropping_is_attention_at_minus_infinity(prefix):
    scene, lens = planted_scene(PATCH, prefix=prefix), lenses.RISE(samples=30, remove="drop", center=False)
    masks, total = lens.masks(scene, 0, 30), torch.zeros(4, 4)
    for mask in masks:
        seen = torch.cat([torch.ones(prefix, dtype=torch.bool), mask.flatten() > 0])
        with torch.no_grad():
            tokens = scene.model.forward_features(
                scene.images, attn_mask=seen[None, None, None].expand(1, 1, len(seen), -1)
            )
            total += scene.model.forward_head(tokens[:, seen])[0, 1] * mask
    torch.testing.assert_close(lens(scene).values[0], total / 15, rtol=1e-4, atol=1e-5)


def test_rise_by_dropping_points_there():
    heat = lenses.RISE(samples=300, remove="drop")(planted_scene(PATCH, 0, 15))
    assert heat.values.flatten(1).argmax(1).tolist() == [PATCH, 0, 15]


def test_rise_bad_words():
    with pytest.raises(ValueError, match="keep=1"):
        lenses.RISE(keep=1.0)(planted_scene())


# --- ways ---


@pytest.mark.parametrize(
    "lens", [lenses.GuidedIG(steps=80), lenses.GuidedIG(steps=80, band=1.0), lenses.BlurIG(steps=150, sigma=8.0)]
)
def test_ways_are_complete(lens):
    scene = planted_scene(PATCH, 3)
    assert lens.completeness(scene, lens(scene)).relative < 0.05


def test_guided_ig_without_a_band_is_integrated_gradients():
    scene = planted_scene(PATCH)
    straight = lenses.IntegratedGradients(steps=40, rule="riemann_left").attributions(scene)
    torch.testing.assert_close(lenses.GuidedIG(steps=40, band=0.0).attributions(scene), straight, rtol=1e-3, atol=1e-5)


def test_where_picture_and_baseline_agree_nothing_is_shared_out():
    scene = planted_scene(PATCH)
    scene.images = torch.zeros_like(scene.images)
    assert lenses.GuidedIG(steps=3).attributions(scene).abs().max() == 0


def test_bad_ways():
    with pytest.raises(ValueError, match="fraction=0"):
        lenses.GuidedIG(fraction=0)(planted_scene())
    with pytest.raises(ValueError, match="steps=0"):
        lenses.BlurIG(steps=0)(planted_scene())
    with pytest.raises(ValueError, match="baselines=\\(\\)"):
        lenses.XRAI(baselines=())(planted_scene())


def test_the_top_of_xrai_covers_what_was_asked():
    heat = lenses.XRAI(steps=10)(planted_scene(PATCH))
    region = top(heat, 1 / 16)
    assert region[0, 8:16, 16:24].float().mean() > 0.5 and top(heat, 1.0).all()
    with pytest.raises(ValueError, match="share is 0"):
        top(heat, 0)


# --- FullGrad ---


class Flat(nn.Module):
    """A ReLU net with batch norms in eval mode, in double precision."""

    def __init__(self, *, bias: bool = True):
        super().__init__()
        self.num_classes = 3
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=bias), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.head = nn.Linear(8 * 16, 3, bias=bias)
        norm = self.body[1]
        nn.init.uniform_(norm.running_mean, -1, 1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        if bias:
            nn.init.normal_(norm.bias)
        else:
            norm.running_mean.zero_()

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


def bare_scene(net: nn.Module, images: torch.Tensor, target: int = 1):
    """What `terms` asks of a scene, for a net that is not timm's."""
    return SimpleNamespace(
        model=net,
        images=images,
        score=lambda x: net(x)[:, target],
        anatomy=SimpleNamespace(attentions=()),
        __len__=lambda: 1,
    )


def test_full_gradients_are_complete_on_a_relu_net_with_batch_norm():
    net = Flat().double().eval()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    own, found, score = terms(bare_scene(net, images))
    total = own.flatten(1).sum(1) + sum(term.total for term in found)
    assert (total - score).abs().max() < 1e-10
    norm = net.body[1]
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    implicit = next(term for term in found if term.name == "body.1")
    x = images.clone().requires_grad_()
    z = norm(net.body[0](x))
    g = torch.autograd.grad(net.head(net.body[2:](z).flatten(1))[:, 1].sum(), z)[0]
    expected = (norm.bias - scale * norm.running_mean)[:, None, None] * g
    torch.testing.assert_close(implicit.values, expected.detach(), rtol=1e-8, atol=1e-10)


def test_without_biases_it_is_input_times_gradient():
    net = Flat(bias=False).double().eval()
    images = torch.randn(1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    own, found, score = terms(bare_scene(net, images))
    assert max((term.total.abs().max() for term in found), default=torch.zeros(())) < 1e-12
    assert (own.flatten(1).sum(1) - score).abs().max() < 1e-10


def test_the_map_is_the_authors():
    """ψ and the sum over layers once more, slowly, on the ReLU net."""
    net = Flat().double().eval()
    images = torch.randn(1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    own, found, _ = terms(bare_scene(net, images))

    def psi(x):
        x = x.abs() - x.abs().min()
        return x / (x.max() + 1e-6)

    expected = psi(own).sum(1)
    for term in found:
        if term.values is not None:
            expected = expected + nn.functional.interpolate(
                psi(term.values), (16, 16), mode="bilinear", align_corners=True
            ).sum(1)
    heat = lenses.FullGrad()(bare_scene(net, images))
    torch.testing.assert_close(heat.values, expected.float())
    assert scaled(own).max() == pytest.approx(1, abs=1e-4) and enlarged(own, torch.Size((4, 4))).shape[-2:] == (4, 4)


MODELS = {
    "class token": {}, "pooled": {"class_token": False, "global_pool": "avg"}, "registers": {"reg_tokens": 2},
    "scaled": {"init_values": 0.5, "qk_norm": True},
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_complete_on_every_vit(kind):
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=3,
        num_heads=2,
        num_classes=3,
        **MODELS[kind],
    )
    for p in model.parameters():
        p.data.add_(torch.randn_like(p) * 0.1)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    told = lenses.FullGrad().completeness(mv.Scene(model.double().eval(), images, target=1))
    assert told.gap.abs().max() < 1e-9


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto"])
def test_it_is_complete_on_conv_nets(name):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=3, pretrained_cfg_overlay={"input_size": (3, 64, 64)}).double().eval()
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    told = lenses.FullGrad().completeness(mv.Scene(model, images, target=1))
    assert told.gap.abs().max() < 1e-8 * max(1.0, float(told.wanted.abs().max()))


def test_the_strip_sums_to_the_score():
    scene = cnn_scene(PATCH)
    strip = lenses.FullGrad().terms(scene)
    assert strip[0].name == "pixels" and {"conv1", "fc"} & {term.name for term in strip}
    torch.testing.assert_close(
        sum(term.total for term in strip), scene.score(scene.images).detach(), rtol=1e-4, atol=1e-5
    )


def test_least_salient_pixels_matter_less():
    scene = planted_scene(PATCH)
    heat = lenses.FullGrad()(scene).values.flatten()
    whole = scene.score(scene.images).detach()
    least = heat.argsort()[:200]
    some = torch.randperm(1024, generator=torch.Generator().manual_seed(0))[:200]

    def change(pixels):
        images = scene.images.clone().flatten(2)
        images[:, :, pixels] = 0
        with torch.no_grad():
            return float((scene.score(images.reshape(scene.images.shape)) - whole).abs())

    assert change(least) < change(some)
    assert np.isfinite(change(least))
