"""B-cos networks: parity with the authors' layers, B = 1, exact completeness, and what alignment does to explanations."""

import math

import pytest
import timm
import torch
from bcos.modules.bcosconv2d import BcosConv2d
from bcos.modules.bcoslinear import BcosLinear
from bcos.modules.norms import BatchNormUncentered2d
from torch import nn

import mimviz as mv
from mimviz import lenses
from mimviz.lenses._bcosify import exponent
from mimviz.vit.bcos import BCosConv2d, BCosLinear, UncenteredBatchNorm2d

from .planted import planted_scene
from .planted_cnn import planted_cnn
from .small import small_vit


def made(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("b", [1, 1.5, 2])
def test_linear_is_the_authors(b):
    layer, x = nn.Linear(12, 7, bias=False), made(0, 3, 5, 12)
    oracle = BcosLinear(12, 7, b=b)
    oracle.linear = layer  # B-cosification leaves the weights as long as they are
    torch.testing.assert_close(BCosLinear(layer.weight.detach(), b=b)(x), oracle(x))


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (2, 2), (6, 1)])
def test_convolution_is_the_authors(groups, stride):
    layer, x = nn.Conv2d(6, 12, 3, stride=stride, padding=1, groups=groups, bias=False), made(0, 2, 6, 9, 8)
    oracle = BcosConv2d(6, 12, 3, stride=stride, padding=1, groups=groups, b=2)
    oracle.linear = layer
    torch.testing.assert_close(BCosConv2d(layer, b=2)(x), oracle(x), rtol=1e-4, atol=1e-5)


def test_batch_norm_is_the_authors():
    plain, x = nn.BatchNorm2d(4), made(0, 3, 4, 5, 5) + 1
    with torch.no_grad():
        plain.weight.copy_(made(1, 4))
        plain.running_var.copy_(made(2, 4).square() + 0.1)
    oracle = BatchNormUncentered2d(4)
    oracle.load_state_dict(plain.state_dict())
    oracle.bias = None
    ours = UncenteredBatchNorm2d(plain)
    for training in (True, False):  # the first step moves the deviations that the second reads
        torch.testing.assert_close(ours.train(training)(x), oracle.train(training)(x))


def test_b_1_is_the_model_without_its_biases():
    model = small_vit()
    converted = lenses.bcosify(model, b=1)
    bare = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        embed_dim=24,
        depth=3,
        num_heads=2,
        num_classes=5,
        qkv_bias=False,
    )
    bare.load_state_dict({k: v for k, v in model.state_dict().items() if "qkv.bias" not in k})
    for name, p in bare.named_parameters():
        if name.endswith("bias"):
            p.data.zero_()
    x = made(0, 2, 3, 32, 32)
    torch.testing.assert_close(converted(x), bare.eval()(x) - math.log(4), rtol=1e-4, atol=1e-4)


def scenes():
    cnn = lenses.bcosify(planted_cnn(noise=0.2))
    convnext = timm.create_model(
        "convnext_atto",
        depths=(1, 1, 1, 1),
        dims=(8, 8, 16, 16),
        num_classes=3,
        pretrained_cfg_overlay={"input_size": (3, 64, 64)},
    )
    for p in convnext.parameters():
        p.data += made(3, *p.shape) * 0.2
    yield from (
        mv.Scene(lenses.bcosify(small_vit(prefix=n), b=b), made(0, 2, 3, 32, 32), target=1)
        for n, b in ((0, 2), (1, 2), (3, 1.5))
    )
    yield mv.Scene(cnn, made(0, 2, 3, 128, 128), target=1)
    yield mv.Scene(lenses.bcosify(convnext.eval()), made(0, 2, 3, 64, 64), target=1)


@pytest.mark.parametrize("scene", scenes(), ids=["pooled", "class token", "registers", "resnet", "convnext"])
def test_pixels_and_constants_sum_to_the_logit(scene):
    heat, shares = lenses.BCos()(scene), lenses.BCos().shares(scene)
    torch.testing.assert_close(heat.values.flatten(1).sum(1), shares["pixels"], rtol=1e-4, atol=1e-5)
    bias = torch.full((2,), -math.log(scene.model.num_classes - 1))
    torch.testing.assert_close(shares["rest"], bias, rtol=1e-4, atol=1e-4)
    assert shares["pixels"].abs().min() > 1e-4, "the pixels have a share of their own"
    values = torch.stack([*shares.values()]).sum(0)
    torch.testing.assert_close(values, scene.logits[:, 1], rtol=1e-4, atol=1e-4)


def test_a_plain_model_loses_what_its_norms_add():
    scene = planted_scene()
    rest = lenses.BCos().shares(scene)["rest"]
    torch.testing.assert_close(lenses.BCos()(scene).values, lenses.LRP(gamma=0.0, attention="fixed")(scene).values)
    assert torch.isfinite(rest).all()


def test_the_slope_is_that_of_the_fixed_linear_map():
    """Twin: W(x) of a two-layer B-cos net, written out with matrices."""
    first, second = BCosLinear(made(0, 6, 4)), BCosLinear(made(1, 3, 6), shift=-1.0)
    x = made(2, 4)
    h = first.weight @ x
    one = torch.diag(h.abs() / x.norm()) @ first.weight
    gate = torch.diag((one @ x > 0).float())
    h = gate @ one @ x
    two = torch.diag((second.weight @ h).abs() / h.norm()) @ second.weight
    whole = two @ gate @ one
    net = nn.Sequential(first, nn.ReLU(), second)
    from mimviz.vit.relevance import relevance

    leaf = x.clone().requires_grad_()
    with relevance(net):
        out = net(leaf)
        slope = torch.autograd.grad(out[1], leaf)[0]
    torch.testing.assert_close(slope, whole[1].detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(out.detach(), (whole @ x - 1).detach(), rtol=1e-4, atol=1e-6)


def test_what_cannot_be_converted_says_so():
    net = planted_cnn()
    net.conv1.padding_mode = "reflect"
    with pytest.raises(TypeError, match="'reflect'"):
        lenses.bcosify(net)
    with pytest.raises(ValueError, match="0 B-cos layers"):
        exponent(planted_cnn(), 2)


# --- fine-tuning ---


def marks(count: int, seed: int, size: int = 32):
    """Grey noise with one coloured 8 x 8 square somewhere; its colour is the class."""
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(count, 3, size, size, generator=g) * 0.3, torch.randint(4, (count,), generator=g)
    colors = torch.tensor([[2.0, -1, -1], [-1, 2, -1], [-1, -1, 2], [2, 2, -1]])
    for image, label in zip(x, y, strict=True):
        r, c = torch.randint(size - 8, (2,), generator=g).tolist()
        image[:, r : r + 8, c : c + 8] = colors[label][:, None, None]
    return x, y


def pointing(model) -> float:
    """Grid pointing game: the share of positive contributions inside the cell of the class that is asked about."""
    x, y = marks(24, 100)
    shares = []
    for start in range(0, 24, 4):
        cells, labels = x[start : start + 4], y[start : start + 4]
        grid = torch.cat([torch.cat([*cells[:2]], 2), torch.cat([*cells[2:]], 2)], 1)[None]
        for k, label in enumerate(labels.tolist()):
            if labels.tolist().count(label) > 1:
                continue
            positive = lenses.BCos()(mv.Scene(model, grid, target=label)).values[0].clamp_min(0)
            r, c = 32 * (k // 2), 32 * (k % 2)
            shares.append(float(positive[r : r + 32, c : c + 32].sum() / positive.sum().clamp_min(1e-12)))
    return sum(shares) / len(shares)


def test_a_short_fine_tuning_and_b_2_point_at_the_right_cell():
    torch.manual_seed(0)
    net = timm.create_model(
        "resnet18",
        layers=(1, 1, 1, 1),
        channels=(8, 16, 16, 16),
        num_classes=4,
        pretrained_cfg_overlay={"input_size": (3, 64, 64)},
    )
    scores, right = {}, {}
    for b in (1.0, 2.0):
        tuning = lenses.BCosTuning(lenses.bcosify(net, b=b), mixup=0.2)
        losses = [
            step.loss
            for step in mv.fit(tuning, [marks(32, seed) for seed in range(10)], steps=80, lr=1e-2, weight_decay=0.0)
        ]
        assert losses[-1] < 0.8 * losses[0]
        with torch.no_grad():
            x, y = marks(64, 50)
            right[b] = float((tuning.model(x).argmax(1) == y).float().mean())
        scores[b] = pointing(tuning.model)
    print(scores, right)
    assert right[2.0] > 0.5
    assert scores[2.0] > scores[1.0]
