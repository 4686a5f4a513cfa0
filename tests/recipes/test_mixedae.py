"""MixedAE: mixtures, top-k attention and the homologous term by slow twins; recognition learned in a short training."""

import math

import pytest
import torch

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.grammar.how import Mix
from mimviz.grammar.where import Partition
from mimviz.recipes.mixedae import homologous, strongest

from .small import GRID, encoder, made
from .test_invariants import smooth


def test_places_are_shared_out_equally_and_each_has_one_owner():
    mask = Partition(4)(torch.zeros(8, 3, 1, 1), GRID, torch.Generator().manual_seed(0))
    visible = (~mask.hidden).unflatten(0, (2, 4))
    assert (visible.sum(1) == 1).all() and (visible.sum(2) == 4).all()
    owners = Mix(4).owners(mask)
    for i in range(8):
        for n in range(16):
            assert not mask.hidden[owners[i, n], n] and owners[i, n] // 4 == i // 4
    assert torch.equal(owners[0], owners[3]), "a group has one mixture"
    uneven = Partition(4)(torch.zeros(4, 3, 1, 1), Grid(3, 3, 8)).hidden
    assert set((~uneven).sum(1).tolist()) == {2, 3}
    with pytest.raises(ValueError, match="at least 2"):
        Partition(1)


def test_what_is_hidden_everywhere_is_blank_and_what_is_visible_stays():
    content, mask = torch.randn(3, 16, 5), Mask.random(GRID, ratio=0.5, seed=0, batch=3)
    mixed, ids = Mix(4)(content, mask)
    everywhere = mask.hidden.all(0)
    assert ids is None and (mixed[:, everywhere] == 0).all() and everywhere.any()
    assert torch.equal(mixed[~mask.hidden], content[~mask.hidden])


def test_rows_of_the_attention_keep_the_k_largest_and_sum_to_one():
    attention = torch.rand(2, 3, 9, 9).softmax(-1)
    kept = strongest(torch.tensor([2, 5]), 1)(attention)
    torch.testing.assert_close(kept.sum(-1), torch.ones(2, 3, 9))
    for b, k in enumerate((2, 5)):
        for h in range(3):
            for row, old in zip(kept[b, h], attention[b, h], strict=True):
                best = sorted(range(1, 9), key=lambda n: -float(old[n]))[:k]
                assert set(row[1:].nonzero()[:, 0].tolist()) == {n - 1 for n in best}, "exactly k"
                torch.testing.assert_close(row[best[0]] / row[best[1]], old[best[0]] / old[best[1]])


def test_the_homologous_term_s_slow_twin():
    z = torch.nn.functional.normalize(torch.randn(2, 6, 4), dim=-1)
    owners = torch.tensor([[0, 0, 1, 1, 1, -1], [2, 2, 2, 3, 3, 3]])
    total, pairs = 0.0, 0
    for b in range(2):
        e = [[math.exp(float(z[b, i] @ z[b, j]) / 0.25) for j in range(6)] for i in range(6)]
        for i in range(6):
            for j in range(6):
                if i != j and owners[b, i] == owners[b, j] >= 0:
                    total -= math.log(e[i][j] / (sum(e[i]) - e[i][i]))
                    pairs += 1
    assert float(homologous(z, owners)) == pytest.approx(total / pairs, rel=1e-5)


def test_the_encoder_looks_at_k_patches_alone():
    model, images = made("mixedae").eval(), smooth(4)
    mask = model.where(images, GRID, torch.Generator().manual_seed(0))
    scene = mv.Scene(model, images, mask=mask)
    for layer in range(2):
        attention = scene.trace.attention[layer][..., 1:]
        assert ((attention > 0).sum(-1) == 4).all()


def test_naive_mixing_is_bit_for_bit_without_recognition():
    torch.manual_seed(0)
    naive = mv.recipes.mixedae(encoder("mixedae"), attention=False, weight=0, dim=32, depth=1).eval()
    model, images = made("mixedae").eval(), smooth(4)
    mask = naive.where(images, GRID, torch.Generator().manual_seed(0))
    plain = naive(images, mask)
    assert not plain.terms
    content = naive.encoder.embed(images).where(~mask.hidden[..., None], 0).sum(0)  # each place has one visible picture
    seen = naive.encoder(content[None]).expand(4, -1, -1)
    torch.testing.assert_close(plain.guess, naive.decoder(seen, mask))
    model.attention, model.weight = False, 0
    assert torch.equal(model(images, mask).guess, plain.guess)
    model.attention, model.weight = True, 0.1
    recognising = model(images, mask)
    assert not torch.allclose(recognising.guess, plain.guess) and recognising.terms["homologous"] > 0


def test_patches_learn_to_recognise_their_kind():
    """Same-source retrieval: the most alike other patch comes from the same picture. Chance is 3 of 15."""
    found = {}
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        waves = torch.rand(8, 2).mul(3)[torch.arange(64) % 8]  # of one picture, in all its patches; their phases differ
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        angle = waves[:, 0, None, None] * y + waves[:, 1, None, None] * x
        patches = (angle[:, None] + 6.28 * torch.rand(64, 16, 1, 1)).sin().flatten(2)
        images = GRID.unpatchify(patches.repeat_interleave(3, 2))
        model = mv.recipes.mixedae(encoder("mixedae"), attention=weight > 0, weight=weight, dim=32, depth=1)
        list(mv.fit(model, list(images[:48].split(16)), steps=100, lr=3e-3, warmup=5))
        held = images[48:]
        mask = model.where(held, GRID, torch.Generator().manual_seed(1))
        with torch.no_grad():
            z = torch.nn.functional.normalize(model.encode(held, mask)[:, 1:], dim=-1)
        alike = (z @ z.transpose(1, 2)).masked_fill(torch.eye(16, dtype=torch.bool), -2)
        owners = model.how.owners(mask)
        found[weight] = float((owners.gather(1, alike.argmax(-1)) == owners).float().mean())
    assert found[0.5] > 0.4 and found[0.5] > found[0.0] + 0.05
