"""SparK: no leak at any scale, also in training; a naive twin of its decoder; what sets it apart from dense masking."""

import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.cnn import pyramid
from mimviz.core import Mask

NETS = {
    "ResNet": ("resnet18", {"channels": (8, 16, 24, 32), "layers": (1, 1, 1, 1), "zero_init_last": False}),
    "ConvNeXt": ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32), "ls_init_value": 1.0}),
}


@pytest.fixture(params=NETS.values(), ids=NETS)
def model(request):
    torch.manual_seed(0)
    name, options = request.param
    return mv.recipes.spark(mv.encoder(name, img_size=(64, 96), **options), dim=64)


def pictures():
    return torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def covered(mask, grid, like):
    """(B, 1, H, W): visible cells, enlarged."""
    cells = (~mask.hidden).reshape(len(mask), 1, *grid.shape).to(like.dtype)
    return F.interpolate(cells, like.shape[2:], mode="nearest").bool()


def test_no_leak_in_training_either(model):
    mask, images = Mask.random(model.grid, ratio=0.5, seed=0, batch=3), pictures()
    other = torch.where(covered(mask, model.grid, images), images, torch.randn_like(images))
    with torch.no_grad():
        assert torch.equal(model(images, mask).guess, model(other, mask).guess)


def test_loss_and_gradient_are_those_of_a_naive_twin(model):
    """Section 3.2, after pretrain/spark.py: densify, decode, squared error of normalized patches over the hidden ones."""
    model.double().train()
    images, mask, decoder = pictures().double(), Mask.random(model.grid, ratio=0.5, seed=0, batch=3), model.decoder
    maps = pyramid(model.encoder.vit, images, ~mask.hidden.reshape(3, *model.grid.shape))
    x = 0
    for s in (3, 2, 1, 0):  # coarsest first
        at, norm = covered(mask, model.grid, maps[s]), decoder.norms[s]
        cells = maps[s].permute(0, 2, 3, 1)[at[:, 0]]  # (visible cells, C)
        over = 1 if model.encoder.anatomy.family == "ConvNeXt" else 0  # of a cell, or of a channel
        spread = cells.var(over, unbiased=False, keepdim=True) + norm.eps
        cells = (cells - cells.mean(over, keepdim=True)) / spread.sqrt() * norm.weight + norm.bias
        dense = decoder.tokens[s].expand_as(maps[s]).permute(0, 2, 3, 1).clone()
        dense[at[:, 0]] = cells
        weight, bias = decoder.projections[s].weight, decoder.projections[s].bias
        x = x + F.conv2d(dense.permute(0, 3, 1, 2), weight, bias, padding=0 if s == 3 else 1)
        x = decoder.doublings[3 - s](x)
    x = decoder.head(decoder.doublings[4](x))  # five doublings: 32 pixels
    total, count = 0, 0
    for b in range(3):
        for n in mask.hidden[b].nonzero()[:, 0].tolist():
            row, col = divmod(n, model.grid.cols)
            cut = (b, slice(None), slice(32 * row, 32 * row + 32), slice(32 * col, 32 * col + 32))
            patch = images[cut]
            truth = (patch - patch.mean()) / (patch.var() + 1e-6).sqrt()
            total, count = total + (x[cut] - truth).square().mean(), count + 1
    outcome = model(images, mask)
    torch.testing.assert_close(outcome.loss, total / count)
    first = next(model.encoder.parameters())
    ours, theirs = (torch.autograd.grad(loss, first)[0] for loss in (outcome.loss, total / count))
    torch.testing.assert_close(ours, theirs)


def test_the_active_share_is_the_same_at_every_scale(model):
    model.eval()
    mask, images = Mask.random(model.grid, ratio=0.67, seed=0, batch=3), pictures()
    shares = [(x != 0).any(1).float().mean() for x in model.maps(images, mask)]
    assert all(share == (~mask.hidden).float().mean() for share in shares)
    filled = model.grid.unpatchify(model.how(model.grid.patchify(images), mask)[0])
    dense = [(x != 0).any(1).float().mean() for x in pyramid(model.encoder.vit, filled)]
    assert shares[0] < dense[0] <= dense[1] <= dense[2] <= dense[3], "the holes of a dense net close"
    assert dense[3] > 2 * shares[3]


def test_every_scale_teaches_the_decoder(model):
    model(pictures()).loss.backward()
    for token, project in zip(model.decoder.tokens, model.decoder.projections, strict=True):
        assert token.grad.any() and project.weight.grad.any()
    assert all(p.grad is not None for name, p in model.encoder.vit.named_parameters() if not name.startswith("head"))


def test_it_is_not_dense_masking(model):
    """The same net, mask and weights: visible cells of a dense pass speak of the holes beside them."""
    mask, images = Mask.random(model.grid, ratio=0.5, seed=0, batch=3), pictures()
    sparse = model(images, mask)
    filled = model.grid.unpatchify(model.how(model.grid.patchify(images), mask)[0])
    dense = model.compare(model.decoder(pyramid(model.encoder.vit, filled), mask), images, mask)
    assert (sparse.guess - dense.guess).norm() > 0.05 * sparse.guess.norm()
    assert not torch.isclose(sparse.loss, dense.loss, rtol=1e-6)
    torch.testing.assert_close(sparse.truth, dense.truth)


def test_hidden_counts_may_differ(model):
    hidden = torch.zeros(2, *model.grid.shape, dtype=torch.bool)
    hidden[0, 0, 0] = hidden[1, 1] = True
    assert torch.isfinite(model(pictures()[:2], Mask(hidden)).loss)


def test_what_it_cannot_take():
    vit = mv.encoder("vit_tiny_patch16_224", img_size=32, depth=1)
    with pytest.raises(TypeError, match=r"SparK is for conv nets.*VisionTransformer.*resnet50"):
        mv.recipes.spark(vit)
    with pytest.raises(ValueError, match="dim 48 cannot be halved down to pixels"):
        mv.recipes.spark(mv.encoder("resnet18", img_size=64), dim=48)
