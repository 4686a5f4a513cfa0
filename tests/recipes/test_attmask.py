"""AttMask: the public rule given the same attention, and how much attention each mode hides."""

import pytest
import torch

import mimviz as mv
from mimviz import recipes
from mimviz.core import Mask
from mimviz.grammar.where import Attended, Highest

from .small import GRID, encoder, made
from .test_invariants import smooth


def public(attention, mode, ratio):
    """gkakogeorgiou/attmask, `attention_masking`, written anew: ⌊N · ratio⌋ from one end of the order."""
    count = int(attention.shape[1] * ratio)
    hidden = []
    for row in attention.tolist():
        order = sorted(range(len(row)), key=lambda i: row[i], reverse=mode != "low")
        hidden.append([i in order[:count] for i in range(len(row))])
    return torch.tensor(hidden)


@pytest.mark.parametrize("mode", ["high", "low"])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.77])
def test_masks_are_those_of_the_public_rule(mode, ratio):
    attention = torch.rand(3, 196, generator=torch.Generator().manual_seed(0))
    word = Attended(None, ratio, mode)
    assert torch.equal(word.pick(attention), public(attention, mode, ratio))


def test_hints_are_shown_out_of_the_most_attended():
    attention = torch.rand(5, 196, generator=torch.Generator().manual_seed(0))
    high = Attended(None, 0.5).pick(attention)
    hint = Attended(None, 0.5, "hint", show=0.1, top=0.2).pick(attention, torch.Generator().manual_seed(1))
    assert (hint.sum(1) == int(196 * 0.5) - int(196 * 0.1)).all()
    shown, top = high & ~hint, public(attention, "high", 0.2)
    assert (shown.sum(1) == int(196 * 0.1)).all() and not (hint & ~high).any() and not (shown & ~top).any()


def test_attention_hidden_high_above_random_above_low():
    model, images = made("attmask").eval(), torch.randn(4, 3, 32, 32)
    attention = model.teacher.attention(images).mean(1)
    masses = {
        mode: float(attention[Attended(model.where.score, 0.5, mode)(images, GRID).hidden].sum())
        for mode in ("high", "low")
    }
    random = float(attention[Highest(0.5)(images, GRID).hidden].sum())
    assert masses["high"] > random > masses["low"]


def test_distinct_with_random_masks_it_is_data2vec():
    models = []
    for name in ("data2vec", "attmask"):
        torch.manual_seed(0)
        models.append(getattr(recipes, name)(encoder(name), momentum=0.9))
    mask = Mask.random(GRID, seed=0)
    assert torch.equal(*(m(smooth(2), mask).loss for m in models))
    assert not torch.equal(models[0](smooth(2)).mask.hidden, models[1](smooth(2)).mask.hidden)


def test_the_mask_follows_the_teacher():
    model, images = made("attmask").eval(), smooth(3)
    assert model(images).mask == model(images).mask, "no chance in it"
    before = model(images).mask
    with torch.no_grad():
        for p in model.teacher.parameters():
            p.add_(0.3 * torch.randn_like(p))
    assert model(images).mask != before


@pytest.mark.parametrize(("wrong", "message"), [({"mode": "middle"}, "'high', 'low'"), ({"show": 0.5}, "show ≤ top")])
def test_wishes_that_cannot_be(wrong, message):
    with pytest.raises(ValueError, match=message):
        recipes.attmask(encoder("attmask"), **wrong)


@pytest.mark.parametrize("name", ["data2vec", "attmask"])
def test_a_frozen_model_can_be_the_teacher(name):
    """The bundled classifier: its features are the target, its attention the mask, and training leaves it alone."""
    classifier = mv.load_vit("tiny-classifier")
    torch.manual_seed(0)
    model = getattr(recipes, name)(encoder(name), teacher=classifier)
    before = [p.clone() for p in model.teacher.parameters()]
    losses = [step.loss for step in mv.fit(model, [smooth(2)], steps=25, lr=3e-3, warmup=0)]
    assert losses[-1] < 0.8 * losses[0] and model.target.width == classifier.embed_dim
    assert all(torch.equal(a, b) for a, b in zip(before, model.teacher.parameters(), strict=True))
    assert all(p.requires_grad for p in classifier.parameters())
    if name == "attmask":
        seen = model.teacher.attention(smooth(2)).mean(1)
        hidden = model(smooth(2)).mask.hidden
        assert (seen[hidden].reshape(2, -1).amin(1) >= seen[~hidden].reshape(2, -1).amax(1)).all()
