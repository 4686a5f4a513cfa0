"""CroCo: a slow twin of the decoder, MAE's decoder without a second view, and correspondences on shifted pairs."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask

from .small import GRID, encoder, made


@pytest.fixture(scope="module")
def pairs():
    """(B, 6, 32, 32): patches of one colour each, and the same two columns further to the right."""
    colours = torch.randn(272, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    shifted = colours.roll(2, 3)
    return torch.cat([colours, shifted], 1).repeat_interleave(8, 2).repeat_interleave(8, 3)


@pytest.fixture(scope="module")
def trained(pairs):
    torch.manual_seed(0)
    model = mv.recipes.croco(encoder("croco"), ratio=0.75, normalize=False, dim=48, depth=2, heads=1)
    list(mv.fit(model, list(pairs[:256].split(16)), steps=280, lr=3e-3, warmup=10, weight_decay=0.0))
    return model


def error(model, images, mask):
    with torch.no_grad():
        return float(model(images, mask).loss)


def test_the_second_view_is_used_and_another_one_hurts(trained, pairs):
    held, mask = pairs[256:], Mask.random(GRID, ratio=0.75, seed=3, batch=16)
    true, none = error(trained, held, mask), error(trained, held[:, :3], mask)
    shuffled = error(trained, torch.cat([held[:, :3], held[:, 3:].roll(1, 0)], 1), mask)
    assert true < 0.5 * shuffled and true < 0.5 * none


def test_cross_attention_finds_the_shift(trained, pairs):
    held, mask = pairs[256:], Mask.random(GRID, ratio=0.75, seed=3, batch=16)
    looks = torch.stack([each.mean(1) for each in trained.looks(held, mask)])  # blocks, B, N, N
    at = torch.arange(16)
    wanted = at // 4 * 4 + (at % 4 + 2) % 4
    right = [(each.argmax(-1) == wanted)[mask.hidden].float().mean() for each in looks]
    assert max(right) > 0.5


def test_the_decoder_s_slow_twin():
    """Each step by itself, with plain matrix products (section 3.2: self-attention, cross-attention, MLP)."""
    model, images = made("croco").eval(), torch.randn(1, 6, 32, 32)
    mask = Mask.random(GRID, ratio=0.9, seed=0)
    decoder, encode = model.decoder, model.encoder
    with torch.no_grad():
        content = encode.embed(images[:, :3])
        kept = mask.keep_ids[0]
        seen, other = encode(content[:, kept], kept[None]), encode(encode.embed(images[:, 3:]))
        x = torch.empty(1, 17, 32)
        x[:, 0] = decoder.embed(seen)[:, 0] + decoder.positions[:, 0]
        for n in range(16):
            hidden = mask.hidden[0, n]
            row = decoder.token[:, 0] if hidden else decoder.embed(seen)[:, 1 + kept.tolist().index(n)]
            x[:, 1 + n] = row + decoder.positions[:, 1 + n]
        memory = decoder.embed(other) + decoder.positions
        for block in decoder.blocks:
            x = x + block.attn(block.norm1(x))
            queries, keys = block.q(block.norm_cross(x))[0], block.kv(block.norm_memory(memory))[0]
            mixed = (queries @ keys[:, :32].T / 32**0.5).softmax(-1) @ keys[:, 32:]
            x = x + block.proj(mixed[None])
            x = x + block.mlp(block.norm2(x))
        twin = decoder.head(decoder.norm(x))[:, 1:]
        torch.testing.assert_close(model(images, mask).guess, twin, atol=1e-5, rtol=1e-5)


def test_without_a_second_view_it_is_mae_bit_for_bit():
    croco = made("croco").eval()
    mae = mv.recipes.mae(croco.encoder, dim=32, depth=1).eval()
    missing = mae.decoder.load_state_dict(croco.decoder.state_dict(), strict=False)
    assert not missing.missing_keys
    images, mask = torch.randn(2, 3, 32, 32), Mask.random(GRID, seed=1)
    a, b = croco(images, mask), mae(images, mask)
    assert torch.equal(a.guess, b.guess) and torch.equal(a.loss, b.loss)
    two = croco(torch.cat([images, images], 1), mask)
    assert not torch.allclose(two.guess, a.guess), "the second view reaches the guess"


def test_a_second_view_can_be_held():
    model, mask = made("croco"), Mask.random(GRID, ratio=0.9, seed=0)
    alone = model.reconstruct("cat", mask)
    model.second = "cat"
    both = model.reconstruct("cat", mask)
    pair = torch.cat([model.prepare("cat"), model.second], 1)
    assert not torch.equal(alone.guess, both.guess)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(pair, mask).guess, both.guess)
    model.second = None
    assert torch.equal(model.reconstruct("cat", mask).guess, alone.guess)
    with pytest.raises(ValueError, match="no second view"):
        model.looks(torch.randn(1, 3, 32, 32), mask)
