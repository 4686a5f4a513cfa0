"""MAGE: ratios, lengths and loss by hand; step-by-step generation; the stand-in code book."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.losses import SmoothedCrossEntropy
from mimviz.grammar.targets import Codes
from mimviz.grammar.unmasking import unmask
from mimviz.grammar.where import Varying

from .small import GRID, made


@pytest.fixture(scope="module")
def model():
    return made("mage")


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def test_ratios_are_those_of_the_truncated_gaussian():
    word, generator = Varying(), torch.Generator().manual_seed(0)
    drawn = torch.tensor([word.ratio(generator) for _ in range(4000)])
    assert drawn.min() >= 0.5 and drawn.max() <= 1

    def density(x):
        return math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

    def below(x):
        return (1 + math.erf(x / math.sqrt(2))) / 2

    a, b = (0.5 - 0.55) / 0.25, (1 - 0.55) / 0.25
    mean = 0.55 + 0.25 * (density(a) - density(b)) / (below(b) - below(a))
    assert abs(float(drawn.mean()) - mean) < 4 * float(drawn.std()) / math.sqrt(4000)
    counts = {word(images(), GRID, generator).count for _ in range(300)}
    assert counts == set(range(9, 17)), "more than half, up to all"


def test_half_of_all_patches_reach_the_encoder_in_training(model):
    model.train()
    for count in (8, 11, 16):
        mask = Mask.random(GRID, ratio=count / 16, seed=1, batch=2)
        ids = model.dropping(mask)
        assert model.encode(images(), mask).shape == (2, 1 + 8, 48), "L / 2 and the class token"
        for kept, hidden in zip(ids, mask.hidden, strict=True):
            assert set((~hidden).nonzero()[:, 0].tolist()) <= set(kept.tolist()), "only hidden ones are dropped"
    model.eval()
    assert model.dropping(mask) is None


def test_loss_is_that_of_a_naive_twin(model):
    """After models_mage.py, with the patches that are dropped as the model drew them."""
    model.train()
    mask = Mask.random(GRID, ratio=0.7, seed=1, batch=2)
    torch.manual_seed(5)
    outcome = model(images(), mask).detached()
    torch.manual_seed(5)
    kept = model.dropping(mask)
    vit, decoder, words = model.encoder.vit, model.decoder, model.encoder.vit.patch_embed.words.weight
    patches, total, count = GRID.patchify(images()), 0.0, 0
    for b in range(2):
        codes = [int((model.target.book - patch).square().sum(1).argmin()) for patch in patches[b]]
        inputs = [model.how.token[0, 0] if mask.hidden[b, n] else words[codes[n]] for n in range(16)]
        x = torch.stack(inputs) + vit.pos_embed[0, 1:]
        x = vit.norm(vit.blocks(torch.cat([vit.cls_token[0] + vit.pos_embed[0, :1], x[kept[b]]])[None]))
        x = decoder.embed(x)[0]
        full = [x[0]] * 17
        for place, n in enumerate(kept[b].tolist()):
            if not mask.hidden[b, n]:
                full[1 + n] = x[1 + place]
        x = decoder.norm(decoder.blocks((torch.stack(full) + decoder.positions[0])[None]))[0, 1:]
        chances = (decoder.head(x) @ words.T + decoder.bias).log_softmax(-1)
        for n in mask.hidden[b].nonzero()[:, 0].tolist():
            total, count = total - chances[n, codes[n]], count + 1
    torch.testing.assert_close(torch.tensor(outcome.loss), (total / count).detach())


def test_smoothing_is_torchs():
    guess, truth = torch.randn(2, 5, 7), torch.randint(7, (2, 5, 1))
    wanted = nn.functional.cross_entropy(guess.flatten(0, 1), truth.flatten(), label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(SmoothedCrossEntropy(0.1)(guess, truth).flatten(), wanted)


# --- generation ---


def test_generation_follows_the_cosine_and_leaves_what_is_given(model):
    mask = Mask.random(GRID, ratio=0.75, seed=1, batch=2)
    given = model.target(images(), mask)[..., 0]
    steps = list(model.generate(images(), mask, steps=6))
    counts = [now.count for _, now in steps]
    assert counts == [math.floor(12 * math.cos(math.pi / 2 * k / 6) + 1e-9) for k in range(1, 6)] + [0]
    for codes, _ in steps:
        assert torch.equal(codes[~mask.hidden], given[~mask.hidden])
    for (codes, now), (later, after) in pairwise(steps):
        assert (after.hidden <= now.hidden).all(), "nothing hides again"
        assert torch.equal(codes[~now.hidden], later[~now.hidden]), "what was settled stays"


def test_generation_from_nothing_is_repeated_by_its_seed(model):
    first, again, other = (list(model.generate(images(), steps=4, seed=seed))[-1][0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    shown = model.target.draw(first[..., None])
    assert shown.shape == (2, 32, 32, 3) and shown.min() >= 0 and shown.max() <= 1


def test_sure_scores_are_followed():
    """A model that knows every code writes it down, whatever the noise."""
    truth = torch.randint(9, (2, 16))
    scores = lambda codes, hidden: 1000.0 * nn.functional.one_hot(truth, 9)  # noqa: E731
    *_, (codes, hidden) = unmask(scores, torch.zeros_like(truth), torch.ones(2, 16, dtype=torch.bool), steps=5)
    assert torch.equal(codes, truth) and not hidden.any()


# --- the code book ---


def test_a_book_is_found_again_and_draws_its_words():
    codes = Codes.by_kmeans(GRID, mean=(0.5,) * 3, std=(0.5,) * 3, count=16)
    again = Codes.by_kmeans(GRID, mean=(0.5,) * 3, std=(0.5,) * 3, count=16)
    assert torch.equal(codes.book, again.book)
    picture = GRID.unpatchify(codes.book[None])  # every word in its own place
    assert torch.equal(codes(picture)[0, :, 0], torch.arange(16))
    drawn = codes.draw(codes(picture)).permute(0, 3, 1, 2)
    torch.testing.assert_close(drawn, (picture * 0.5 + 0.5).clamp(0, 1))


def test_more_words_paint_better():
    errors = []
    for count in (4, 16, 64):
        codes = Codes.by_kmeans(GRID, mean=(0.5,) * 3, std=(0.5,) * 3, count=count)
        errors.append(float((GRID.unpatchify(codes.words(codes(images()))) - images()).square().mean()))
    assert errors[0] > errors[1] > errors[2]
    with pytest.raises(ValueError, match="count is 1"):
        Codes.by_kmeans(GRID, mean=(0.5,) * 3, std=(0.5,) * 3, count=1)


def test_it_is_saved_and_found_again(model, tmp_path):
    from mimviz.zoo.own import Sentence, read_own, save_mim

    keywords = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}
    sentence = Sentence(
        "mage", "vit_tiny_patch16_224", keywords, {"dim": 32, "depth": 1, "count": 16, "smoothing": 0.0}
    )
    save_mim(tmp_path / "m.safetensors", model, sentence)
    again = read_own(tmp_path / "m.safetensors")
    mask = Mask.random(GRID, seed=0, batch=2)
    assert torch.equal(again(images(), mask).guess, model.eval()(images(), mask).guess)
