"""NMI of attention in closed form and against the public notebook; hybrid attention distilled in a few steps."""

import pytest
import timm
import torch
from torch.nn import functional as F

from mimviz.lenses import AttentionPatterns
from mimviz.lenses.overfocus import attended
from mimviz.lenses.unip import distill, imitation, mutual_information, with_heads

from .small import SIZE, small_scene, small_vit


def test_nmi_is_1_for_a_permutation_0_for_uniform_and_between_otherwise():
    torch.manual_seed(0)
    permutation = torch.eye(16)[torch.randperm(16)]
    uniform, alike = torch.full((16, 16), 1 / 16), torch.rand(16).softmax(0).expand(16, 16)
    torch.testing.assert_close(mutual_information(permutation), torch.tensor(1.0))
    torch.testing.assert_close(mutual_information(uniform), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(mutual_information(alike), torch.tensor(0.0), atol=1e-6, rtol=0)
    one_key = torch.zeros(16, 16)
    one_key[:, 3] = 1
    assert mutual_information(one_key) == 0, "no entropy of keys, nothing to tell"
    some = mutual_information((torch.randn(100, 16, 16) * 3).softmax(-1))
    assert (some > 0).all() and (some < 1).all()


def test_nmi_is_that_of_the_public_notebook():
    """cl-vs-mim's calculation: patches alone, 1e-8 added, rows divided by their sums."""
    scene = small_scene(prefix=3)
    found = AttentionPatterns()(scene)
    for layer in range(3):
        attention = scene.trace.attention[layer][:, :, 3:, 3:] + 1e-8
        attention = attention / attention.sum(-1, keepdim=True)
        q = 1 / 16
        keys = (attention * q).sum(2)
        mutual = (attention * q * (attention / keys[:, :, None]).log()).sum((2, 3))
        entropy = -(keys * keys.log()).sum(-1)
        naive = (mutual / (torch.tensor(16.0).log() * entropy).sqrt()).mean()
        torch.testing.assert_close(found.nmi[layer], naive, rtol=1e-4, atol=1e-6)


def test_bands_and_teacher():
    scene = small_scene()
    with torch.no_grad():
        scene.model.blocks[0].attn.qkv.weight[:48] *= 4
        scene.model.blocks[2].attn.qkv.weight[:24] = scene.model.blocks[2].attn.qkv.bias[:24] = 0
    nmi = AttentionPatterns()(scene).nmi
    assert nmi[0] > nmi[1] > nmi[2]
    middle = float(nmi[1])
    found = AttentionPatterns(hybrid=middle, bands=(middle / 2, (middle + float(nmi[0])) / 2))(scene)
    assert found.kinds == ("local", "hybrid", "global") and found.teacher == 1


def test_imitation_is_the_authors_loss():
    torch.manual_seed(0)
    pred, teacher = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    expected = F.kl_div(pred.log_softmax(-1), teacher.log_softmax(-1), reduction="none", log_target=True).sum(-1).mean()
    torch.testing.assert_close(imitation(pred.softmax(-1), teacher.softmax(-1)), expected)
    torch.testing.assert_close(imitation(pred.softmax(-1), pred.softmax(-1)), torch.tensor(0.0))
    with pytest.raises(ValueError, match="give its last block the teacher's heads"):
        imitation(torch.rand(2, 2, 8, 8), torch.rand(2, 3, 8, 8))


def test_a_short_distillation_imitates_the_teacher_on_pictures_it_has_not_seen():
    teacher = small_vit(seed=3, num_heads=4)
    torch.manual_seed(4)
    student = with_heads(timm.create_model("vit_tiny_patch16_224", **{**SIZE, "depth": 2, "embed_dim": 48}), 4)
    torch.nn.init.normal_(student.pos_embed, std=0.5)
    for sharp in teacher.blocks:
        sharp.attn.qkv.weight.data[:48] *= 1.5
    generator = torch.Generator().manual_seed(0)
    held = torch.randn(8, 3, 32, 32, generator=generator)
    batches = [torch.randn(8, 3, 32, 32, generator=generator) for _ in range(100)]
    weights = [p.clone() for p in teacher.parameters()]

    def apart() -> tuple[float, float]:
        with torch.no_grad():
            wanted, made = attended(teacher, held)[0][1], attended(student, held)[0][-1]
        nmi = [
            float(mutual_information(m[..., 1:, 1:] / m[..., 1:, 1:].sum(-1, keepdim=True)).mean()) for m in (made, wanted)
        ]
        return float(imitation(made, wanted)), abs(nmi[0] - nmi[1])

    before = apart()
    steps = list(distill(student, teacher, batches, layer=1, lr=1e-2))
    after = apart()
    assert [step.index for step in steps] == list(range(1, 101))
    assert after[0] < 0.5 * before[0], f"held-out KL {before[0]:.3f} -> {after[0]:.3f}"
    assert after[1] < before[1], f"distance to the teacher's NMI {before[1]:.4f} -> {after[1]:.4f}"
    assert all(torch.equal(a, b) for a, b in zip(weights, teacher.parameters(), strict=True))
    assert all(p.grad is None for p in [*teacher.parameters(), *student.parameters()])
    assert 0 <= steps[-1].nmi <= 1


def test_heads_must_divide_the_width():
    assert with_heads(small_vit(), 6).blocks[-1].attn.head_dim == 4
    with pytest.raises(ValueError, match="heads is 5, but 24 channels"):
        with_heads(small_vit(), 5)
