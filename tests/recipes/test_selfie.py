"""Selfie: a slow twin, tiles that may come in any order, places without which it can only guess, and a picture of its answer."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.4, seed=1, batch=2)


def test_the_slow_twin():
    """v = u + place(hole); score = v · h(tile); cross-entropy against the tile that was there."""
    model, images = made("selfie").eval(), smooth(2)
    outcome, decoder = model(images, MASK), model.decoder
    with torch.no_grad():
        losses = torch.zeros(2, 7)
        for b in range(2):
            u = decoder.ask(model.encode(images[b : b + 1], MASK[b])[0, 0])
            ids = MASK.hidden_ids[b].tolist()
            for i, hole in enumerate(ids):
                v = u + decoder.rows[hole // 4] + decoder.cols[hole % 4]
                scores = []
                for tile in ids:
                    r, c = divmod(tile, 4)
                    pixels = images[b : b + 1, :, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
                    h = decoder.describe(model.encoder.vit.patch_embed.proj(pixels)[0, :, 0, 0])
                    scores.append(float(v @ h))
                losses[b, i] = -torch.tensor(scores).log_softmax(0)[i]
    torch.testing.assert_close(outcome.patch_loss, losses, atol=1e-4, rtol=1e-4)


def test_the_order_of_tiles_permutes_columns_alone():
    model = made("selfie").eval()
    u, tiles, ids = torch.randn(2, 48), torch.randn(2, 7, 48), MASK.hidden_ids
    order = torch.randperm(7)
    torch.testing.assert_close(model.decoder(u, tiles[:, order], ids), model.decoder(u, tiles, ids)[..., order])


def test_hidden_patches_are_tiles_and_never_context():
    """Swapping two hidden patches swaps their columns: nothing else knows of them."""
    model, images = made("selfie").eval(), smooth(2)
    patches = GRID.patchify(images)
    a, b = MASK.hidden_ids[0, :2].tolist()
    swapped = patches.clone()
    swapped[0, [a, b]] = patches[0, [b, a]]
    one, two = (model.matches(each, MASK) for each in (images, GRID.unpatchify(swapped)))
    torch.testing.assert_close(one[0][:, [1, 0, 2, 3, 4, 5, 6]], two[0])


@pytest.fixture(scope="module")
def trained():
    """Pictures whose colours are a function of the place, shifted as a whole: what is visible tells the shift."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    shift = torch.randn(96, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    images = torch.stack([x + shift[:, 0], y + shift[:, 1], x - y + 0 * shift[:, 0]], 1)
    model = mv.recipes.selfie(encoder("selfie"), ratio=0.4, dim=32)
    list(mv.fit(model, list(images[:64].split(16)), steps=150, lr=3e-3, warmup=0))
    return model, images[64:]


def right(model, images):
    mask = Mask.random(GRID, ratio=0.4, seed=5, batch=len(images))
    return float((model.matches(images, mask).argmax(-1) == torch.arange(7)).float().mean())


def test_it_finds_the_tiles_and_without_places_it_guesses(trained):
    model, images = trained
    with_places = right(model, images)
    rows, cols = model.decoder.rows.data.clone(), model.decoder.cols.data.clone()
    model.decoder.rows.data.zero_()
    model.decoder.cols.data.zero_()
    without = right(model, images)
    model.decoder.rows.data, model.decoder.cols.data = rows, cols
    assert with_places > 0.5, "chance is 1 of 7"
    assert without == pytest.approx(1 / 7, abs=0.05), "one query for all holes"


def test_the_picture_of_its_answer(trained):
    model, _ = trained
    outcome = model.reconstruct(mv.image("cat"), MASK[0])
    assert outcome.leaks and "hidden patches themselves" in outcome.note
    chosen = outcome.guess.argmax(-1)[0]
    tiles = GRID.patchify(outcome.original.tensor()[0][None])[0]
    shown = GRID.patchify(outcome.pasted.tensor()[0][None])[0]
    ids = MASK.hidden_ids[0]
    torch.testing.assert_close(shown[ids], tiles[ids[chosen]], atol=1e-5, rtol=0)
    assert torch.equal(outcome.truth[0, :, 0], torch.arange(7))


def test_matches_are_chances():
    found = made("selfie").matches(smooth(2), MASK)
    assert found.shape == (2, 7, 7)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 7))
