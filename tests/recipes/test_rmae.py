"""R-MAE: regions, their order, MAE where their weight is zero, and completed maps on toy shapes."""

import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.targets import RegionMaps

from .small import GRID, encoder, made
from .test_invariants import smooth


def shapes(count, seed):
    """A rectangle of one colour on another: two regions."""
    g = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, 1, 1, generator=g).expand(-1, -1, 32, 32).clone()
    for image in images:
        top, left = (int(k) * 4 for k in torch.randint(0, 4, (2,), generator=g))
        image[:, top : top + 16, left : left + 16] = (image[:, :1, :1] + 0.5) % 1.0
    return images


def test_regions_are_those_of_the_picture_and_disjoint():
    images = shapes(3, 0)
    maps = RegionMaps(GRID, count=2, smallest=0.1)(images)
    assert maps.shape == (3, 2, 16, 64)
    assert torch.equal(maps.sum(1), torch.ones(3, 16, 64)), "two regions cover the picture, each pixel once"
    full = GRID.unpatchify(maps[0, 1:])[0, 0].bool()
    assert images[0, :, full].std(1).max() < 0.2, "of one colour, but for pixels at the edge"
    assert torch.equal(RegionMaps(GRID, count=3, smallest=0.1)(images)[:, 2], maps[:, 0]), (
        "where there are fewer they come again"
    )
    drawn = [RegionMaps(GRID, count=2, smallest=0.1)(images, torch.Generator().manual_seed(k)) for k in (1, 1, 2, 3, 4)]
    assert torch.equal(drawn[0], drawn[1]) and any(not torch.equal(drawn[0], each) for each in drawn[2:])


def test_permuted_regions_give_permuted_maps():
    model, mask = made("rmae"), Mask.random(GRID, seed=0, batch=2)
    regions, order = torch.rand(2, 5, 16, 64).round(), torch.tensor([3, 0, 4, 1, 2])
    a, b = (model.complete(smooth(2), mask, each)[1] for each in (regions, regions[:, order]))
    torch.testing.assert_close(a[:, order], b, atol=1e-5, rtol=1e-5)


def test_hidden_parts_of_regions_and_pixels_do_not_reach_the_maps():
    model, mask, images = made("rmae"), Mask.random(GRID, seed=0), smooth(1)
    regions = torch.rand(1, 3, 16, 64).round()
    other = torch.where(mask.hidden[:, None, :, None], 1 - regions, regions)
    patches = GRID.patchify(images)
    changed = GRID.unpatchify(torch.where(mask.hidden[..., None], torch.randn_like(patches), patches))
    assert torch.equal(model.complete(images, mask, regions)[1], model.complete(changed, mask, other)[1])
    shown = torch.where(mask.hidden[:, None, :, None], regions, 1 - regions)
    assert not torch.allclose(model.complete(images, mask, regions)[1], model.complete(images, mask, shown)[1])


def test_weight_zero_is_mae_bit_for_bit():
    losses = []
    for make, extra in ((mv.recipes.mae, {}), (mv.recipes.rmae, {"region_weight": 0.0}), (mv.recipes.rmae, {})):
        torch.manual_seed(0)
        model = make(encoder("rmae"), dim=32, depth=1, **extra)
        torch.manual_seed(1)
        losses.append(model(smooth(2)).loss)
    assert torch.equal(losses[0], losses[1]) and not torch.equal(losses[0], losses[2])


def test_the_term_is_cross_entropy_on_hidden_patches_and_trains_the_encoder():
    model, images, mask = made("rmae").eval(), shapes(2, 0), Mask.random(GRID, seed=0, batch=2)
    outcome = model(images, mask)
    truth, chance = model.complete(images, mask)
    naive = F.binary_cross_entropy(chance, truth, reduction="none").mean(-1).mean(1)[mask.hidden].mean()
    torch.testing.assert_close(outcome.terms["regions"].detach(), naive, atol=1e-5, rtol=1e-4)
    (gradient,) = torch.autograd.grad(outcome.terms["regions"], model.encoder.vit.patch_embed.proj.weight)
    assert gradient.abs().sum() > 0


def halves(count, seed):
    """Two colours side by side; which they are says where the one ends. Pictures, and the maps of the left and right part."""
    g = torch.Generator().manual_seed(seed)
    colours = torch.tensor([[1.5, 0, 0], [0, 1.5, 0], [0, 0, 1.5]])
    at = torch.randint(3, (count,), generator=g)
    left = (
        (torch.arange(32) // 8 <= at[:, None])[:, None, None].expand(-1, 1, 32, -1).float()
    )  # 1, 2 or 3 columns of patches
    images = (2 * left - 1) * colours[at][:, :, None, None]
    maps = torch.cat([left, 1 - left], 1)
    return images, GRID.patchify(maps.flatten(0, 1)[:, None]).unflatten(0, (count, 2))


def test_completed_maps_beat_a_constant_one_and_pixel_blindness():
    torch.manual_seed(0)
    model = mv.recipes.rmae(encoder("rmae"), region_dim=32, region_depth=1, dim=16, depth=0)
    images, maps = halves(32, 1)
    model.regions = lambda *_: maps
    list(mv.fit(model, [images], steps=120, lr=3e-3, warmup=10))
    held, truth = halves(32, 2)
    mask = Mask.random(GRID, seed=4, batch=32)

    def iou(guess):
        a, b = (x.transpose(1, 2)[mask.hidden].bool() for x in (guess, truth))
        return float((a & b).sum() / (a | b).sum())

    blind = model.complete(torch.zeros_like(held), mask, truth)[1] > 0.5
    found = iou(model.complete(held, mask, truth)[1] > 0.5)
    assert found > 0.8 and found > iou(torch.ones_like(truth)) + 0.1 and found > iou(blind) + 0.05
