"""Sequences of many lengths in one pass give what each gives alone; and a batch asked twice is answered once."""

import pytest
import torch
from lenses.small import small_scene, small_vit

import mimviz as mv
from mimviz.vit import dropping
from mimviz.vit.answers import Answers, answer
from mimviz.vit.packing import packs

KINDS = {
    "class token": {},
    "mean of patches": {"prefix": 0},
    "registers": {"prefix": 3},
    "scaled, normed queries, no bias": {"init_values": 0.3, "qk_norm": True, "qkv_bias": False},
    "norm before the head": {"fc_norm": True, "pre_norm": True},
    "pooled by attention": {"prefix": 0, "global_pool": "map"},
    "one block": {"depth": 1},
}


def masks(batch: int = 2) -> torch.Tensor:
    """(K, B, N): of every length from one patch to all."""
    drawn = torch.rand(18, batch, 16, generator=torch.Generator().manual_seed(0))
    hidden = drawn < torch.linspace(0, 1, 18)[:, None, None]
    hidden[..., 3] = False
    return hidden


@pytest.mark.parametrize("kind", KINDS)
def test_packed_is_one_after_another(kind, monkeypatch):
    scene, hidden = small_scene(**KINDS[kind]), masks()
    assert packs(scene.model)
    monkeypatch.setattr(dropping, "TOKENS", 40)  # several packs
    packed = dropping.Dropping(scene).outputs(hidden).reshape(18, 2, -1)
    monkeypatch.setattr(dropping, "packs", lambda _: False)
    alike = dropping.Dropping(scene).outputs(hidden).reshape(18, 2, -1)
    torch.testing.assert_close(packed, alike, atol=1e-5, rtol=1e-5)
    encoder = mv.vit.Encoder(scene.model)
    with torch.no_grad():
        for k, b in ((0, 0), (7, 1), (17, 0)):
            ids = (~hidden[k, b]).nonzero()[:, 0][None]
            alone = scene.model.forward_head(encoder(encoder.embed(scene.images[b : b + 1])[:, ids[0]], ids))
            torch.testing.assert_close(packed[k, b], alone[0], atol=1e-5, rtol=1e-5)


def test_one_mask_at_a_time_where_a_pack_is_full(monkeypatch):
    scene, hidden = small_scene(), masks()
    whole = dropping.Dropping(scene).outputs(hidden)
    monkeypatch.setattr(dropping, "TOKENS", 1)
    torch.testing.assert_close(dropping.Dropping(scene).outputs(hidden), whole, atol=1e-5, rtol=1e-5)


def test_a_model_that_somebody_changed_takes_the_long_way():
    vit = small_vit()
    assert packs(vit)
    handle = vit.blocks[1].register_forward_hook(lambda *_: None)
    assert not packs(vit)
    handle.remove()
    assert packs(vit)
    vit.blocks[0].attn.qkv = torch.nn.Sequential(vit.blocks[0].attn.qkv)
    assert not packs(vit)
    assert not packs(mv.encoder("beit_base_patch16_224", img_size=32, patch_size=16, depth=1).vit)
    assert not packs(small_vit(name="deit_tiny_distilled_patch16_224"))


def test_a_hook_in_a_block_is_obeyed():
    scene, hidden = small_scene(), masks()
    whole = dropping.Dropping(scene).outputs(hidden)
    handle = scene.model.blocks[1].register_forward_hook(lambda _, __, x: x * 0.5)
    halved = dropping.Dropping(scene).outputs(hidden)
    handle.remove()
    assert (whole - halved).abs().max() > 1e-2


def test_a_batch_asked_twice_is_answered_once_and_the_same():
    scene = small_scene()
    passes = []
    handle = scene.model.register_forward_hook(lambda *_: passes.append(1))
    scene.answers = Answers()
    first = answer(scene, scene.images)
    assert torch.equal(answer(scene, scene.images.clone()), first) and len(passes) == 1
    assert not torch.equal(answer(scene, scene.images + 1e-3), first) and len(passes) == 2
    scene.answers = None
    assert torch.equal(answer(scene, scene.images), first) and len(passes) == 3
    handle.remove()
