"""The meter: what it measures, that collapse makes it speak, and that health does not."""

from __future__ import annotations

import math

import pytest
import torch

import mimviz as mv
from mimviz.grammar.collapse import collapse, effective_rank, in_use, told_apart
from mimviz.zoo import load_encoder


def pictures(encoder, count=6):
    return torch.cat(
        [
            mv.image(name).fit(encoder.grid.height, encoder.grid.width).tensor(mean=encoder.mean, std=encoder.std)
            for name in mv.images()[:count]
        ]
    )


def features(encoder, images):
    with torch.no_grad():
        return encoder(encoder.embed(images))[:, encoder.prefix :]


def test_the_effective_rank_is_the_entropy_of_singular_values_by_hand():
    rows = torch.diag(torch.tensor([3.0, 1.0])) @ torch.linalg.qr(torch.randn(4, 4, generator=mv.core.seeded(0)))[0][:2]
    p = [0.75, 0.25]
    assert effective_rank(rows) == pytest.approx(math.exp(-sum(x * math.log(x) for x in p)), rel=1e-6)
    assert effective_rank(torch.eye(7)) == pytest.approx(7)
    assert effective_rank(torch.ones(5, 3)) == pytest.approx(1)


def test_codes_in_use_and_told_apart_by_hand():
    peaked = torch.eye(4)[torch.tensor([0, 0, 1, 2])]
    assert in_use(peaked) == pytest.approx(math.exp(-(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25))))
    assert told_apart(peaked) == pytest.approx(in_use(peaked))
    assert told_apart(torch.full((9, 4), 0.25)) == pytest.approx(1)  # all of them evenly: in use, and nothing said
    assert told_apart(torch.eye(4)[[2] * 9]) == pytest.approx(1)  # one for all


@pytest.mark.parametrize("name", ["tiny", "tiny-classifier", "tiny-registers"])
def test_a_healthy_model_stays_silent_with_room_to_spare(name):
    encoder = load_encoder(name)
    found = collapse(features(encoder, pictures(encoder)))
    assert not found and found.why == {}
    assert found.rank / found.most > 0.2 and found.spread > 0.5 and found.content > 0.2


def test_each_kind_of_collapse_is_named():
    healthy = torch.randn(4, 16, 32, generator=mv.core.seeded(1))
    assert not collapse(healthy, healthy[..., :8].mul(9).softmax(-1))
    direction = torch.randn(32, generator=mv.core.seeded(2))
    assert set(collapse(direction + 0.01 * healthy).why) == {"spread", "rank"}
    assert set(collapse(healthy[..., :1] * direction).why) == {"rank"}
    places = healthy[:1].expand(4, -1, -1) + 1e-3 * healthy
    assert set(collapse(places).why) == {"content"}
    evenly = torch.full((4, 16, 8), 1 / 8)
    assert set(collapse(healthy, evenly).why) == {"codes"}


def test_a_training_that_only_pulls_together_collapses_and_is_found_out():
    """Features of two pictures shall be alike, and nothing holds them apart: the loss goes down, and the features go with it."""
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, embed_dim=48, num_heads=3)
    images = pictures(encoder)
    before = collapse(features(encoder, images))
    optimizer, losses = torch.optim.AdamW(encoder.parameters(), lr=3e-3), []
    for _ in range(60):
        found = encoder(encoder.embed(images))
        loss = (found - found.roll(1, 0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    after = collapse(features(encoder, images))
    assert not before and losses[-1] < 0.05 * losses[0]
    assert {"spread", "rank"} <= set(after.why) and after.spread < 0.01 < 0.3 < before.spread


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="1 picture"):
        collapse(torch.randn(1, 4, 4))
    with pytest.raises(ValueError, match="NaN"):
        collapse(torch.full((2, 4, 4), float("nan")))
