"""ROPIM's projections, the loss in the complement, and the binary mask as one of them."""

import pytest
import torch

from mimviz import recipes
from mimviz.core import Mask
from mimviz.grammar.how.project import sketch

from .small import GRID, encoder, made
from .test_invariants import smooth


@pytest.mark.parametrize(("patches", "ratio"), [(196, 0.14), (196, 0.25), (16, 0.25), (7, 0.3)])
def test_a_sketch_is_an_orthogonal_projection(patches, ratio):
    P = sketch(3, patches, ratio=ratio, generator=torch.Generator().manual_seed(0)).double()
    assert torch.equal(P, P.transpose(1, 2))
    assert (P @ P - P).abs().max() < 1e-6 and (P - P @ P).abs().max() < 1e-6
    rank = -(-round(ratio * patches * 1000) // 1000)
    torch.testing.assert_close(P.diagonal(dim1=1, dim2=2).sum(1), torch.full((3,), float(rank), dtype=torch.float64))
    assert not torch.equal(P[0], P[1])


def test_of_full_rank_it_is_the_identity():
    torch.testing.assert_close(sketch(1, 16, ratio=1.0)[0], torch.eye(16))
    with pytest.raises(ValueError, match="ratio is 0"):
        sketch(1, 16, ratio=0.0)


def test_naive_sketch():
    """Sᵀ S with rows of S of length 1, bucket by bucket, from what P says of its buckets."""
    P = sketch(1, 10, ratio=0.3, generator=torch.Generator().manual_seed(1))[0]
    buckets = {tuple((row != 0).nonzero()[:, 0].tolist()) for row in P}
    assert sorted(len(b) for b in buckets) == [3, 3, 4] and sum(map(len, buckets)) == 10
    S = torch.zeros(3, 10)
    for k, bucket in enumerate(sorted(buckets)):
        for i in bucket:
            S[k, i] = P[bucket[0], i].sign() / len(bucket) ** 0.5
    torch.testing.assert_close(S.T @ S, P)


def test_only_what_was_lost_is_asked_for():
    """An error inside the range of P costs nothing; the loss is |(I − P)(guess − truth)|."""
    model, images = made("ropim"), smooth(2)
    P = sketch(2, 16, ratio=0.25, generator=torch.Generator().manual_seed(0))
    outcome = model.project(images, P)
    lost = (torch.eye(16) - P) @ (outcome.guess - outcome.truth)
    torch.testing.assert_close(outcome.loss, lost.abs().mean())

    class Inside(torch.nn.Module):
        def forward(self, seen, mask):
            return model.target(images, mask) + P @ torch.ones(16, 192)

    model.decoder = Inside()
    assert abs(float(model.project(images, P).loss)) < 1e-6


def test_the_encoder_sees_projected_tokens():
    model, images = made("ropim").eval(), smooth(1)
    P = sketch(1, 16, ratio=0.25, generator=torch.Generator().manual_seed(0))
    seen = model.encoder(P @ model.encoder.embed(images))
    torch.testing.assert_close(model.project(images, P).guess, model.decoder(seen, Mask.all(GRID)))


def test_a_binary_mask_is_the_projection_onto_what_is_visible():
    model, images, mask = made("ropim").eval(), smooth(2), Mask.random(GRID, ratio=0.5, seed=0)
    P = torch.diag((~mask.hidden[0]).float()).expand(2, -1, -1)
    by_mask, by_matrix = model(images, mask), model.project(images, P)
    torch.testing.assert_close(by_mask.guess, by_matrix.guess)
    torch.testing.assert_close(by_mask.loss, by_matrix.loss * 2)  # a mean over the hidden half


def test_distinct_from_simmim():
    """Same encoder, decoder and picture: every patch is in part hidden, every patch is in part asked for."""
    outcomes = []
    for name in ("simmim", "ropim"):
        torch.manual_seed(0)
        outcomes.append(getattr(recipes, name)(encoder(name))(smooth(2)))
    assert outcomes[0].mask.ratio < 1 == outcomes[1].mask.ratio
    assert (outcomes[1].patch_loss > 0).all()
