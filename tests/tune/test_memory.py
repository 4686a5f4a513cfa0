"""Learnable memory: the old task stays what it was, whatever the memory; and the paper's pass, token by token."""

from copy import deepcopy

import pytest
import torch

import mimviz as mv
from mimviz.tune import Memory, head_only

from .small import batches, is_frozen, normalized, plain, planted, state


def loud(model):
    """Memory, token and head of large random numbers."""
    torch.manual_seed(2)
    for p in model.tasks.parameters():
        torch.nn.init.normal_(p, std=2.0)
    return model.eval()


@pytest.mark.parametrize("options", [{}, {"reg_tokens": 2}, {"global_pool": "avg"}, {"no_embed_class": True}])
def test_masked_memory_leaves_the_old_logits_alone(options):
    vit, images = plain(**options), normalized(planted(4)[0])
    before = vit(images)
    model = loud(Memory(vit, 5, tokens=3))
    torch.testing.assert_close(model.all(images)[0], before, atol=1e-6, rtol=1e-6)
    open_to_all = loud(Memory(plain(**options), 5, tokens=3, masked=False))
    assert not torch.allclose(open_to_all.all(images)[0], before, atol=1e-3)


def test_the_pass_equals_one_token_at_a_time():
    """Every query by itself: old tokens mix old ones; the new class token mixes those, itself and the memory of the layer."""
    vit, images = plain(), normalized(planted(2)[0])
    model = loud(Memory(vit, 5, tokens=3))
    task = model.tasks[0]

    def attend(block, query, seen):
        attn, shape = block.attn, (2, 12)
        parts = torch.stack([attn.qkv(block.norm1(t)).reshape(3, *shape) for t in seen])  # (M, 3, heads, d)
        q = attn.qkv(block.norm1(query)).reshape(3, *shape)[0]
        out = []
        for h in range(2):
            weights = torch.softmax(torch.stack([q[h] @ k / 12**0.5 for k in parts[:, 1, h]]), 0)
            out.append(sum(w * v for w, v in zip(weights, parts[:, 2, h], strict=True)))
        y = query + attn.proj(torch.cat(out))
        return y + block.mlp(block.norm2(y))

    for image, wanted in zip(images, model(images), strict=True):
        old = list(vit._pos_embed(vit.patch_embed(image[None]))[0])
        new = task.token[0, 0]
        for i, block in enumerate(vit.blocks):
            seen = [*old, new, *task.memory[i, 0]]
            new, old = attend(block, new, seen), [attend(block, t, old) for t in old]
        torch.testing.assert_close(task.head(vit.norm(new)), wanted, atol=1e-5, rtol=1e-4)


def test_no_memory_is_tuning_the_head_alone():
    """m = 0, without a new class token: the very trajectory of the head."""
    vit = plain()
    model, twin = (
        Memory(deepcopy(vit), 3, tokens=0, masked=False),
        mv.tune.Classifier(head_only(vit, 3), steps=5, smoothing=0),
    )
    with torch.no_grad():
        twin.vit.head.weight.zero_()
    ours, theirs = ([s.loss for s in mv.fit(each, batches(), steps=5, lr=0.05)] for each in (model, twin))
    assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_only_what_is_declared_changes(masked):
    model = Memory(plain(), 3, tokens=2, masked=masked)
    before, start = state(model.vit), {name: p.detach().clone() for name, p in model.named_parameters()}
    declared = {"tasks.0.memory", "tasks.0.head.weight", "tasks.0.head.bias"} | ({"tasks.0.token"} if masked else set())
    count = 2 * 2 * 24 + 3 * 24 + 3 + 24 * masked
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == count
    list(mv.fit(model, batches(), steps=4, lr=1e-2))
    assert is_frozen(before, model.vit)
    assert {name for name, p in model.named_parameters() if not torch.equal(p, start[name])} == declared


def test_it_learns_a_new_task_beside_the_old():
    vit, (images, labels) = plain(), planted(30)
    before = vit(normalized(images))
    model = Memory(vit, 3)
    list(mv.fit(model, batches(30), steps=150, lr=2e-2))
    old, new = model.all(normalized(images))
    assert (new.argmax(-1) == labels).float().mean() > 0.9
    torch.testing.assert_close(old, before, atol=1e-6, rtol=1e-6)


def test_tasks_beside_each_other_do_not_disturb():
    vit, images = plain(), normalized(planted(4)[0])
    one, two = loud(Memory(vit, 3, tokens=2)), loud(Memory(vit, 7, tokens=4))
    old, first, second = one.beside(two).all(images)
    torch.testing.assert_close(old, vit(images), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(first, one(images), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(second, two(images), atol=1e-5, rtol=1e-5)


def test_bad_inputs():
    with pytest.raises(TypeError, match="no class token"):
        Memory(plain(class_token=False, global_pool="avg"), 3)
    with pytest.raises(ValueError, match="at least 0 tokens"):
        Memory(plain(), 3, tokens=-1)
    with pytest.raises(ValueError, match="one and the same ViT"):
        Memory(plain(), 3).beside(Memory(plain(), 3))
