"""CrossMAE: patches that do not know of each other, a slow twin of the decoder, mixing weights, and the part that is trained."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.where import Highest, Some

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.75, seed=1, batch=2)
IDS = torch.tensor([[3, 9, 1], [14, 0, 7]])


def memory(model, images):
    with torch.no_grad():
        return model.memory(images, MASK)


@pytest.mark.parametrize("mixing", [True, False])
def test_a_subset_is_the_rows_of_the_whole(mixing):
    torch.manual_seed(0)
    model = mv.recipes.crossmae(encoder("crossmae"), mixing=mixing, dim=32, depth=2).eval()
    seen = memory(model, smooth(2))
    whole, some = model.decoder(seen, MASK), model.decoder.some(seen, IDS)
    torch.testing.assert_close(some, whole.gather(1, IDS[..., None].expand_as(some)), atol=1e-5, rtol=0)


def test_mae_and_self_attention_fail_it():
    """The mae decoder over other hidden patches says something else of the same patch; so does CrossMAE `among`."""
    torch.manual_seed(0)
    mae, images = mv.recipes.mae(encoder("mae"), dim=32, depth=2), smooth(2)
    place = MASK.hidden_ids[:, :1]
    lone = Mask(torch.zeros_like(MASK.hidden).scatter(1, place, True) | False)
    seen = mae.encode(images, MASK)
    whole = mae.decoder(seen, MASK)
    kept = torch.cat([MASK.keep_ids, place], 1).sort(1).values  # the visible ones and one hidden patch alone
    x = mae.decoder.placed(seen, MASK)
    x = x.gather(1, torch.cat([torch.zeros(2, 1).long(), kept + 1], 1)[..., None].expand(-1, -1, 32))
    alone = mae.decoder.head(mae.decoder.norm(mae.decoder.blocks(x)))[:, 1:]
    at = (kept == place).nonzero()[:, 1]
    mine = whole[torch.arange(2), place[:, 0]]
    assert not torch.allclose(alone[torch.arange(2), at], mine, atol=1e-3)
    assert lone.count == 1
    among = mv.recipes.crossmae(encoder("crossmae"), among=True, dim=32, depth=2).eval()
    seen = memory(among, images)
    some, whole = among.decoder.some(seen, IDS), among.decoder(seen, MASK)
    assert not torch.allclose(some, whole.gather(1, IDS[..., None].expand_as(some)), atol=1e-3)


def test_no_gradient_from_one_patch_to_another():
    model = made("crossmae").eval()
    seen = memory(model, smooth(2))
    model.decoder.positions.requires_grad_()
    guess = model.decoder(seen, MASK)
    (grad,) = torch.autograd.grad(guess[:, 5].square().sum(), model.decoder.positions)
    assert grad[0, 5].any() and not grad[0, torch.arange(16) != 5].any()


def test_the_decoder_s_slow_twin():
    """Each step by itself (models_cross.py: mix, norm, cross-attention, MLP), one picture, one head and patch at a time."""
    torch.manual_seed(0)
    model = mv.recipes.crossmae(encoder("crossmae"), dim=32, depth=2, heads=2).eval()
    images, mask, decoder, vit = smooth(1), MASK[0], model.decoder, model.encoder.vit
    with torch.no_grad():
        x = vit.patch_embed(images) + vit.pos_embed[:, 1:]
        layers = [torch.cat([vit.cls_token + vit.pos_embed[:, :1], x[:, mask.keep_ids[0]]], 1)]
        for block in vit.blocks:
            layers.append(block(layers[-1]))
        n = int(mask.hidden_ids[0, 2])
        x = decoder.token[0, 0] + decoder.positions[0, n]
        for i, block in enumerate(decoder.blocks):
            mixed = sum(float(decoder.weights[i, j]) * layer for j, layer in enumerate(layers))
            y = decoder.norms[i](mixed)[0]
            q, k, v = block.cross.q(block.norm1(x)), block.cross.k(y), block.cross.v(y)
            heads = []
            for h in (slice(0, 16), slice(16, 32)):
                share = torch.stack([(q[h] @ row[h]) / 4 for row in k]).softmax(0)
                heads.append(sum(s * row[h] for s, row in zip(share, v, strict=True)))
            x = x + block.cross.proj(torch.cat(heads))
            x = x + block.mlp(block.norm2(x))
        twin = decoder.head(decoder.norm(x))
        torch.testing.assert_close(model(images, mask).guess[0, n], twin, atol=1e-5, rtol=1e-5)


def test_training_decodes_a_quarter_and_eval_all():
    model, images = made("crossmae"), smooth(2)
    outcome = model.train()(images)
    assert outcome.guess.shape[:2] == (2, 4) and outcome.mask.count == 12
    assert torch.equal(outcome.where, outcome.mask.predict_ids) and outcome.mask.hidden.gather(1, outcome.where).all()
    naive = (outcome.guess - outcome.truth).square().mean()
    torch.testing.assert_close(outcome.loss, naive)
    again = model.eval()(images, outcome.mask)
    assert again.guess.shape[1] == 16
    rows = outcome.where[..., None].expand_as(outcome.guess)
    torch.testing.assert_close(again.guess.gather(1, rows), outcome.guess, atol=1e-5, rtol=1e-5)
    assert again.loss.item() == pytest.approx(outcome.loss.item(), rel=1e-5)


def test_the_encoder_learns_from_what_is_decoded_alone():
    """Another hidden patch may hold anything: the gradient is that of the patches to be predicted."""
    model, images = made("crossmae").train(), smooth(2)
    mask = Some(Highest(0.75), 0.25)(images, GRID, torch.Generator().manual_seed(0))
    left = mask.hidden & ~mask.predict
    patches = GRID.patchify(images)
    other = GRID.unpatchify(torch.where(left[..., None], torch.randn_like(patches), patches))
    grads = [torch.autograd.grad(model(each, mask).loss, model.encoder.vit.cls_token)[0] for each in (images, other)]
    assert torch.equal(*grads) and grads[0].any()


def test_mixing_weights_begin_as_noise_and_every_layer_learns():
    torch.manual_seed(0)
    deep = mv.recipes.crossmae(encoder("crossmae"), dim=32, depth=400)
    assert deep.decoder.mixing.shape == (400, 3)
    assert float(deep.decoder.mixing.std()) == pytest.approx(3**-0.5, rel=0.1)
    model = made("crossmae")
    model.encoder.vit.blocks.requires_grad_(False)
    model(smooth(2)).loss.backward()
    assert (model.decoder.weights.grad != 0).all() and model.encoder.vit.cls_token.grad.any()
    plain = mv.recipes.crossmae(encoder("crossmae"), mixing=False, dim=32, depth=2)
    assert plain.decoder.mixing.tolist() == [[1], [1]]


def test_who_reads_whom():
    model, images = made("crossmae"), smooth(2)
    looks = model.attention(images, MASK)
    assert len(looks) == 1 and looks[0].shape == (2, 1, 12, 4)
    seen = memory(model.eval(), images)
    full = model.decoder.attention(seen, MASK.hidden_ids)[0]
    torch.testing.assert_close(full.sum(-1), torch.ones(2, 1, 12))
    torch.testing.assert_close(looks[0], full[..., 1:])
    assert torch.equal(model.attention(images, MASK, MASK.hidden_ids[:, :3])[0], looks[0][:, :, :3])


def test_some_are_predicted():
    masks = Some(Highest(0.5), 0.25)(torch.zeros(50, 3, 32, 32), GRID, torch.Generator().manual_seed(0))
    assert (masks.hidden.sum(1) == 8).all() and (masks.predict.sum(1) == 4).all()
    assert not (masks.predict & ~masks.hidden).any() and len(masks.predict.unique(dim=0)) > 40
    assert (Some(Highest(0.1), 0.9)(torch.zeros(2, 3, 32, 32), GRID).predict.sum(1) == 2).all()
    with pytest.raises(ValueError, match="predict is 0"):
        Some(predict=0)
