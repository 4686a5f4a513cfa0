"""Latent MIM: its pass and its loss by hand, after the authors' code; gaps between patches; what collapses and what does not."""

import math

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask, seeded
from mimviz.data.crops import crops
from mimviz.grammar.how.gap import gapped
from mimviz.grammar.losses import PatchContrast
from mimviz.recipes import latent_mim, mae

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.75, seed=3, batch=2)


def test_the_loss_is_the_papers():
    """The slow copy sees the hidden patches alone, queries look at the visible ones, patches of a picture are told apart."""
    model, images = made("latent_mim").eval(), smooth(2)
    for p in [*model.encoder.parameters(), *model.project.parameters()]:
        p.data += 0.02 * torch.randn_like(p)
    outcome = model(images, MASK)

    def through(vit, project, ids):
        content = vit.patch_embed(images) + vit.pos_embed[:, 1:]
        x = torch.stack([row[each] for row, each in zip(content, ids, strict=True)])
        x = torch.cat([(vit.cls_token + vit.pos_embed[:, :1]).expand(2, -1, -1), x], 1)
        return project(vit.norm(vit.blocks(x)))

    keep, hide, decoder = MASK.keep_ids, MASK.hidden_ids, model.decoder
    truth = through(model.teacher.encoder.vit, model.teacher.others[0], hide)[:, 1:]
    seen = decoder.embed(through(model.encoder.vit, model.project, keep))
    losses, table = [], decoder.positions[0]
    for b in range(2):
        q, k = table[1 + hide[b]], table[1 + keep[b]]
        cue = torch.softmax(q @ k.T / math.sqrt(32), 1) @ seen[b, 1:]
        x, memory = torch.cat([decoder.whole[0], cue + decoder.token[0] + q]), seen[b] + torch.cat([table[:1] * 0, k])
        for block in decoder.blocks:
            x = block(x[None], memory[None])[0]
        guess = decoder.head(decoder.norm(x))[1:]
        guess = (guess - guess.mean(0)) / (guess.std(0) + 1e-4)
        for i in range(12):
            scores = torch.stack([F.cosine_similarity(guess[i], truth[b, j], dim=0) for j in range(12)]) / 0.2
            losses.append(2 * 0.2 * (torch.logsumexp(scores, 0) - scores[i]))
    torch.testing.assert_close(outcome.loss, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)
    assert not outcome.truth.requires_grad


def test_features_that_are_all_alike_say_nothing():
    constant, rows = torch.ones(2, 7, 5), torch.randn(2, 7, 5, generator=seeded(0))
    for guess, truth in ((constant, rows), (rows, constant)):
        loss = PatchContrast(0.5)(guess, truth)
        torch.testing.assert_close(loss, torch.full((2, 7, 1), math.log(7)))
    assert (PatchContrast(0.5)(rows[:, :1], rows[:, :1]) == 0).all(), "one patch has nothing to be told from"
    assert PatchContrast(0.5)(rows, rows - rows.mean(1, keepdim=True)).mean() < 0.5 * math.log(7)
    wide = PatchContrast(0.2)
    torch.testing.assert_close(wide(rows + 3, rows), wide(rows, rows), atol=1e-5, rtol=0)


def test_patches_lie_in_wider_cells():
    """Of a picture whose colours are its places: each patch is a piece of its own cell, somewhere in it."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48), indexing="ij")
    images = torch.stack([x, y, x])[None].expand(40, -1, -1, -1)
    cut = gapped(F.interpolate(images, 32, mode="bicubic"), GRID, 4, generator=seeded(0))
    assert cut.shape == (40, 3, 32, 32)
    patches = GRID.patchify(cut).unflatten(-1, (8, 8, 3))[..., 0]  # (40, 16, 8, 8): x
    left, right = patches[..., 0].mean(-1), patches[..., -1].mean(-1)
    cell = 2 / 4
    first = torch.tensor([-1 + cell * (n % 4) for n in range(16)])
    assert (left >= first - 0.06).all() and (right <= first + cell + 0.06).all()
    torch.testing.assert_close((right - left).mean(), torch.tensor(2 * 7 / 48), atol=0.02, rtol=0)
    assert (left[:, 5].std() > 0.02) and torch.equal(gapped(cut, GRID, 0), cut)
    model = made("latent_mim")
    with pytest.raises(ValueError, match=r"shape \(1, 3, 40, 40\), but \(B, 3, 32, 32\)"):
        model(torch.zeros(1, 3, 40, 40))
    assert model.gap == 4
    model.eval()
    assert torch.equal(model(smooth(2), MASK).loss, model(smooth(2), MASK).loss), "none outside training"


def rank(rows):
    """exp(entropy of the singular values): over how many directions rows spread (effective rank, Roy and Vetterli 2007)."""
    share = torch.linalg.svdvals(rows)
    share = share / share.sum()
    return float(torch.exp(-(share * (share + 1e-12).log()).sum()))


def targets_after_training(**keywords):
    torch.manual_seed(0)
    student = mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, embed_dim=96, depth=2, num_heads=3)
    model = latent_mim(student, ratio=0.8, dim=64, depth=1, hidden=128, gap=0, steps=80, **keywords)
    pictures = crops(64, 64, each=8) / 127.5 - 1
    batches = [pictures[torch.randperm(len(pictures))[:16]] for _ in range(10)]
    list(mv.fit(model, batches, steps=80, lr=2e-3, warmup=0))
    mask = Mask.random(student.grid, ratio=0.8, seed=0, batch=8)
    with torch.no_grad():
        return model.eval()(pictures[:8], mask).truth.flatten(0, 1)


def test_squared_error_to_oneself_collapses_and_telling_patches_apart_to_a_slow_copy_does_not():
    """The two ends of the paper's study in 80 steps: targets of one direction, and of more than 20."""
    assert rank(targets_after_training(branch="direct", contrast=False)) < 2
    assert rank(targets_after_training()) > 20


def test_branches_and_the_penalty():
    for branch, gradient in (("slow", False), ("stopped", False), ("direct", True)):
        model = latent_mim(encoder("latent_mim"), dim=32, depth=1, hidden=64, branch=branch, gap=0)
        assert model(smooth(2), MASK).truth.requires_grad == gradient
    whole = latent_mim(encoder("latent_mim"), dim=32, depth=1, hidden=64, whole=True, similar=0.1, gap=0)
    outcome = whole(smooth(2), MASK)
    features = whole.teacher.others[0](whole.teacher(smooth(2)))[:, 1:]
    torch.testing.assert_close(
        outcome.truth, torch.stack([f[ids] for f, ids in zip(features, MASK.hidden_ids, strict=True)])
    )
    seen = whole.project(whole.encode(smooth(2), MASK))[:, 1:]
    alike = [(F.normalize(x, dim=-1) @ F.normalize(x, dim=-1).transpose(1, 2)).mean() for x in (outcome.guess, seen)]
    torch.testing.assert_close(outcome.terms["similarity"], 0.1 * sum((a - 0.75) ** 2 for a in alike))
    whole.teacher.updates += 1000
    assert whole.goal == pytest.approx(0.25)


def test_queries_look_at_what_is_visible():
    model = made("latent_mim").eval()
    (weights,) = model.looks(smooth(2), MASK)
    assert weights.shape == (2, 1, 16, 16)
    assert not weights[:, 0][~MASK.hidden].any(), "visible patches ask nothing"
    assert not weights[:, 0].transpose(1, 2)[MASK.hidden].any(), "and nobody looks at hidden ones"
    asked = weights[:, 0][MASK.hidden].sum(-1)
    assert (asked > 0).all() and (asked < 1).all(), "the class token gets the rest"


def test_distinct_from_mae():
    """Scale and mean of all guesses count for nothing here; the gradient points elsewhere than MAE's."""
    grads = []
    for recipe, keywords in ((latent_mim, {"hidden": 64, "gap": 0}), (mae, {})):
        torch.manual_seed(0)
        student = encoder("latent_mim")
        recipe(student, dim=32, depth=1, **keywords)(smooth(2), MASK).loss.backward()
        grads.append(torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None]))
    assert abs(torch.cosine_similarity(*grads, dim=0)) < 0.5
