"""iTPN: nothing hidden in any stage, a naive twin of its pyramid and of both losses, and who gets a gradient from which head."""

import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.recipes.itpn import stages

from .small import GRID, made


@pytest.fixture
def model():
    return made("itpn").eval()


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


MASK = Mask.random(GRID, ratio=0.6, seed=1, batch=2)


def test_hidden_units_leave_every_stage_as_it_is(model):
    other = GRID.unpatchify(torch.where(MASK.hidden[..., None], torch.randn(2, 16, 192), GRID.patchify(images())))
    assert not torch.equal(other, images())
    with torch.no_grad():
        for x, y in zip(stages(model.encoder, images(), MASK), stages(model.encoder, other, MASK), strict=True):
            assert torch.equal(x, y)


def test_units_are_squares_of_the_picture(model):
    """A unit's cells at each stage are those of the model's own maps, where nothing is hidden."""
    maps = model.encoder.vit.forward_intermediates(images(), intermediates_only=True)
    found = stages(model.encoder, images(), Mask.none(GRID).expand(2))
    assert [x.shape[2] for x in found] == [4, 2, 1]
    for whole, units in zip(maps, found, strict=True):
        side = units.shape[2]
        for n in (0, 6, 15):
            row, col = divmod(n, 4)
            cut = whole[:, :, row * side : (row + 1) * side, col * side : (col + 1) * side]
            torch.testing.assert_close(units[:, n].permute(0, 3, 1, 2), cut)


def test_both_losses_are_those_of_a_naive_twin(model):
    for p in model.teacher.parameters():
        p.data += 0.05 * torch.randn_like(p)
    neck, outcome = model.neck, model(images(), MASK).detached()
    maps = stages(model.encoder, images(), MASK)
    seen = stages(model.teacher.encoder, images(), Mask.none(GRID).expand(2))
    level, levels = 0, []
    for s in (2, 1, 0):
        x = maps[s] @ neck.laterals[s].weight.T + neck.laterals[s].bias
        if s < 2:
            up = torch.zeros_like(x)
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    up[:, :, i, j] = level[:, :, i // 2, j // 2]
            x = x + up
        level = x
        levels.insert(0, x + neck.outputs[s](x))
    tokens, apart = 0, []
    for s in range(3):
        cells = model.gather.layers[s](levels[s])
        tokens = tokens + torch.cat(
            [cells[:, :, i, j] for i in range(cells.shape[2]) for j in range(cells.shape[3])], -1
        )
        guess = model.heads[s](levels[s])
        cosines = []
        for b in range(2):
            for k, n in enumerate((~MASK.hidden[b]).nonzero()[:, 0].tolist()):
                cosines.append(F.cosine_similarity(guess[b, k], seen[s][b, n], dim=-1))
        apart.append(1 - torch.stack(cosines).mean())
    features = sum(apart) / 3
    guess, truth = model.decoder(tokens, MASK), model.target(images(), MASK)
    pixels = (guess - truth).square().mean(-1)[MASK.hidden].mean()
    torch.testing.assert_close(outcome.terms["features"], features.detach())
    assert outcome.loss == pytest.approx(float((pixels + features).detach()), rel=1e-5)


@pytest.mark.parametrize("level", range(3))
def test_a_head_teaches_its_level_and_all_above(model, level):
    """Without the pixels' loss a lateral has a gradient only if the head of its level, or of a finer one, is on."""
    model.levels = (level,)
    model(images(), MASK).terms["features"].backward()
    taught = [lateral.weight.grad is not None and bool(lateral.weight.grad.any()) for lateral in model.neck.laterals]
    assert taught == [s >= level for s in range(3)]
    assert all(p.grad is None for p in model.teacher.parameters())


def test_without_its_features_it_is_a_pyramid_of_mae(model):
    whole = model(images(), MASK)
    model.weight = 0
    plain = model(images(), MASK)
    assert not plain.terms and torch.equal(plain.patch_loss, whole.patch_loss)
    torch.testing.assert_close(whole.loss, plain.loss + whole.terms["features"])


def test_every_level_reaches_the_pixels(model):
    model.weight = 0
    model(images(), MASK).loss.backward()
    assert all(lateral.weight.grad.any() for lateral in model.neck.laterals)


def test_what_it_cannot_take():
    with pytest.raises(TypeError, match=r"mask units of a hierarchical ViT.*VisionTransformer.*hiera_tiny_224"):
        mv.recipes.itpn(mv.encoder("vit_tiny_patch16_224", img_size=32, depth=1))
    hiera = made("itpn").encoder
    with pytest.raises(ValueError, match="dim is 24, but a unit has 4 x 4 cells"):
        mv.recipes.itpn(hiera, dim=24)
