"""The default picture of a norm-pix model gains nothing from hidden pixels; the leaking one is labelled."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.targets import Pixels


@pytest.fixture(scope="module")
def mim():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=256, patch_size=8, embed_dim=32, depth=1, num_heads=2)
    return mv.recipes.mae(encoder, normalize=True, dim=16, depth=1).eval()


def test_at_ratio_0_999_only_the_leaking_view_resembles_the_picture(mim):
    picture, mask = mv.image("astronaut", size=256), Mask.random(mim.grid, ratio=0.999, seed=0)
    assert (~mask).count == 1
    honest, leaking = (mim.reconstruct(picture, mask, statistics=s) for s in ("visible", "true"))
    rgb = torch.tensor(picture.array)
    hidden = mim.grid.patchify(rgb.permute(2, 0, 1)[None])[mask.hidden]
    flat = -10 * (hidden - rgb.mean((0, 1)).repeat(64)).square().mean().log10()
    assert honest.psnr < flat + 0.1, "an untrained model that saw one patch cannot beat the flat mean colour"
    assert leaking.psnr > flat + 3
    assert leaking.leaks and "uses the hidden pixels" in leaking.note
    assert not honest.leaks and "estimated from the visible" in honest.note


def test_hidden_pixels_never_reach_the_default_picture(mim):
    mask = Mask.random(mim.grid, ratio=0.999, seed=0)
    images = torch.randn(1, 3, 256, 256)
    patches = mim.grid.patchify(images)
    other = mim.grid.unpatchify(torch.where(mask.hidden[..., None], torch.rand_like(patches) * 9, patches))
    guess = torch.randn(1, mim.grid.count, 192)
    drawn = [mim.target.pixels(guess, x, mask) for x in (images, other)]
    assert torch.equal(*drawn)
    leaking = [mim.target.pixels(guess, x, mask, statistics="true") for x in (images, other)]
    assert not torch.equal(*leaking)


def test_the_true_statistics_undo_the_normalization_exactly():
    target, images = Pixels(mv.Grid(4, 4, 4)), torch.randn(2, 3, 16, 16)
    mask = Mask.random(target.grid, batch=2)
    back = target.pixels(target(images, mask), images, mask, statistics="true")
    torch.testing.assert_close(back, target.grid.patchify(images), atol=1e-5, rtol=1e-5)


def test_estimated_statistics_are_shepard_s():
    grid = mv.Grid(3, 3, 2)
    target, mask = Pixels(grid), Mask.random(grid, ratio=0.6, seed=2)
    values = torch.randn(1, 9, 1)
    estimated = target._from_visible(values, mask)[0, :, 0]
    for i in range(9):
        if not mask.hidden[0, i]:
            assert estimated[i] == values[0, i, 0]
            continue
        at = [(k, ((i // 3 - k // 3) ** 2 + (i % 3 - k % 3) ** 2) ** 0.5) for k in mask.keep_ids[0].tolist()]
        naive = sum(values[0, k, 0] / d**3 for k, d in at) / sum(1 / d**3 for _, d in at)
        assert estimated[i] == pytest.approx(float(naive), rel=1e-5)


def test_plain_pixels_have_nothing_to_hide():
    target = Pixels(mv.Grid(2, 2, 4), normalize=False)
    assert target.note("true") == "" and not target.leaks("true")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_every_precision_can_be_drawn(dtype):
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=32, depth=1, num_heads=2)
    mim = mv.recipes.mae(encoder, dim=16, depth=1)
    exact = mim.reconstruct("cat")
    outcome = mim.to(dtype).reconstruct("cat")
    assert abs(outcome.psnr - exact.psnr) < 0.2
    outcome.plot()
    assert outcome.masked == mim.float().reconstruct("cat").masked or dtype != torch.float64
