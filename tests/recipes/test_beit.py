"""BEiT: the codes that it must name, a naive twin of its loss, and how it differs from MAE."""

import math

import pytest
import torch

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.grammar.where import Blocks

from .small import GRID, made


@pytest.fixture(scope="module")
def model():
    return made("beit").eval()


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def test_codes_are_those_of_scikit_learn(model):
    from sklearn.cluster import KMeans

    book = model.target.book.double().numpy()
    theirs = KMeans(len(book), init=book, n_init=1, max_iter=1).fit(book)  # every word is its own centre
    patches = GRID.patchify(images()).flatten(0, 1).double().numpy()
    found = model.target.ids(images())
    assert torch.equal(found.flatten(), torch.from_numpy(theirs.predict(patches)).long())
    assert torch.equal(model.target(images())[..., 0], found) and found.max() < model.target.count


@torch.no_grad()
def test_the_loss_is_that_of_a_naive_twin(model):
    """Section 2.3: −log p(code | corrupted picture), a hidden patch at a time."""
    mask, vit, total = Mask.random(GRID, ratio=0.4, seed=1, batch=2), model.encoder.vit, []
    for b in range(2):
        content = vit.patch_embed(images()[b : b + 1])[0]
        rows = [model.how.token[0, 0] if mask.hidden[b, n] else content[n] for n in range(16)]
        x = torch.cat([vit.cls_token[0], torch.stack(rows)]) + vit.pos_embed[0]
        x = vit.norm(vit.blocks(x[None]))[0, 1:]
        for n in mask.hidden[b].nonzero()[:, 0].tolist():
            patch = GRID.patchify(images())[b, n]
            code = min(range(model.target.count), key=lambda k: float((model.target.book[k] - patch).square().sum()))
            scores = [float(w @ x[n] + bias) for w, bias in zip(*model.decoder.head.parameters(), strict=True)]
            total.append(-math.log(math.exp(scores[code]) / sum(map(math.exp, scores))))
    assert model(images(), mask).loss == pytest.approx(sum(total) / len(total), rel=1e-5)


def test_it_asks_for_words_where_mae_asks_for_colours(model):
    """A change of a hidden patch that leaves its code alone changes MAE's loss and its gradient, not BEiT's."""
    mask = Mask.random(GRID, ratio=0.4, seed=1, batch=2)
    hidden = mask.hidden.reshape(2, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    other = images() + 1e-3 * hidden * torch.randn(images().shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.target.ids(images()), model.target.ids(other))

    def learned(recipe, pictures):
        recipe.zero_grad()
        loss = recipe(pictures, mask).loss
        loss.backward()
        return loss, recipe.decoder.head.weight.grad.clone()

    for recipe, same in ((model, True), (made("mae").eval(), False)):
        (a, grad), (b, moved) = (learned(recipe, each) for each in (images(), other))
        assert torch.equal(a, b) is same and torch.equal(grad, moved) is same


@torch.no_grad()
def test_guessing_evenly_costs_the_logarithm_of_the_book():
    model = made("beit").eval()
    model.decoder.head.weight.data.zero_()
    model.decoder.head.bias.data.zero_()
    assert float(model(images(), Mask.random(GRID, seed=0)).loss) == pytest.approx(math.log(64), rel=1e-6)


def test_a_tokenizer_of_ones_own_takes_the_place_of_the_stand_in():
    class Bright(torch.nn.Module):
        count = 2

        def forward(self, images, mask=None):
            return (GRID.patchify(images).mean(-1, keepdim=True) > 0).long()

    model = mv.recipes.beit(made("beit").encoder, codes=Bright())
    outcome = model(images(), Mask.random(GRID, seed=0))
    assert outcome.guess.shape == (2, 16, 2) and outcome.view is None and torch.isfinite(outcome.loss)


def test_blocks_hide_as_many_patches_as_the_paper():
    """75 of 196, in blocks of at least 16; a block of as large a share where the grid is smaller."""
    where = mv.recipes.beit(made("beit").encoder, ratio=75 / 196).where
    assert where.smallest == 1 and Blocks.on(Grid(14, 14, 16), 75 / 196).smallest == 16
    assert {m.count for m in [Blocks.on(Grid(14, 14, 16), 75 / 196)(torch.zeros(1, 3, 1, 1), Grid(14, 14, 16))]} == {75}
