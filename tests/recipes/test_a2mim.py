"""A²MIM: a naive twin of its loss, its mask token in ViTs and conv nets, and what explains it: interactions."""

import numpy as np
import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.fourier import focal_frequency
from mimviz.vit.interactions import interactions, strengths

from .small import GRID, RESNET, VIT


def model(family=VIT, **keywords):
    torch.manual_seed(0)
    made = mv.recipes.a2mim(mv.encoder(family[0], img_size=32, **family[1]), **keywords)
    nn.init.normal_(made.token)
    return made


@pytest.fixture(params=[VIT, RESNET], ids=["ViT", "ResNet"])
def any_model(request):
    return model(request.param)


def test_loss_is_that_of_a_naive_twin():
    mim, mask, images = model(), Mask.random(GRID, ratio=0.6, seed=1, batch=2), torch.randn(2, 3, 32, 32)
    vit, filled = mim.encoder.vit, images.clone()
    pixels = mask.hidden.reshape(2, 4, 4).repeat_interleave(8, 1).repeat_interleave(8, 2)
    for b in range(2):
        for c in range(3):
            filled[b, c][pixels[b]] = images[b, c][~pixels[b]].mean()
    x = vit.patch_embed(filled) + vit.pos_embed[:, 1:] + mask.hidden[..., None] * mim.token
    x = vit.blocks(torch.cat([(vit.cls_token + vit.pos_embed[:, :1]).expand(2, -1, -1), x], 1))
    guess = GRID.unpatchify(mim.decoder.head(vit.norm(x)[:, 1:])).detach()
    spatial = (guess - images).abs().permute(0, 2, 3, 1)[pixels].mean()
    fourier = []
    for b in range(2):
        mixed = torch.where(pixels[b], guess[b], (guess[b] + images[b]) / 2)
        F = [np.fft.fft2(x.double().numpy()) / 32 for x in (mixed, images[b])]
        apart = np.abs(F[0] - F[1])
        weight = np.log(1 + apart)
        fourier.append((weight / weight.max() * apart**2).mean())
    outcome = mim(images, mask).detached()
    assert float(outcome.terms["fourier"]) == pytest.approx(0.5 * np.mean(fourier), rel=1e-5)
    assert float(outcome.loss) == pytest.approx(float(spatial) + 0.5 * np.mean(fourier), rel=1e-5)


def test_the_fourier_term_is_0_for_the_picture_alone():
    images = torch.randn(2, 3, 16, 16)
    assert focal_frequency(images, images) == 0
    other = images.clone()
    other[1, 2, 3, 4] += 1e-2
    assert focal_frequency(other, images) > 0


def test_its_weight_carries_no_gradient():
    """So the slope in one direction is that of w · |Δ|² with w held fast."""
    truth, guess = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8, requires_grad=True)
    apart = torch.fft.fft2(guess, norm="ortho") - torch.fft.fft2(truth, norm="ortho")
    weight = torch.log1p(apart.abs()).detach()
    wanted = torch.autograd.grad((weight / weight.max() * apart.abs().square()).mean(), guess)[0]
    torch.testing.assert_close(torch.autograd.grad(focal_frequency(guess, truth), guess)[0], wanted)


def test_without_the_fourier_term_it_is_l1_bit_for_bit():
    mask, images = Mask.random(GRID, ratio=0.6, seed=1, batch=2), torch.randn(2, 3, 32, 32)
    plain, whole = model(weight=0)(images, mask), model()(images, mask)
    assert torch.equal(plain.guess, whole.guess) and not plain.terms
    assert torch.equal(plain.loss, (plain.guess - plain.truth).abs().mean(-1)[mask.hidden].mean())
    assert whole.loss > plain.loss


def test_where_patches_are_visible_the_guess_gets_no_gradient():
    """Pixels and frequencies alike."""
    mim, mask, images = model(), Mask.random(GRID, ratio=0.6, seed=1, batch=2), torch.randn(2, 3, 32, 32)
    seen = []
    mim.decoder.register_forward_hook(lambda module, args, out: (out.retain_grad(), seen.append(out))[0])
    mim(images, mask).loss.backward()
    assert (seen[0].grad[~mask.hidden] == 0).all() and (seen[0].grad[mask.hidden] != 0).any(-1).all()


def test_the_token_is_added_where_it_should_be(any_model):
    """In the input of that module alone, in hidden cells alone, and nothing is left behind."""
    mim, mask, images = any_model.eval(), Mask.random(GRID, ratio=0.6, seed=1, batch=2), torch.randn(2, 3, 32, 32)
    module, seen = mim.encoder.vit.get_submodule(mim.before), []
    hook = module.register_forward_hook(lambda _, args, out: seen.append(args[0]))
    with torch.no_grad():
        mim.encode(images, mask)
        filled = GRID.unpatchify(mim.how(GRID.patchify(images), mask)[0])
        mim.encoder(mim.encoder.embed(filled))
    hook.remove()
    with_token, without = (x if x.ndim == 3 else x.permute(0, 2, 3, 1) for x in seen)
    finer = max(mim.finer, 1)
    hidden = mask.hidden.reshape(2, 4, 4).repeat_interleave(finer, 1).repeat_interleave(finer, 2)
    if with_token.ndim == 3:
        hidden = nn.functional.pad(hidden.flatten(1), (1, 0))  # the class token
    assert torch.equal(with_token[~hidden], without[~hidden])
    torch.testing.assert_close(with_token[hidden], without[hidden] + mim.token)
    assert not module._forward_pre_hooks


def test_no_hidden_pixel_reaches_the_fill():
    mim, mask = model(), Mask.random(GRID, ratio=0.6, seed=1)
    rows = torch.randn(1, 16, 192)
    other = torch.where(mask.hidden[..., None], 100 * torch.randn_like(rows), rows)
    assert torch.equal(mim.how(rows, mask)[0], mim.how(other, mask)[0])


def test_other_layers_and_families():
    assert model(layer=1).before == "blocks.1"
    assert model(RESNET).before == "layer4" and model(RESNET, layer=1).before == "layer2"
    assert model(RESNET, layer=1).finer == 2
    with pytest.raises(IndexError, match=r"before stage 1\.\.3"):
        model(RESNET, layer=0)
    with pytest.raises(TypeError, match=r"Swin"):
        mv.recipes.a2mim(mv.encoder("swin_tiny_patch4_window7_224", img_size=224, depths=(1, 1, 1, 1), embed_dim=24))


# --- interactions ---


def test_an_additive_score_has_no_interactions():
    weights = torch.randn(8, dtype=torch.float64)
    found = interactions(lambda there: there.double() @ weights, 8, (1, 5))
    assert found.shape == (7,)
    torch.testing.assert_close(found, torch.zeros(7, dtype=torch.float64))


def test_a_product_of_the_pair_is_1_at_every_order():
    found = interactions(lambda there: (there[:, 1] & there[:, 5]).double(), 8, (1, 5))
    torch.testing.assert_close(found, torch.ones(7, dtype=torch.float64))


def test_a_product_of_four_needs_the_other_two():
    """Nonzero only where S holds both: with probability m (m − 1) / 30 among 6 others."""
    found = interactions(lambda there: there[:, [0, 2, 4, 6]].all(1).double(), 8, (0, 6), samples=3000)
    assert found[0] == found[1] == 0 and found[6] == 1
    wanted = torch.tensor([m * (m - 1) / 30 for m in range(7)], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)
    J = strengths(found[None])
    assert J.mean() == pytest.approx(1)


def test_pairs_and_orders_that_there_are_not():
    with pytest.raises(ValueError, match=r"pair is \(3, 3\)"):
        interactions(lambda there: there.sum(1), 8, (3, 3))
    with pytest.raises(ValueError, match=r"order 7 is asked, but 6 other"):
        interactions(lambda there: there.sum(1), 8, (3, 4), orders=[7])
