"""DTM: groups by matrices, after the authors' code; without a merge it is MaskDistill's sentence; groups make targets agree."""

import math

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.targets.morphed import group_means, morphed
from mimviz.recipes import dtm, mae, maskdistill

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=3, batch=2)


def matrix(tokens, merges, rounds):
    """The authors' `source`, (groups, N) of 0 and 1 for one picture: pairs merge one by one, means are weighted by size."""
    N = len(tokens)
    source, x, sizes = torch.eye(N), tokens.clone(), [1.0] * N
    each = math.ceil(merges / rounds)
    each = merges // rounds if each * rounds > N else each
    for _ in range(rounds):
        n = len(x)
        taken = min(each, n // 2)
        if not taken:
            break
        evens, odds = list(range(0, n, 2)), list(range(1, n, 2))
        best = []
        for i in evens:
            cosines = [F.cosine_similarity(x[i], x[j], dim=0).item() for j in odds]
            best.append((max(cosines), odds[cosines.index(max(cosines))]))
        closest = sorted(range(len(evens)), key=lambda k: -best[k][0])[:taken]
        rows, means, counts = (
            {j: source[j].clone() for j in odds},
            {j: x[j] * sizes[j] for j in odds},
            {j: sizes[j] for j in odds},
        )
        for k in closest:
            i, j = evens[k], best[k][1]
            rows[j], means[j], counts[j] = rows[j] + source[i], means[j] + x[i] * sizes[i], counts[j] + sizes[i]
        left = [i for k, i in enumerate(evens) if k not in closest]
        source = torch.stack([source[i] for i in left] + [rows[j] for j in odds])
        x = torch.stack([x[i] for i in left] + [means[j] / counts[j] for j in odds])
        sizes = [sizes[i] for i in left] + [counts[j] for j in odds]
    return source


@pytest.mark.parametrize(("merges", "rounds"), [(0, 3), (1, 1), (5, 2), (8, 1), (11, 4), (15, 14), (16, 5)])
def test_groups_are_the_matrices_of_the_authors(merges, rounds):
    tokens = torch.randn(3, 16, 6, generator=torch.Generator().manual_seed(merges))
    groups = morphed(tokens, merges, rounds)
    for b in range(3):
        M = matrix(tokens[b], merges, rounds)
        assert torch.equal(F.one_hot(groups[b]).T.float(), M)
        rows = M / M.sum(1, keepdim=True)
        torch.testing.assert_close(rows.sum(1), torch.ones(len(M)))
        assert (M.sum(0) == 1).all(), "every patch is in one group"
        torch.testing.assert_close(group_means(tokens, groups)[0][b], M.T @ rows @ tokens[b])


def test_the_loss_is_the_papers():
    """Σ over groups of size / N · (1 − cosine of the means), with matrices."""
    model, images = dtm(encoder("dtm"), merges=9), smooth(2)
    for p in model.encoder.parameters():
        p.data += 0.02 * torch.randn_like(p)
    torch.manual_seed(0)
    outcome = model(images, MASK)
    torch.manual_seed(0)
    losses = []
    for _, rounds in (model.target.schedule(), model.target.schedule()):
        for b in range(2):
            M = matrix(outcome.truth[b], 9, rounds)
            rows, sizes = M / M.sum(1, keepdim=True), M.sum(1) / 16
            losses.append((sizes * (1 - F.cosine_similarity(rows @ outcome.guess[b], rows @ outcome.truth[b]))).sum())
    torch.testing.assert_close(outcome.loss, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)


def test_without_a_merge_it_is_masked_distillation_bit_for_bit():
    found = []
    for recipe, keywords in (
        (dtm, {"merges": 0}),
        (maskdistill, {"norm": "none", "loss": "cosine"}),
        (dtm, {"merges": 12}),
    ):
        torch.manual_seed(0)
        found.append(recipe(encoder("dtm"), **keywords)(smooth(2), MASK))
    off, plain, whole = found
    assert torch.equal(off.guess, plain.guess) and torch.equal(off.truth, plain.truth)
    assert torch.equal(off.patch_loss, plain.patch_loss) and not torch.allclose(whole.patch_loss, plain.patch_loss)
    assert off.mask.predict.all() and torch.equal(plain.mask.predict, MASK.hidden)


def test_a_group_has_one_loss_and_its_guesses_one_gradient():
    model, seen = dtm(encoder("dtm"), merges=10, schedules=1).eval(), []
    model.decoder.register_forward_hook(lambda module, args, out: (out.retain_grad(), seen.append(out))[0])
    outcome = model(smooth(2), MASK)
    outcome.loss.backward()
    groups = model.groupings(outcome.truth)[0]
    assert int(groups.max()) < 12
    for b in range(2):
        for group in range(int(groups[b].max()) + 1):
            at = groups[b] == group
            assert (outcome.patch_loss[b, at] - outcome.patch_loss[b, at][0]).abs().max() < 1e-6
            torch.testing.assert_close(seen[0].grad[b, at], seen[0].grad[b, at][:1].expand_as(seen[0].grad[b, at]))
    assert all(p.grad is None for p in model.teacher.parameters())


def test_groups_make_neighbours_agree():
    """On a picture of two flat regions and noise, neighbours get the same label more often than by their own features."""
    g = torch.Generator().manual_seed(0)
    model = dtm(mv.load_mim("tiny").encoder)
    shape = model.grid.shape
    image = torch.full((1, 3, model.grid.height, model.grid.width), -1.0)
    image[..., model.grid.width // 2 :] = 1.0
    image = image + 0.4 * torch.randn(image.shape, generator=g)
    features = model.target(image)
    labels = torch.randn(features.shape[-1], 12, generator=g)

    def agreement(rows):
        said = ((rows - features.mean(1, keepdim=True)) @ labels).argmax(-1).reshape(shape)
        return ((said[1:] == said[:-1]).float().mean() + (said[:, 1:] == said[:, :-1]).float().mean()).item() / 2

    plain = agreement(features)
    by_merges = [
        agreement(group_means(features, model.target.groups(image, merges=m))[0])
        for m in (0, model.grid.count // 2, model.grid.count * 7 // 8)
    ]
    assert by_merges[0] == pytest.approx(plain) and by_merges[0] < by_merges[1] < by_merges[2]


def test_schedules_vary_in_training_and_repeat_themselves_otherwise():
    model = made("dtm")
    drawn = {model.target.schedule() for _ in range(60)}
    assert len(drawn) > 30 and {m for m, _ in drawn} <= {*range(17)} and {r for _, r in drawn} <= {*range(1, 15)}
    a, b = (model.eval()(smooth(2), MASK).detached().loss for _ in range(2))
    assert a == b
    with pytest.raises(ValueError, match="merges is -1"):
        model.target.groups(smooth(1), merges=-1)


def test_distinct_from_mae():
    grads = []
    for recipe, keywords in ((dtm, {}), (mae, {"dim": 32, "depth": 1})):
        torch.manual_seed(0)
        student = encoder("dtm")
        recipe(student, **keywords)(smooth(2), MASK).loss.backward()
        grads.append(torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None]))
    assert abs(torch.cosine_similarity(*grads, dim=0)) < 0.5
