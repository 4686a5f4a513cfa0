"""Sparse passes: nothing of a hidden cell reaches any layer, the mask keeps its shape, and the net stays what it was."""

from threading import Thread

import pytest
import timm
import torch
from timm.layers.blur_pool import BlurPool2d
from torch import nn
from torch.nn import functional as F

from mimviz.cnn import enlarged, on_cells, pyramid, sparse, stages

CONVNEXT = {"depths": (1, 1, 2, 1), "dims": (8, 16, 24, 32)}
NETS = {
    "ResNet": ("resnet18", {"channels": (8, 16, 24, 32)}),
    "ResNet, bottlenecks, deep stem": ("resnet26d", {"layers": (1, 1, 1, 1)}),
    "ResNet, squeeze and excitation": ("seresnet18", {}),
    "ResNet, anti-aliasing": ("resnet26d", {"layers": (1, 1, 1, 1), "aa_layer": BlurPool2d}),
    "ConvNeXt": ("convnext_atto", CONVNEXT),
    "ConvNeXt, rows": ("convnext_atto", {**CONVNEXT, "conv_mlp": False}),
    "ConvNeXt v2": ("convnextv2_atto", CONVNEXT),
}
VISIBLE = torch.tensor([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 0, 1]]], dtype=torch.bool)  # of 2 pictures, 2 x 3 cells


def made(name: str, options: dict) -> nn.Module:
    torch.manual_seed(0)
    net = timm.create_model(name, **options)
    for module in net.modules():  # numbers that a slip would show
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
        if isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.bias)
    for name, weight in net.named_parameters():
        if name.endswith("gamma") or "grn" in name:
            nn.init.normal_(weight)
    return net


@pytest.fixture(params=NETS, ids=str)
def net(request):
    return made(*NETS[request.param])


def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_no_hidden_pixel_reaches_any_scale(net, training):
    """Bit for bit, also through the statistics of batch norm."""
    net.train(training)
    images = pictures()
    other = torch.where(enlarged(VISIBLE, images), images, 100 * torch.randn_like(images))
    with torch.no_grad():
        maps, again = pyramid(net, images, VISIBLE), pyramid(net, other, VISIBLE)
    for x, y in zip(maps, again, strict=True):
        assert torch.equal(x, y) and x.isfinite().all()


def test_the_mask_keeps_its_shape_at_every_scale(net):
    """Hidden cells are exactly 0, visible ones are not; in the ordinary net the holes close."""
    net.eval()
    images = pictures()
    with torch.no_grad():
        dense = pyramid(net, images * enlarged(VISIBLE, images))
        for x, plain in zip(pyramid(net, images, VISIBLE), dense, strict=True):
            alive = (x != 0).any(1)
            assert torch.equal(alive, enlarged(VISIBLE, x)[:, 0])
            assert (plain != 0).any(1).float().mean() > alive.float().mean()


def test_with_all_visible_it_is_the_plain_net(net):
    net.eval()
    with torch.no_grad():
        maps, plain = pyramid(net, pictures(), torch.ones_like(VISIBLE)), pyramid(net, pictures())
        torch.testing.assert_close(plain[-1], net.forward_features(pictures()), rtol=0, atol=0)
    for x, y in zip(maps, plain, strict=True):
        torch.testing.assert_close(x, y)


def test_the_net_is_left_as_found(net):
    net.eval()
    before = net.forward_features(pictures())
    with pytest.raises(RuntimeError), sparse(net, VISIBLE):
        net.forward_features(torch.zeros(2, 1, 64, 96))  # one channel is too few
    assert torch.equal(net.forward_features(pictures()), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_another_thread_sees_the_plain_net():
    net = made(*NETS["ResNet"]).eval()
    before, after = net.forward_features(pictures()), []
    with sparse(net, VISIBLE):
        thread = Thread(target=lambda: after.append(net.forward_features(pictures())))
        thread.start()
        thread.join()
        assert not torch.equal(net.forward_features(pictures()), before)
    assert torch.equal(after[0], before)


def by_hand(norm: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """Batch norm of visible cells, channel by channel."""
    at, out = enlarged(VISIBLE, x)[:, 0], torch.zeros_like(x)
    for c in range(x.shape[1]):
        cells = x[:, c][at]
        mean, var = cells.mean(), cells.var(unbiased=False)
        out[:, c][at] = (cells - mean) / (var + norm.eps).sqrt() * norm.weight[c] + norm.bias[c]
    return out


def test_a_basic_block_by_hand():
    """A stem and a block of a ResNet, written slowly: values, running means and gradients."""
    net = made(*NETS["ResNet"]).double().train()
    images = pictures().double()

    def seen(x):
        return x * enlarged(VISIBLE, x)

    block = net.layer1[0]
    stem = seen(F.relu(by_hand(net.bn1, seen(net.conv1(seen(images))))))
    pooled = seen(F.max_pool2d(stem, 3, 2, 1))
    inner = F.relu(by_hand(block.bn1, seen(block.conv1(pooled))))
    short = by_hand(block.downsample[1], seen(block.downsample[0](pooled))) if block.downsample is not None else pooled
    wanted = F.relu(by_hand(block.bn2, seen(block.conv2(inner))) + short)
    first = seen(net.conv1(seen(images))).permute(0, 2, 3, 1)[enlarged(VISIBLE, stem)[:, 0]].mean(0)
    before = net.bn1.running_mean.clone()

    with sparse(net, VISIBLE):
        found = block(net.maxpool(net.act1(net.bn1(net.conv1(seen(images))))))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(net.bn1.running_mean, 0.9 * before + 0.1 * first)
    weights = torch.randn_like(wanted)
    ours, theirs = (torch.autograd.grad((x * weights).sum(), net.conv1.weight)[0] for x in (found, wanted))
    torch.testing.assert_close(ours, theirs)


def test_gradients_of_a_norm_are_right():
    """torch's batch norm has a wrong gradient for one picture of strided cells: they are laid out anew."""
    norm = nn.BatchNorm2d(4).double()
    x = torch.randn(2, 4, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: on_cells(norm, x, VISIBLE), x)


def test_scales_are_the_last_stages_of_each_grid():
    assert stages(timm.create_model("resnet18"), 64, 64).scales == (0, 1, 2, 3)
    dilated = stages(timm.create_model("resnet18", output_stride=8), 64, 64)
    assert dilated.scales == (0, 3)
    assert [dilated.grids[s].patch for s in dilated.scales] == [4, 8]


def test_a_norm_over_all_cells_is_refused():
    net = timm.create_model("resnet50_gn", layers=(1, 1, 1, 1))
    with pytest.raises(TypeError, match=r"bn1 is a GroupNorm\w*, whose statistics would mix"), sparse(net, VISIBLE):
        pass
    assert not any(module._forward_hooks for module in net.modules())
