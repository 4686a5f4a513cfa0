"""DMAE: how far the teacher runs, what it sees, and the loss written slowly."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.tune import DMAE

from .small import batches, is_frozen, masked, normalized, number, planted, state

IMAGES = normalized(planted()[0])
LARGE = {"embed_dim": 36, "num_heads": 3, "depth": 4}


def test_the_teacher_runs_as_far_as_the_aligned_block_and_gets_no_gradient():
    model = DMAE(masked(), masked(1, **LARGE))
    vit = model.teacher.encoder.vit
    runs, normed = [0] * 4, []
    for i, block in enumerate(vit.blocks):
        block.register_forward_hook(lambda *_, i=i: runs.__setitem__(i, runs[i] + 1))
    vit.norm.register_forward_hook(lambda *_: normed.append(1))
    assert (model.layer, model.of) == (0, 2)
    model(IMAGES[:4]).loss.backward()
    assert runs == [1, 1, 1, 0] and not normed
    assert all(p.grad is None and not p.requires_grad for p in model.teacher.parameters())
    assert all(p.grad is not None for p in model.encoder.vit.blocks[0].parameters())


@pytest.mark.parametrize(("layer", "of", "zero"), [(None, None, True), (1, 1, True), (-2, 0, True), (1, 0, False)])
def test_a_copy_of_the_student_costs_nothing_without_a_projection(layer, of, zero):
    student = masked()
    model = DMAE(student, student, layer=layer, of=of, projection=None)
    assert (number(model(IMAGES[:4]).terms["distillation"]) == 0.0) is zero


def test_both_see_the_same_patches():
    model, mask, seen = DMAE(masked(), masked(1, **LARGE)), Mask.random(masked().grid, ratio=0.75, seed=5).expand(2), []
    vits = (model.encoder.vit, model.teacher.encoder.vit)
    for vit in vits:
        vit.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(IMAGES[:2], mask)
    for vit, tokens in zip(vits, seen, strict=True):
        every = vit.patch_embed(IMAGES[:2]) + vit.pos_embed[:, 1:]
        wanted = torch.stack([every[b, ~mask.hidden[b]] for b in range(2)])
        torch.testing.assert_close(tokens[:, 1:], wanted)


@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_the_loss_equals_the_naive_twin(projection):
    """Of directions: L1 of unit vectors, averaged over everything, plus the masked loss of the student."""
    student, teacher = masked(), masked(1, **LARGE)
    model = DMAE(student, teacher, projection=projection, weight=0.5)
    mask = Mask.random(student.grid, seed=5).expand(3)

    def behind(vit, block):
        out = []
        for b in range(3):
            x = (vit.patch_embed(IMAGES[b : b + 1]) + vit.pos_embed[:, 1:])[:, ~mask.hidden[b]]
            x = torch.cat([vit.cls_token + vit.pos_embed[:, :1], x], 1)
            for each in vit.blocks[: block + 1]:
                x = each(x)
            out.append(x[0])
        return torch.stack(out)

    ours, theirs = model.projection(behind(student.encoder.vit, 0)), behind(teacher.encoder.vit, 2)
    ours, theirs = ours / ours.norm(dim=-1, keepdim=True), theirs / theirs.norm(dim=-1, keepdim=True)
    total = sum(abs(a - b) for a, b in zip(ours.flatten().tolist(), theirs.flatten().tolist(), strict=True))
    wanted = number(student(IMAGES[:3], mask).loss) + 0.5 * total / ours.numel()
    assert number(model(IMAGES[:3], mask).loss) == pytest.approx(wanted, rel=1e-5)


def test_very_few_patches_are_enough_and_it_learns():
    student, teacher = masked(), masked(1, **LARGE)
    student.where = mv.grammar.where.Highest(0.9)
    model = DMAE(student, teacher)
    before = state(model.teacher)
    distances = [number(step.outcome.terms["distillation"]) for step in mv.fit(model, batches(), steps=40, lr=3e-3)]
    assert distances[-1] < 0.8 * distances[0]
    assert is_frozen(before, model.teacher)


def test_a_teacher_of_another_normalization_sees_the_same_colours():
    teacher = masked(1, **LARGE)
    vit = teacher.encoder.vit
    vit.pretrained_cfg = {**vit.pretrained_cfg, "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}
    model, raw = DMAE(masked(), vit), torch.rand(1, 3, 16, 16)
    mine = (raw - torch.tensor(model.encoder.mean).view(3, 1, 1)) / torch.tensor(model.encoder.std).view(3, 1, 1)
    theirs = (raw - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.6, 0.7]).view(3, 1, 1)
    torch.testing.assert_close(model.teacher._seen(mine), theirs)


def test_bad_inputs():
    with pytest.raises(ValueError, match="'linear' or 'mlp'"):
        DMAE(masked(), masked(1, **LARGE), projection=None)
    with pytest.raises(ValueError, match="the same grid is wanted"):
        DMAE(masked(), masked(1, img_size=32))
    with pytest.raises(IndexError, match="there are 2 blocks"):
        DMAE(masked(), masked(), layer=2)
    with pytest.raises(ValueError, match="and Drop"):
        DMAE(mv.recipes.simmim(masked().encoder), masked())
