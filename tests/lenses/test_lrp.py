"""LRP: conservation, parity with captum and lxt, what salient relevance makes of it."""

import captum.attr as ca
import lxt.explicit.functional as lf
import lxt.explicit.rules as lr
import pytest
import timm
import torch
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import nn

import mimviz as mv
from mimviz import lenses
from mimviz.vit.relevance import relevance

from .planted import PATCH, planted_scene


def small_vit(*, biased: bool, **keywords):
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=2,
        num_heads=2,
        num_classes=3,
        qkv_bias=biased,
        **keywords,
    )
    for name, p in model.named_parameters():
        p.data.add_(torch.randn_like(p) * 0.2)
        if not biased and ("bias" in name or name in ("pos_embed", "cls_token")):
            p.data.zero_()
    return model.eval().double()


def through(net, x, **keywords):
    """input × gradient of output 1 inside the context."""
    x = x.detach().requires_grad_()
    with relevance(net, **keywords):
        return x * torch.autograd.grad(net(x)[:, 1].sum(), x)[0]


class Plain(nn.Module):
    def __init__(self, bias: bool):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=bias),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 6, 3, padding=1, bias=bias),
            nn.ReLU(),
        )
        self.head = nn.Linear(6 * 64, 3, bias=bias)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


def plain_cnn(*, bias: bool = True):
    torch.manual_seed(0)
    return Plain(bias).eval()


@pytest.mark.parametrize("gamma", [0.0, 0.25, 10.0, float("inf")])
def test_a_net_without_biases_loses_nothing(gamma):
    net, x = plain_cnn(bias=False).double(), torch.rand(2, 3, 16, 16, dtype=torch.float64)
    found = through(net, x, gamma=gamma).flatten(1).sum(1)
    torch.testing.assert_close(found, net(x)[:, 1].detach(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("gamma", [0.0, 0.25])
def test_a_vit_without_biases_and_with_fixed_attention_loses_nothing(gamma):
    model = small_vit(biased=False, class_token=False, global_pool="avg")
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    lens = lenses.LRP(gamma=gamma, attention="fixed")
    scene = mv.Scene(model, images, target=1)
    told = lens.completeness(scene, lens(scene))
    torch.testing.assert_close(told.total, told.wanted, rtol=1e-4, atol=1e-5)


def test_captum():
    net, x = plain_cnn(), torch.rand(2, 3, 16, 16)
    for layer in (net.body[0], net.body[3], net.head):
        layer.rule = EpsilonRule()
    expected = ca.LRP(net).attribute(x.requires_grad_(), target=1)
    torch.testing.assert_close(through(net, x, gamma=0.0), expected.detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.25, 2.0])
def test_the_gamma_rule_of_one_layer_is_its_naive_twin(gamma):
    """R_i = Σ_j x_i (w_ij + γ w_ij^±) / Σ_k … · R_j for every sign of input, output and bias, one number after another."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 4).double()
    x, upper = torch.randn(5, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    layer.requires_grad_(False)
    y, expected = layer(x), torch.zeros(5, dtype=torch.float64)
    for j in range(4):
        sign = 1.0 if y[j] > 0 else -1.0
        favoured = [float(c) * (1 + gamma * (c * sign > 0)) for c in x * layer.weight[j].detach()]
        bias = float(layer.bias[j]) * (1 + gamma * (float(layer.bias[j]) * sign > 0))
        for i in range(5):
            expected[i] += favoured[i] / (sum(favoured) + bias) * upper[j]
    x = x.requires_grad_()
    with relevance(layer, gamma=gamma):
        found = x * torch.autograd.grad(layer(x), x, upper / y)[0]
    torch.testing.assert_close(found.detach(), expected, rtol=1e-6, atol=1e-8)


def test_a_transformer_block_is_lxts():
    """Attention and GELU once more with lxt's explicit rules, relevance in, relevance out."""
    model = small_vit(biased=True)
    block, x = model.blocks[0], torch.randn(1, 17, 24, dtype=torch.float64, requires_grad=True)
    upper = torch.randn(1, 17, 24, dtype=torch.float64)
    with relevance(block):
        y = block(x)
        found = x * torch.autograd.grad(y, x, upper / y.detach())[0]

    def linear(layer, z):
        return lf.linear_epsilon(z, layer.weight, layer.bias, 1e-12)

    def norm(layer, z):
        return lf.layer_norm(z, layer.weight, layer.bias, layer.eps)

    z = norm(block.norm1, x)
    q, k, v = linear(block.attn.qkv, z).reshape(1, 17, 3, 2, 12).permute(2, 0, 3, 1, 4)
    scores = lf.matmul(
        q,
        lf.mul2(k, torch.tensor(block.attn.scale, dtype=torch.float64)).transpose(-2, -1),
        inplace=False,
        epsilon=1e-12,
    )
    mixed = lf.matmul(lf.softmax(scores, -1), v, inplace=False, epsilon=1e-12)
    z = lf.add2(x, linear(block.attn.proj, mixed.transpose(1, 2).flatten(2)), inplace=False, epsilon=1e-12)
    hidden = linear(block.mlp.fc1, norm(block.norm2, z))
    hidden = lr.identity(nn.functional.gelu, hidden) if hasattr(lr, "identity") else lr.IdentityRule(nn.GELU())(hidden)
    out = lf.add2(z, linear(block.mlp.fc2, hidden), inplace=False, epsilon=1e-12)
    expected = torch.autograd.grad(out, x, upper)[0]
    torch.testing.assert_close(out, block(x), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("gamma", [0.0, 0.25, float("inf")])
def test_never_nan(gamma):
    scene = planted_scene(PATCH)
    scene.images = torch.zeros_like(scene.images)
    for image in (scene.images, torch.randn_like(scene.images)):
        scene.images = image
        assert torch.isfinite(lenses.LRP(gamma=gamma)(scene).values).all()


def test_outputs_stay_what_they_were():
    model, x = small_vit(biased=True), torch.randn(2, 3, 32, 32, dtype=torch.float64)
    plain = model(x)
    with relevance(model, gamma=0.25):
        torch.testing.assert_close(model(x), plain, rtol=1e-9, atol=1e-9)


def test_bad_rules():
    with pytest.raises(ValueError, match="gamma=-1"):
        lenses.LRP(gamma=-1)(planted_scene())
    lens, scene = lenses.LRP(channels="max"), planted_scene()
    heat = lens(scene)
    with pytest.raises(ValueError, match="channels='sum'"):
        lens.completeness(scene, heat)


# --- salient relevance ---


def test_relevance_of_a_conv_net_is_that_of_the_authors_code():
    """Layer after layer as their `relprop`: Z = x V⁺ in the linear layer, Z = the output itself in a convolution."""
    from .planted_cnn import planted_scene as planted_conv_net

    net, x = plain_cnn(bias=False).double(), torch.rand(1, 3, 16, 16, dtype=torch.float64)
    best = int(net(x).argmax())
    assert net(x)[0, best] > 0, "their rule takes positive weights, which speak for a positive logit"
    conv1, _, pool, conv2, _ = net.body
    one = conv1(x)
    low = pool(one.relu())
    two = conv2(low)
    flat, keep = two.relu().flatten(1), net.head.weight[best].clamp_min(0)
    R = flat * keep * (net.head(flat)[0, best] / (flat @ keep))  # (1, 384)
    low_ = low.detach().requires_grad_()
    R = low * torch.autograd.grad(conv2(low_), low_, R.reshape(two.shape) / two)[0]
    x_ = x.clone().requires_grad_()
    pooled = pool(conv1(x_).relu())
    expected = x * torch.autograd.grad(pooled, x_, torch.where(pooled > 0, R / pooled, 0.0).detach())[0]
    x_ = x.clone().requires_grad_()
    with relevance(net, gamma=0.0, dense=float("inf")):
        found = x * torch.autograd.grad(net(x_)[0, best], x_)[0]
    torch.testing.assert_close(found, expected.detach(), rtol=1e-6, atol=1e-10)
    scene = planted_conv_net()
    with relevance(scene.model, gamma=0.0, dense=float("inf")):
        by_hand = (
            (
                scene.images
                * torch.autograd.grad(scene.score(leaf := scene.images.clone().requires_grad_()).sum(), leaf)[0]
            )
            .abs()
            .sum(1)
        )
    torch.testing.assert_close(lenses.SalientRelevance().relevance(scene), by_hand)


def test_a_constant_relevance_is_not_salient():
    assert lenses.SalientRelevance().salient(torch.full((24, 24), 0.3)).max() == 0


def test_speckles_fade_more_than_a_blob_of_equal_energy():
    relevance_ = torch.zeros(48, 48)
    relevance_[8:14, 8:14] = 1.0
    speckles = torch.Generator().manual_seed(0)
    at = torch.randperm(24 * 24, generator=speckles)[:36]
    relevance_[24 + at // 24, 24 + at % 24] = 1.0
    found = lenses.SalientRelevance(cells=48).salient(relevance_)
    assert found[8:14, 8:14].mean() > 1.2 * found[24 + at // 24, 24 + at % 24].mean()
