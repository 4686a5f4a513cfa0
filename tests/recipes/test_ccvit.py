"""CCViT: centroids as words and as pictures, a naive twin of both losses, BEiT where the pixels' term is off."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.data import crops
from mimviz.grammar.where import Blocks, Further

from .small import GRID, encoder, made


@pytest.fixture(scope="module")
def model():
    return made("ccvit").eval()


@pytest.fixture(scope="module")
def mask():
    """Seven patches hidden, two more shown as their centroids, in each picture."""
    generator = torch.Generator().manual_seed(0)
    return Further(ratio=0.2).of(Mask.random(GRID, ratio=0.4, seed=1, batch=2), generator)


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def test_a_centroid_is_its_own_word_and_repainting_twice_changes_nothing(model):
    codes = model.target
    assert torch.equal(codes.ids(GRID.unpatchify(codes.book[:16][None]))[0], torch.arange(16))
    once = GRID.unpatchify(codes.words(codes(images())))
    assert torch.equal(GRID.unpatchify(codes.words(codes(once))), once)


def test_both_losses_are_those_of_a_naive_twin(model, mask):
    vit, codes, cross, error = model.encoder.vit, model.target, [], []
    assert mask.predict.sum() == 18 and mask.hidden.sum() == 14
    with torch.no_grad():
        outcome = model(images(), mask)
        for b in range(2):
            patches = GRID.patchify(images())[b].clone()
            ids = [int((codes.book - patch).square().sum(1).argmin()) for patch in patches]
            corrupted = patches.clone()
            for n in range(16):
                if mask.predict[b, n] and not mask.hidden[b, n]:
                    corrupted[n] = codes.book[ids[n]]
            content = vit.patch_embed(GRID.unpatchify(corrupted[None]))[0]
            content[mask.hidden[b]] = model.how.token[0, 0]
            first = vit.blocks[0]((torch.cat([vit.cls_token[0], content]) + vit.pos_embed[0])[None])
            last = vit.blocks[1](first)
            scores = model.decoder.head(vit.norm(last)[0, 1:])
            again = model.second[1](model.second[0](torch.cat([last[:, :1], first[:, 1:]], 1)))
            pixels = model.pixels(again)[0, 1:]
            for n in mask.predict[b].nonzero()[:, 0].tolist():
                cross.append(scores[n].logsumexp(0) - scores[n, ids[n]])
                truth = (patches[n] - patches[n].mean()) / (patches[n].var() + 1e-6).sqrt()
                error.append((pixels[n] - truth).square().mean())
    torch.testing.assert_close(outcome.terms["pixels"], torch.stack(error).mean(), atol=1e-5, rtol=1e-5)
    wanted = float(torch.stack(cross).mean() + torch.stack(error).mean())
    assert outcome.loss == pytest.approx(wanted, rel=1e-5)
    torch.testing.assert_close(model.painted(images(), mask)[1, 3], pixels[3], atol=1e-5, rtol=1e-5)


def test_of_a_replaced_patch_only_its_centroid_is_seen(model, mask):
    """Another patch of the same code gives the same guess, bit for bit, and other pixels to be painted."""
    replaced = mask.predict & ~mask.hidden
    other = GRID.patchify(images())
    other[replaced] += 1e-3 * torch.randn(other[replaced].shape, generator=torch.Generator().manual_seed(0))
    other = GRID.unpatchify(other)
    assert torch.equal(model.target.ids(other), model.target.ids(images()))
    a, b = model(images(), mask), model(other, mask)
    assert torch.equal(a.guess, b.guess) and a.terms["pixels"] != b.terms["pixels"]
    shown = GRID.patchify(model.shown(images(), mask))
    assert torch.equal(shown[replaced], model.target.words(model.target(images()))[replaced])
    assert torch.equal(shown[~replaced], GRID.patchify(images())[~replaced])


def test_without_pixels_and_centroids_it_is_beit_bit_for_bit():
    model, mask = made("ccvit").eval(), Mask.random(GRID, ratio=0.4, seed=1, batch=2)
    beit = mv.recipes.beit(model.encoder).eval()
    beit.load_state_dict({k: v for k, v in model.state_dict().items() if k in beit.state_dict()})
    full = model(images(), mask)
    model.weight = 0
    found = []
    for recipe in (model, beit):
        recipe.zero_grad()
        outcome = recipe(images(), mask)
        outcome.loss.backward()
        found.append((outcome, recipe.encoder.vit.blocks[0].attn.qkv.weight.grad.clone()))
    (ours, grad), (theirs, his) = found
    assert torch.equal(ours.loss, theirs.loss) and torch.equal(ours.guess, theirs.guess) and torch.equal(grad, his)
    assert torch.equal(full.guess, ours.guess) and full.loss > ours.loss


def test_as_many_are_hidden_and_replaced_as_in_the_authors_code():
    """75 patches behind mask tokens, 20 shown as centroids, of 196."""
    grid = Grid(14, 14, 16)
    where = Further(Blocks.on(grid, 75 / 196), 20 / 121)
    drawn = where(torch.zeros(3, 3, 1, 1), grid, torch.Generator().manual_seed(0))
    assert drawn.hidden.sum(1).tolist() == [75] * 3 and drawn.predict.sum(1).tolist() == [95] * 3
    assert (drawn.predict >= drawn.hidden).all()
    alone = Further(Blocks.on(grid, 75 / 196), 0.75, alone=True)(torch.zeros(3, 3, 1, 1), grid)
    assert not (alone.predict & alone.hidden).any() and alone.predict.sum(1).tolist() == [91] * 3
    with pytest.raises(ValueError, match="ratio is 2"):
        Further(ratio=2)


def test_an_encoder_without_a_class_token_or_layer():
    bare = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, class_token=False, global_pool="avg")
    with pytest.raises(TypeError, match="no class token"):
        mv.recipes.ccvit(bare)
    with pytest.raises(ValueError, match=r"layer is 2, but the encoder has 2 blocks: 0\.\.1"):
        mv.recipes.ccvit(made("mae").encoder, layer=2)


def test_a_probe_reads_more_from_it_than_from_pixels_alone():
    """Which of 13 pictures a crop is of, by a linear probe after 150 steps: not more seldom than after SimMIM."""
    from sklearn.linear_model import LogisticRegression

    known, unseen = (crops(32, 32, seed=seed).float() / 127.5 - 1 for seed in (0, 1))
    labels = torch.arange(len(known)) // 24
    batches = list(known[torch.randperm(len(known), generator=torch.Generator().manual_seed(0))].split(39))
    scores = []
    for recipe in (mv.recipes.ccvit, mv.recipes.simmim):
        torch.manual_seed(2)
        model = recipe(encoder("ccvit"))
        list(mv.fit(model, batches, steps=150, lr=2e-3))
        with torch.no_grad():
            seen, new = (model.encoder(model.encoder.embed(each))[:, 1:].mean(1) for each in (known, unseen))
        mean, std = seen.mean(0), seen.std(0)
        probe = LogisticRegression(max_iter=500).fit(((seen - mean) / std).numpy(), labels.numpy())
        scores.append(probe.score(((new - mean) / std).numpy(), labels.numpy()))
    assert scores[0] >= scores[1] > 0.8
