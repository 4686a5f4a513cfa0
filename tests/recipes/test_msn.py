"""MSN: the authors' loss once more and lightly's, who sees what, who follows whom, and what keeps it from collapsing."""

import math

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.contrast import mean_entropy
from mimviz.grammar.sinkhorn import sinkhorn
from mimviz.grammar.views import Views

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.3, seed=1, batch=4)


def model(**keywords):
    torch.manual_seed(0)
    made = mv.recipes.msn(encoder("msn"), prototypes=16, hidden=32, dim=8, momentum=0.9, **keywords).eval()
    for p in made.teacher.parameters():
        p.data += 0.05 * torch.randn_like(p)  # a teacher that differs from the student
    made.decoder.layers.requires_grad_(True)
    return made


def heads(msn, images):
    """What the student makes of masked pictures and the teacher of whole ones, (B, dim): before any prototype."""
    with torch.no_grad():
        anchor = msn.decoder.layers(msn.encode(images, MASK)[:, 0])
        target = msn.teacher.others[0](msn.teacher.encoder.vit.forward_features(images)[:, 0])
    return anchor, target, msn.decoder.directions.weight.detach()


@pytest.mark.parametrize("equal", [False, True])
def test_the_loss_is_the_authors_(equal):
    """src/losses.py, picture by picture: chances at 0.1, sharpened by p^4, Sinkhorn on request, cross-entropy, log K − H(mean)."""
    msn, images = model(focal=0, equal=equal, views=False).train(), smooth(4)
    anchor, target, prototypes = heads(msn, images)

    def chances(z):
        e = torch.tensor([math.exp(float(z @ q) / float(z.norm() * q.norm()) / 0.1) for q in prototypes])
        return e / e.sum()

    p, wanted = (torch.stack([chances(z) for z in each]).double() for each in (anchor, target))
    wanted = wanted**4 / (wanted**4).sum(1, keepdim=True)
    if equal:
        Q = wanted.T / wanted.sum()
        for _ in range(3):
            Q = Q / Q.sum(1, keepdim=True) / 16
            Q = Q / Q.sum(0, keepdim=True) / 4
        wanted = (Q * 4).T
    entropy = -(wanted * p.log()).sum(1).mean()
    mean = p.mean(0)
    whole = entropy + math.log(16) + (mean * mean.log()).sum()
    outcome = msn(images, MASK).detached()
    assert outcome.loss == pytest.approx(float(whole), rel=1e-4)
    assert outcome.terms["me-max"].item() == pytest.approx(
        math.log(16) + float((mean * mean.log()).sum()), rel=1e-3, abs=1e-5
    )


@pytest.mark.parametrize("rounds", [0, 3])
def test_the_loss_is_lightly_s(rounds):
    loss = pytest.importorskip("lightly.loss").MSNLoss(sinkhorn_iterations=rounds)
    msn, images = model(focal=0, equal=rounds > 0, views=False).train(), smooth(4)
    anchor, target, prototypes = heads(msn, images)
    assert msn(images, MASK).loss.item() == pytest.approx(loss(anchor, target, prototypes).item(), rel=1e-5)


def test_sinkhorn_ends_at_equal_shares():
    chances = torch.rand(32, 4, generator=torch.Generator().manual_seed(0)).softmax(-1) ** 3
    even = sinkhorn(chances, rounds=50)
    torch.testing.assert_close(even.sum(1), torch.ones(32))
    torch.testing.assert_close(even.sum(0), torch.full((4,), 8.0), atol=1e-3, rtol=0)


def test_hidden_pixels_reach_the_target_alone():
    msn, images = model(), smooth(4)
    patches = GRID.patchify(images)
    other = GRID.unpatchify(torch.where(MASK.hidden[..., None], torch.randn_like(patches), patches))
    (p, true), (q, moved) = (msn.histograms(each, MASK) for each in (images, other))
    assert torch.equal(p, q) and not torch.allclose(true, moved)
    torch.testing.assert_close(torch.stack([p, true]).sum(-1), torch.ones(2, 4))
    seen = []
    msn.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    msn(images, MASK)
    assert seen[0] == 11, "patches that are hidden are not computed"


def test_no_gradient_reaches_the_target():
    """The prototypes' gradient is that of the anchor's side; the teacher has none."""
    msn, images = model(focal=0, views=False, equal=False, entropy=0), smooth(4)
    msn(images, MASK).loss.backward()
    weight = msn.decoder.directions.weight
    truth = msn.target.of(images)
    p = (
        F.linear(F.normalize(msn.decoder.layers(msn.encode(images, MASK)[:, 0]), dim=-1), F.normalize(weight, dim=-1))
        / 0.1
    )
    (wanted,) = torch.autograd.grad(-(truth * p.log_softmax(-1)).sum(-1).mean(), weight)
    torch.testing.assert_close(weight.grad, wanted, atol=1e-6, rtol=1e-4)
    assert all(each.grad is None for each in msn.teacher.parameters())


def test_without_me_max_it_is_the_cross_entropy_bit_for_bit():
    msn, images = model(focal=0), smooth(4)
    both = msn(images, MASK)
    msn.entropy = 0
    alone = msn(images, MASK)
    assert not alone.terms and torch.equal(alone.patch_loss, both.patch_loss)
    assert (both.patch_loss == both.patch_loss[:, :1]).all(), "one loss for each picture"


def test_every_anchor_weighs_alike():
    """Two focal crops: each of the three cross-entropies a third; views are drawn in training alone."""
    msn, images = model(focal=2, entropy=0, equal=False).train(), smooth(4)
    torch.manual_seed(3)
    outcome = msn(images)
    torch.manual_seed(3)
    view, whole = msn.views(images), msn.views(images)
    mask = msn.where(view, GRID)
    small = [Views((0.05, 0.3))(images) for _ in range(2)]
    truth = msn.target.of(whole)
    logs = [msn.scores(msn.encode(view, mask)), *(msn.scores(msn.encoder(msn.encoder.embed(each))) for each in small)]
    losses = torch.stack([-(truth * each.log_softmax(-1)).sum(-1).mean() for each in logs])
    torch.testing.assert_close(outcome.loss, losses.mean(), atol=1e-6, rtol=1e-5)
    assert not model(focal=2).eval()(images, MASK).terms.get("focal")


def test_the_slow_copy_follows_encoder_and_head_and_shares_prototypes():
    msn = made("msn")
    list(mv.fit(msn, [smooth(4)], steps=3, lr=1e-2, warmup=0))
    head = [*msn.teacher.others[0].parameters()]
    assert len(msn.teacher.others) == 1 and len(head) == 6, "three layers, and no prototypes"
    assert not torch.equal(head[0], msn.decoder.layers[0].weight)
    before = msn.target.of(smooth(4))
    msn.decoder.directions.weight.data = torch.randn(2, 16)
    assert not torch.allclose(before, msn.target.of(smooth(4)))


def test_me_max_is_what_collapse_costs():
    """One prototype for all or one for each: alike to the cross-entropy, log K apart with the term."""
    msn, images = model(focal=0, views=False, equal=False).double(), smooth(4).double()

    def loss(chosen, entropy):
        """With pictures that lie on the prototypes `chosen`, for the student and the teacher."""
        msn.entropy, at = entropy, 100 * torch.eye(8, dtype=torch.float64)[chosen]
        msn.decoder.directions.weight.data = torch.cat([torch.eye(8), -torch.eye(8)]).double()
        msn.decoder.layers.forward = lambda x: at
        msn.teacher.others[0].forward = lambda x: at
        return float(msn(images, MASK).detached().loss)

    one, each = torch.zeros(4, dtype=torch.long), torch.arange(4)
    assert loss(one, 0.0) == pytest.approx(loss(each, 0.0), abs=1e-9) == pytest.approx(0, abs=0.01)
    assert loss(one, 1.0) - loss(each, 1.0) == pytest.approx(math.log(4), abs=0.01)


@pytest.mark.parametrize(("entropy", "equal"), [(0.0, False), (1.0, True)])
def test_what_keeps_it_from_collapsing(entropy, equal):
    """Eight kinds of pictures and eight prototypes: all choose one without me-max and Sinkhorn, all are chosen alike with both."""
    g = torch.Generator().manual_seed(0)
    kinds = torch.randn(8, 3, 4, 4, generator=g).repeat_interleave(8, 2).repeat_interleave(8, 3)
    images = kinds.repeat(8, 1, 1, 1) + 0.3 * torch.randn(64, 3, 32, 32, generator=g)
    batches = [images[torch.randperm(64, generator=g)[:32]] for _ in range(20)]
    torch.manual_seed(0)
    options = {"prototypes": 8, "hidden": 64, "dim": 32, "focal": 0, "views": False, "momentum": 0.9, "steps": 10**6}
    msn = mv.recipes.msn(encoder("msn"), entropy=entropy, equal=equal, **options)
    list(mv.fit(msn, batches, steps=60, lr=3e-3, warmup=0))
    mask = Mask.random(GRID, ratio=0.3, seed=0)
    even = [float(mean_entropy(each)) / math.log(8) for each in msn.histograms(images, mask)]
    assert min(even) > 0.8 if entropy else max(even) < 0.1
