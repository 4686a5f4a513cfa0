"""MFF: fusion weights, MAE where all weight lies on the last layer, and a twin of mmpretrain's fusion."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask

from .small import GRID, encoder, made
from .test_invariants import smooth


def test_the_papers_layers():
    twelve = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, num_heads=3)
    assert mv.recipes.mff(twelve, dim=16, depth=1).layers == (0, 2, 4, 6, 8, 11)
    with pytest.raises(ValueError, match="with the last"):
        mv.recipes.mff(twelve, layers=[0, 3])


def test_weights_begin_equal_and_learn():
    model = made("mff")
    torch.testing.assert_close(model.shares, torch.tensor([0.5, 0.5]))
    list(mv.fit(model, [smooth(2)], steps=5, lr=1e-2, warmup=0))
    assert model.shares.sum() == pytest.approx(1) and abs(float(model.shares[0]) - 0.5) > 1e-3


def test_all_weight_on_the_last_layer_is_mae_bit_for_bit():
    model, images, mask = made("mff").eval(), smooth(2), Mask.random(GRID, seed=1)
    plain = mv.recipes.mae(model.encoder, dim=32, depth=1).eval()
    plain.decoder.load_state_dict(model.decoder.state_dict())
    a, b = model(images, mask), plain(images, mask)
    assert not torch.allclose(a.guess, b.guess), "fused it is another model"
    model.weights.data = torch.tensor([-torch.inf, 0.0])
    c = model(images, mask)
    assert torch.equal(c.guess, b.guess) and torch.equal(c.loss, b.loss)


def test_shallow_layers_get_a_gradient_past_the_deep_ones():
    model, mask = made("mff"), Mask.random(GRID, seed=1)
    model.encoder.vit.blocks[1].requires_grad_(False)
    model(smooth(2), mask).loss.backward()
    assert model.projections[0].weight.grad.abs().sum() > 0 and model.weights.grad.abs().sum() > 0


def test_the_fusion_is_mmpretrain_s():
    """MFFViT.forward, block by block: project all but the last, stack, times softmax over (n, 1, 1, 1), sum, norm."""
    torch.manual_seed(0)
    model = mv.recipes.mff(encoder("mff"), layers=(0, 1), dim=32, depth=1).eval()
    model.weights.data = torch.tensor([0.3, -0.8])
    images, mask, vit = smooth(1), Mask.random(GRID, seed=2), model.encoder.vit
    with torch.no_grad():
        x = vit.patch_embed(images) + vit.pos_embed[:, 1:]
        x = torch.cat([vit.cls_token + vit.pos_embed[:, :1], x[:, mask.keep_ids[0]]], 1)
        first = vit.blocks[0](x)
        second = vit.blocks[1](first)
        e = [2.718281828459045**w for w in model.weights.tolist()]
        fused = (e[0] * model.projections[0](first) + e[1] * second) / sum(e)
        torch.testing.assert_close(
            model(images, mask).guess, model.decoder(vit.norm(fused), mask), atol=1e-5, rtol=1e-5
        )
