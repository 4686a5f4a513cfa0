"""BEiT v2: the tokenizer by hand, the second stack against a twin, and what carries a gradient."""

import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.data import crops
from mimviz.grammar.targets import HOG, VQKD, Codes

from .small import GRID, made

HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


@pytest.fixture(scope="module")
def tokenizer():
    return VQKD.made(GRID, HOG(GRID), **HALF)


@pytest.fixture
def model():
    return made("beit_v2").eval()


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def unseen():
    return crops(32, 32, each=8, seed=9).float() / 127.5 - 1


# --- the tokenizer ---


def test_a_code_is_the_largest_cosine_whatever_the_length(tokenizer):
    z = tokenizer.features(images())
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(2, 16))
    ids = tokenizer.ids(images())
    for b, n in ((0, 3), (1, 12)):
        cosines = [float(F.cosine_similarity(z[b, n], word, dim=0)) for word in tokenizer.book]
        assert int(ids[b, n]) == max(range(64), key=cosines.__getitem__)
    assert torch.equal(tokenizer.look_up(7.5 * z), ids) and torch.equal(tokenizer.look_up(1e-3 * z), ids)
    assert torch.equal(tokenizer(images())[..., 0], ids) and int(ids.max()) < tokenizer.count


def test_the_gradient_goes_straight_through(tokenizer):
    z = tokenizer.features(images()).detach().requires_grad_()
    words, ids = tokenizer.quantized(z)
    torch.testing.assert_close(words, tokenizer.book[ids])
    weights = torch.randn(words.shape)
    (words * weights).sum().backward()
    assert torch.equal(z.grad, weights), "the identity"


def test_the_loss_and_the_drift_of_the_book_are_those_of_a_naive_twin(tokenizer):
    """After modeling_vqkd.py and norm_ema_quantizer.py, with loops."""
    small = VQKD(GRID, 5, count=6, code=4, dim=32, depth=1).train()
    small.decay = 0.9
    truth, before = torch.randn(2, 16, 5), small.book.clone()
    with torch.no_grad():
        z = small.features(images())
        ids = [[max(range(6), key=lambda k: float(before[k] @ z[b, n])) for n in range(16)] for b in range(2)]
        words = torch.stack([torch.stack([before[k] for k in row]) for row in ids])
        told = small.decoder(words, Mask.none(GRID).expand(2))
        cosines = [
            (t / t.norm()) @ (s / s.norm()) for t, s in zip(told.flatten(0, 1), truth.flatten(0, 1), strict=True)
        ]
        wanted = 1 - torch.stack(cosines).mean() + (words - z).square().mean()
        torch.testing.assert_close(small.loss(images(), truth), wanted, atol=1e-5, rtol=1e-5)
    for k in range(6):
        given = [z[b, n] for b in range(2) for n in range(16) if ids[b][n] == k]
        word = before[k]
        if given:
            mean = torch.stack(given).sum(0)
            word = 0.9 * word + 0.1 * mean / mean.norm()
        torch.testing.assert_close(small.book[k], word / word.norm(), atol=1e-5, rtol=1e-5)
    small.eval()
    kept = small.book.clone()
    small.loss(images(), truth)
    assert torch.equal(small.book, kept), "only training moves the book"


def test_the_book_is_used_and_tells_more_than_nothing(tokenizer):
    """On pictures that it was not made of: perplexity above 30 % of the words, and what it tells is nearer than a guess."""
    share = tokenizer.ids(unseen()).flatten().bincount(minlength=64) / (len(unseen()) * 16)
    perplexity = float(torch.exp(-torch.xlogy(share, share).sum()))
    assert perplexity > 0.3 * 64
    truth = HOG(GRID)(unseen())
    assert float(tokenizer.loss(unseen(), truth - truth.mean((0, 1)))) < 0.9  # 1 − cosine of a blind one: 1
    assert not any(p.requires_grad for p in tokenizer.parameters())
    again = VQKD.made(GRID, HOG(GRID), **HALF)
    assert torch.equal(again.book, tokenizer.book), "the same seed, the same words"


def test_centroids_keep_their_word_under_noise_that_learned_codes_do_not(tokenizer):
    """CCViT's local invariance: a little noise changes fewer of k-means' ids than of a tokenizer's of as many words."""
    pictures = unseen()
    noisy = pictures + 0.05 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    kept = [
        float((each.ids(pictures) == each.ids(noisy)).float().mean())
        for each in (Codes.by_kmeans(GRID, **HALF), tokenizer)
    ]
    assert kept[0] > kept[1] + 0.05


def test_words_of_like_direction_have_like_colours(tokenizer):
    drawn = tokenizer.draw(tokenizer(images()))
    assert drawn.shape == (2, 4, 4, 3) and drawn.min() >= 0 and drawn.max() <= 1
    scores = F.one_hot(tokenizer.ids(images()), 64).float()
    assert torch.equal(tokenizer.draw(scores), drawn)


# --- the model ---


def test_both_losses_are_those_of_a_naive_twin(model):
    mask, vit, first, second = Mask.random(GRID, ratio=0.4, seed=1, batch=2), model.encoder.vit, [], []
    with torch.no_grad():
        outcome, codes = model(images(), mask), model.target.ids(images())
        for b in range(2):
            content = vit.patch_embed(images()[b : b + 1])[0]
            content[mask.hidden[b]] = model.how.token[0, 0]
            early = vit.blocks[0]((torch.cat([vit.cls_token[0], content]) + vit.pos_embed[0])[None])
            late = vit.blocks[1](early)
            again = torch.cat([late[:, [0]], early[:, 1:]], 1)
            for block in model.second:
                again = block(again)
            for x, losses in ((late, first), (again, second)):
                logs = model.decoder.head(vit.norm(x)[0, 1:]).log_softmax(-1)
                losses += [-logs[n, codes[b, n]] for n in mask.hidden[b].nonzero()[:, 0].tolist()]
    torch.testing.assert_close(outcome.terms["aggregation"], torch.stack(second).mean(), atol=1e-5, rtol=1e-5)
    assert outcome.loss == pytest.approx(float(torch.stack(first).mean() + torch.stack(second).mean()), rel=1e-5)
    wanted = model.decoder.head(vit.norm(again)[0, 6])
    torch.testing.assert_close(model.aggregated(images(), mask)[1, 5], wanted, atol=1e-5, rtol=1e-5)


def test_aggregation_reaches_the_class_token_and_early_patches_alone(model):
    seen = {}
    for number, block in enumerate(model.encoder.vit.blocks):
        block.register_forward_hook(
            lambda module, args, out, number=number: seen.update({number: out}) or out.retain_grad()
        )
    model(images(), Mask.random(GRID, ratio=0.4, seed=1, batch=2)).terms["aggregation"].backward()
    late, early = seen[1].grad, seen[0].grad
    assert (late[:, 1:] == 0).all() and late[:, 0].abs().sum() > 0 and early[:, 1:].abs().sum() > 0


def test_without_aggregation_it_is_beit_bit_for_bit(model):
    mask = Mask.random(GRID, ratio=0.4, seed=1, batch=2)
    beit = mv.recipes.beit(model.encoder, codes=model.target).eval()
    beit.load_state_dict({k: v for k, v in model.state_dict().items() if k in beit.state_dict()})
    full, model.weight = model(images(), mask), 0
    assert torch.equal(model(images(), mask).loss, beit(images(), mask).loss)
    assert torch.equal(full.guess, beit(images(), mask).guess) and full.loss > beit(images(), mask).loss


def test_its_words_may_come_from_a_teacher():
    """What a model sees, or codes of one's own; the tokenizer is no part of what is trained."""
    torch.manual_seed(1)
    teacher = mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, embed_dim=24, depth=1, num_heads=2)
    model = mv.recipes.beit_v2(made("mae").encoder, teacher=teacher, count=8, steps=4)
    assert model.target.decoder.head[2].out_features == 24 and model(images()).guess.shape == (2, 16, 8)
    book = model.target.book.clone()
    list(mv.fit(model, [images()], steps=2, lr=1e-2, warmup=0))
    assert torch.equal(model.target.book, book)
