"""CAE: slow twins of regressor and decoder, who may see what, and latents that come to agree."""

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.influence import by_gradient, leave_one_out

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=1, batch=2)


@pytest.fixture
def model():
    model = made("cae").eval()
    for p in (*model.regressor.parameters(), *model.decoder.parameters()):
        p.data += 0.05 * torch.randn_like(p)  # no scale, norm or bias stays what hides a mistake
    return model


def layer_norm(x, norm):
    return (x - x.mean()) / (x.var(correction=0) + 1e-6).sqrt() * norm.weight + norm.bias


def test_the_regressor_s_slow_twin(model):
    """RegressorBlock of the authors: x_q + γ · attention(norm(x_q + pos), norm(x_kv + pos), norm(x_kv)); norm; + γ · MLP."""
    images, mask, regressor = smooth(1), MASK[0], model.regressor
    with torch.no_grad():
        visible = model.encode(images, mask)[0, 1:]
        places = [regressor.positions[0, n] for n in (*mask.keep_ids[0].tolist(), *mask.hidden_ids[0].tolist())]
        hidden = [regressor.token[0, 0]] * 8
        for block in regressor.blocks:
            memory = [*visible, *hidden]
            keys = [block.cross.k(layer_norm(x + at, block.norm_k)) for x, at in zip(memory, places, strict=True)]
            values = [block.cross.v(layer_norm(x, block.norm_v)) for x in memory]
            new = []
            for x, at in zip(hidden, places[8:], strict=True):
                q = block.cross.q(layer_norm(x + at, block.norm_q))
                share = torch.stack([(q @ k) / 48**0.5 for k in keys]).softmax(0)
                read = block.cross.proj(sum(s * v for s, v in zip(share, values, strict=True)))
                x = layer_norm(x + block.scale_cross * read, block.norm_mlp)
                new.append(x + block.scale_mlp * block.mlp(x))
            hidden = new
        twin = torch.stack([layer_norm(x, regressor.norm) for x in hidden])
        torch.testing.assert_close(regressor(model.encode(images, mask), mask)[0], twin, atol=1e-5, rtol=1e-5)
        x = (twin + regressor.positions[0, mask.hidden_ids[0]])[None]
        for block in model.decoder.blocks:
            x = x + block.ls1.gamma * block.attn(block.norm1(x))
            x = x + block.ls2.gamma * block.mlp(block.norm2(x))
        guess = model.decoder.head(model.decoder.norm(x))
        torch.testing.assert_close(model(images, mask).guess, guess, atol=1e-5, rtol=1e-5)


def test_the_loss_by_hand(model):
    images = smooth(2)
    outcome = model(images, MASK)
    with torch.no_grad():
        codes = model.target(images)[..., 0]
        logs = outcome.guess.log_softmax(-1)
        ids = MASK.hidden_ids
        entropy = torch.stack([-logs[b, m, codes[b, ids[b, m]]] for b in range(2) for m in range(8)]).mean()
        latents = model.regressor(model.encode(images, MASK), MASK)
        content = model.encoder.embed(images).gather(1, ids[..., None].expand(-1, -1, 48))
        true = model.encoder(content, ids)[:, 1:]
        wanted = entropy + 2 * (latents - true).square().mean()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_hidden_pixels_move_the_truth_alone(model):
    images = smooth(2)
    patches = GRID.patchify(images)
    other = GRID.unpatchify(torch.where(MASK.hidden[..., None], torch.randn_like(patches), patches))
    with torch.no_grad():
        a, b = (model.regressor(model.encode(each, MASK), MASK) for each in (images, other))
        true_a, true_b = (model.true_latents(each, MASK) for each in (images, other))
    assert torch.equal(a, b) and not torch.allclose(true_a, true_b, atol=1e-2)
    visible = GRID.unpatchify(torch.where(MASK.hidden[..., None], patches, torch.randn_like(patches)))
    assert torch.equal(model.true_latents(visible, MASK), true_a), "the true latents know nothing of what is visible"


def test_no_gradient_through_the_true_latents(model):
    """The alignment's gradient on the encoder is that of a constant target."""
    images = smooth(2)
    latents = model.regressor(model.encode(images, MASK), MASK)
    constant = 2 * F.mse_loss(latents, model.true_latents(images, MASK).clone())
    parameters = [model.encoder.vit.cls_token, model.encoder.vit.blocks[0].attn.qkv.weight]
    wanted = torch.autograd.grad(constant, parameters)
    found = torch.autograd.grad(model(images, MASK).terms["alignment"], parameters)
    assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True)) and found[1].any()


def test_the_decoder_sees_hidden_latents_alone(model):
    ids, latents = MASK.hidden_ids, torch.randn(2, 8, 48)
    assert model.decoder(latents, ids).shape == (2, 8, 16)
    images = smooth(2).requires_grad_()
    assert model.decoder.head.in_features == 48
    (grad,) = torch.autograd.grad(model.decoder(latents + 0 * images.sum(), ids).sum(), images)
    assert not grad.any()


def test_without_weight_it_is_the_codes_term_bit_for_bit(model):
    images = smooth(2)
    both = model(images, MASK)
    model.weight = 0
    alone = model(images, MASK)
    assert not alone.terms and torch.equal(alone.patch_loss, both.patch_loss)
    assert both.loss.item() == pytest.approx(alone.loss.item() + both.terms["alignment"].item(), rel=1e-6)


@pytest.fixture(scope="module")
def trained():
    found = {}
    for weight in (2.0, 0.0):
        torch.manual_seed(0)
        found[weight] = mv.recipes.cae(encoder("cae"), weight=weight, count=16, regress=2, depth=1)
        list(mv.fit(found[weight], [smooth(8)], steps=60, lr=3e-3, warmup=0))
    return found


def test_true_latents_decode_better_than_shuffled_ones(trained):
    model, images, mask = trained[2.0], smooth(8), Mask.random(GRID, ratio=0.5, seed=3, batch=8)
    ids = mask.hidden_ids
    with torch.no_grad():
        true, truth = model.true_latents(images, mask), model.target(images).gather(1, ids[..., None])
        good, bad = (float(model.loss(model.decoder(z, ids), truth).mean()) for z in (true, true.roll(3, 1)))
    assert good < bad - 0.1


def test_alignment_is_what_makes_latents_agree(trained):
    images, mask = smooth(8), Mask.random(GRID, ratio=0.5, seed=3, batch=8)

    def error(model):
        with torch.no_grad():
            latents = model.regressor(model.encode(images, mask), mask)
            return float(F.mse_loss(latents, model.true_latents(images, mask)))

    assert error(trained[2.0]) < 0.5 * error(trained[0.0])
    cosines = [trained[w].agreement(images, mask) for w in (2.0, 0.0)]
    assert cosines[0].isnan().equal(~mask.hidden) and cosines[0].nanmean() > cosines[1].nanmean() + 0.1


def test_who_reads_whom(model):
    looks = model.attention(smooth(2), MASK)
    assert len(looks) == len(model.regressor.blocks) and looks[0].shape == (2, 1, 8, 8)
    with torch.no_grad():
        full = model.regressor.attention(model.encode(smooth(2), MASK), MASK)
    torch.testing.assert_close(full[0].sum(-1), torch.ones(2, 1, 8))
    torch.testing.assert_close(looks[0], full[0][..., :8])


def test_influence_of_a_model_that_guesses_hidden_patches_alone(model):
    picture, mask = mv.image("cat"), MASK[0]
    one, two = leave_one_out(model, picture, mask), by_gradient(model, picture, mask, probes=1)
    assert one.values.shape == two.values.shape == (8, 8)
    assert torch.isfinite(one.values).all() and (one.values > 0).any() and torch.isfinite(one.helps).all()
