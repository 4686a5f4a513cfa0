"""LocalMIM: the authors' loss once more, histograms of a ramp, grids, layers that are turned off, and who gets a gradient."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.grammar.blockwise import blockwise
from mimviz.grammar.targets import HOG, Scales

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.6, seed=1, batch=2)


def naive_hog(image, pool, bins=9):
    """(3 · bins, rows, cols): the mean strength in each direction, over its norm, cell by cell."""
    x = F.pad(image[None], (1, 1, 1, 1), mode="reflect")[0]
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    H, W = image.shape[1:]
    found = torch.zeros(3, bins, H // pool, W // pool)
    for c in range(3):
        for i in range(H):
            for j in range(W):
                window = x[c, i : i + 3, j : j + 3]
                gx, gy = float((window * sobel).sum()), float((window * sobel.T).sum())
                bin = math.floor(math.atan2(gx, gy) / math.pi * bins) % bins
                found[c, bin, i // pool, j // pool] += math.hypot(gx, gy) / pool**2
    return (found / found.norm(dim=1, keepdim=True).clamp(min=1e-12)).flatten(0, 1)


def test_the_loss_is_the_authors_():
    """As in forward_loss: masks repeated for fine cells and averaged for coarse ones, a mean for each scale, their sum."""
    torch.manual_seed(0)
    model, images = (
        made("localmim").eval(),
        F.pad(torch.rand(2, 3, 28, 28), (2, 2, 2, 2)),
    )  # a mirrored edge has no direction
    outcome = model(images, MASK)
    with torch.no_grad():
        parts = model.decoder(blockwise(model, images, MASK, model.layers), MASK)
    hidden, total = MASK.hidden.reshape(2, 4, 4).float(), 0.0
    for rows, times, grid in zip(
        parts, (4, 2, 1, 0.5), (Grid(4, 4, 4), Grid(4, 4, 2), GRID, Grid(2, 2, 1)), strict=True
    ):
        cells = round(4 * times)
        truth = torch.stack([naive_hog(image, 32 // cells) for image in images])
        guess = (Grid(4, 4, 1) if times == 1 else grid).unpatchify(rows)
        mask = (
            hidden.repeat_interleave(int(times), 1).repeat_interleave(int(times), 2)
            if times >= 1
            else F.avg_pool2d(hidden, 2)
        )
        assert guess.shape == truth.shape == (2, 27, cells, cells)
        total += (((guess - truth) ** 2).mean(1) * mask).sum() / mask.sum()
    torch.testing.assert_close(outcome.loss.detach(), total, atol=1e-4, rtol=1e-4)
    each = model.losses(outcome)
    torch.testing.assert_close(each.sum(-1), outcome.patch_loss)


def test_a_ramp_fills_one_bin():
    """Brighter to the right, downwards or along the diagonal: all strength of every inner cell in the predicted bin."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    for ramp, angle in ((x, math.atan2(-1, 0)), (y, math.atan2(0, -1)), (x + 2 * y, math.atan2(-1, -2))):
        for cells in (1, 2, 4):
            rows = HOG(Grid(4, 4, 16), cells=cells)(ramp.expand(1, 3, 64, 64) / 64)
            inner = rows.unflatten(-1, (cells, cells, 3, 9))[:, [5, 6, 9, 10]]
            wanted = math.floor(round(angle / math.pi * 9, 6)) % 9
            torch.testing.assert_close(inner[..., wanted], torch.ones_like(inner[..., 0]))
            assert inner.square().sum(-1).allclose(torch.ones(()))


def test_the_papers_grids_and_layers():
    target = Scales(Grid(14, 14, 16))
    assert target.widths == (16 * 27, 4 * 27, 27, 27) and [round(14 * t) for t in target.times] == [56, 28, 14, 7]
    twelve = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, num_heads=3)
    assert mv.recipes.localmim(twelve, dim=32, heads=4).layers == (1, 3, 9, 11)
    assert made("localmim").layers == (0, 1, 1, 1)
    with pytest.raises(ValueError, match="has 3 × 3"):
        Scales(Grid(3, 3, 8))
    with pytest.raises(ValueError, match=r"four of 0\.\.1 and four"):
        mv.recipes.localmim(encoder("localmim"), layers=(0, 1))
    with pytest.raises(ValueError, match="not divided so"):
        HOG(GRID, cells=3)


def test_only_the_top_layer_is_the_single_layer_model():
    model, images = made("localmim").eval(), smooth(2)
    model.loss = replace(model.loss, weights=(0.0, 0.0, 0.0, 1.0))
    model(images, MASK).loss.backward()
    top = model.decoder.decoders[3]
    with torch.no_grad():
        truth = HOG(Grid(2, 2, 16), cells=1)(images)
    weight = F.avg_pool2d(MASK.hidden.reshape(2, 4, 4).float(), 2).flatten(1)
    seen = model.encoder(*model.how(model.encoder.embed(images), MASK))  # the encoder's own norm is at rest
    error = (top(seen, MASK) - truth).square().mean(-1)
    qkv = model.encoder.vit.blocks[0].attn.qkv.weight
    (wanted,) = torch.autograd.grad((error * weight).sum() / weight.sum(), qkv)
    torch.testing.assert_close(qkv.grad, wanted, atol=1e-6, rtol=1e-4)
    assert not any(p.grad.any() for d in model.decoder.decoders[:3] for p in d.parameters() if p.grad is not None)


def test_lower_layers_get_more_with_local_losses():
    torch.manual_seed(0)
    deep = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=8, num_heads=3)
    model, norms = mv.recipes.localmim(deep, dim=32, heads=4), []
    for weights in ((1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0)):
        model.loss, _ = replace(model.loss, weights=weights), model.zero_grad()
        model(smooth(2), MASK).loss.backward()
        norms.append(float(torch.stack([p.grad.norm() for p in deep.vit.blocks[:2].parameters()]).norm()))
    assert norms[0] > 1.2 * norms[1]


def test_glyphs_of_every_scale():
    target = Scales(GRID)
    rows = target(smooth(1))
    assert [target.draw(rows, scale=k).shape[1] for k in range(4)] == [16 * 15, 8 * 15, 4 * 15, 2 * 15]
    assert torch.equal(target.draw(rows), HOG(GRID, cells=1).draw(target.parts(rows)[2]))
    assert torch.equal(
        target.draw(rows, scale=3), HOG(Grid(2, 2, 16), cells=1).draw(HOG(Grid(2, 2, 16), cells=1)(smooth(1)))
    )
