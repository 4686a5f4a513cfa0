"""Context Encoder: the channel-wise layer, the two players, and what each loss paints where two fills are possible."""

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz import recipes
from mimviz.core import Mask
from mimviz.grammar.decoders import ChannelWise

from .small import GRID, encoder, made
from .test_gmml import pixels
from .test_invariants import smooth


def test_the_channel_wise_layer_has_a_matrix_for_each_channel_and_nothing_across():
    layer = ChannelWise(5, GRID, prefix=0, dim=8)
    assert layer.spread.numel() == 5 * 16**2
    x = torch.randn(1, 16, 5)
    jacobian = torch.autograd.functional.jacobian(layer.everywhere, x)[0, :, :, 0]  # N, C, N, C
    for a in range(5):
        for b in range(5):
            block = jacobian[:, a, :, b]
            assert torch.equal(block, layer.spread[a] if a == b else torch.zeros(16, 16))


def test_a_hole_is_the_mean_colour():
    model, images, mask = made("context_encoder"), smooth(2), Mask.random(GRID, ratio=0.25, seed=1, batch=2)
    at = pixels(GRID, mask.hidden).expand_as(images)
    assert (model.spoilt(images, mask)[at] == 0).all()


def test_the_paper_s_loss_by_hand():
    """0.999 |M (x − F)|² + 0.001 L_adv; the discriminator learns from the same fill, cut off."""
    torch.manual_seed(0)
    model = recipes.context_encoder(encoder("context_encoder"), dim=32, adversarial=0.001)
    images, mask = smooth(2), Mask.random(GRID, ratio=0.25, seed=1, batch=2)
    outcome = model(images, mask)
    at = pixels(GRID, mask.hidden)
    guess = GRID.unpatchify(outcome.guess)
    fake, real = (model.discriminator(x * at) for x in (guess, images))
    squared = ((guess - images)[at.expand_as(images)] ** 2).mean()
    fooled = -torch.log(torch.sigmoid(fake)).mean()
    told = -(torch.log(torch.sigmoid(real)) + torch.log(1 - torch.sigmoid(fake))).mean() / 2
    torch.testing.assert_close(outcome.loss, 0.999 * squared + 0.001 * fooled + told, atol=1e-5, rtol=1e-4)


def test_each_of_the_two_players_gets_its_own_gradient_alone():
    torch.manual_seed(0)
    model = recipes.context_encoder(encoder("context_encoder"), dim=32, adversarial=0.5)
    terms = model(smooth(2), Mask.random(GRID, ratio=0.25, seed=1)).terms
    painter, judge = list(model.decoder.parameters()), list(model.discriminator.parameters())

    def reached(term, parameters):
        found = torch.autograd.grad(term, parameters, allow_unused=True, retain_graph=True)
        return any(each is not None and each.abs().sum() > 0 for each in found)

    assert reached(terms["adversarial"], painter) and not reached(terms["adversarial"], judge)
    assert reached(terms["discriminator"], judge) and not reached(terms["discriminator"], painter)


def test_without_the_adversary_it_is_plain():
    model = made("context_encoder")
    assert not hasattr(model, "discriminator") and not model(smooth(2)).terms


def test_any_encoder_will_do():
    model = recipes.context_encoder(mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1), dim=32)
    assert model.decoder.spread.shape == (192, 16, 16) and torch.isfinite(model(smooth(2)).loss)
    with pytest.raises(ValueError, match="halved"):
        ChannelWise(5, mv.Grid(2, 2, 12), prefix=0)


@pytest.fixture(scope="module")
def fills():
    """What a painter fills into a grey picture whose hole was black or white, by a squared error and with a discriminator."""
    images = torch.zeros(8, 3, 32, 32)
    images[:4, :, 8:24, 8:24], images[4:, :, 8:24, 8:24] = 1.0, -1.0
    hidden = torch.zeros(4, 4, dtype=torch.bool)
    hidden[1:3, 1:3] = True
    mask = Mask.from_array(hidden)
    painted = {}
    for adversarial in (0.0, 0.6):
        torch.manual_seed(0)
        small = recipes.context_encoder(encoder("context_encoder"), dim=32, adversarial=adversarial)
        small.where = lambda images, grid: mask
        list(mv.fit(small, [images], steps=150, lr=3e-3, warmup=0, weight_decay=0.0))
        with torch.no_grad():
            painted[adversarial] = GRID.unpatchify(small(images[:1], mask).guess)[..., 8:24, 8:24]
    return painted


def test_the_squared_error_paints_the_mean_and_the_adversary_chooses(fills):
    assert fills[0.0].abs().mean() < 0.25, "between black (−1) and white (1)"
    assert fills[0.6].abs().mean() > 0.6


def test_the_adversary_s_fill_has_the_sharper_edge(fills):
    edge = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(3, 1, 3, 3)
    energy = {k: float(F.conv2d(F.pad(v, (1, 1, 1, 1)), edge, groups=3).square().mean()) for k, v in fills.items()}
    assert energy[0.6] > 2 * energy[0.0]
