"""CRATE-MAE: a naive twin after the authors' code, the meaning of its layers, and its size."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.vit.crate import ISTA, coding_rate, layers

from .small import GRID, made


def attention(module, x):
    """Each head on its own: w = Uᵀx, softmax(w wᵀ / √d) w, then the projection."""
    w, d = x @ module.qkv.weight.T, module.qkv.weight.shape[0] // module.num_heads
    heads = []
    for k in range(module.num_heads):
        mine = w[..., k * d : (k + 1) * d]
        heads.append((mine @ mine.transpose(1, 2) / d**0.5).softmax(-1) @ mine)
    return torch.cat(heads, -1) @ module.proj.weight.T + module.proj.bias


def ista(module, x, step=0.1, penalty=0.5):
    """Token by token: D x and Dᵀ x as matrix times vector."""
    D = module.weight
    out = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            z = x[b, n]
            out[b, n] = (z + step * (D.T @ z - D.T @ (D @ z)) - step * penalty).clamp(min=0)
    return out


def test_loss_is_that_of_a_naive_twin():
    model = made("crate_mae").double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.2)
    images, mask = torch.randn(2, 3, 32, 32, dtype=torch.float64), Mask.random(GRID, seed=1, batch=2)
    vit, decoder = model.encoder.vit, model.decoder
    x = vit.patch_embed.proj(images).flatten(2).transpose(1, 2)
    x = torch.where(mask.hidden[..., None], model.how.token, x)  # mask tokens before positions, all patches encoded
    x = torch.cat([vit.cls_token.expand(2, -1, -1), x], 1) + vit.pos_embed
    for block in vit.blocks:
        x = x + attention(block.attn, block.norm1(x))
        x = ista(block.ista, block.norm2(x))
    x = vit.norm(x)
    for block in decoder.blocks:
        x = block.norm1(x) @ block.dictionary.weight.T
        x = x - attention(block.attn, block.norm2(x))
    guess = decoder.head(decoder.norm(x))[:, 1:]
    truth = model.target(images, mask)
    wanted = (guess - truth).square().mean(-1)[mask.hidden].mean()
    torch.testing.assert_close(model(images, mask).loss, wanted)


def test_at_most_two_fifths_of_the_parameters_of_mae():
    """At equal width and depth of encoder and decoder."""
    encoder = mv.encoder("vit_small_patch16_224", img_size=64, patch_size=8)
    mae = mv.recipes.mae(encoder, dim=384, depth=12)
    crate = mv.recipes.crate_mae(encoder)
    counts = [sum(p.numel() for p in model.parameters()) for model in (crate, mae)]
    assert counts[0] <= 0.4 * counts[1]


@pytest.mark.parametrize("seed", range(5))
def test_a_step_of_ista_never_raises_its_objective(seed):
    """½ |x − D z|² + λ |z|₁ for z ≥ 0, from z = x, where η ≤ 1 / |D|²."""
    torch.manual_seed(seed)
    layer = ISTA(24, penalty=0.3).double()
    layer.step = 1 / float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) ** 2
    x = torch.rand(3, 7, 24, dtype=torch.float64)

    def objective(z):
        return (x - F.linear(z, layer.weight)).square().sum(-1) / 2 + layer.penalty * z.sum(-1)

    z = layer(x)
    assert (z >= 0).all() and (objective(z) < objective(x)).all()


def test_the_coding_rate_by_hand():
    w = torch.randn(2, 3, 10, 4, dtype=torch.float64)
    for b in range(2):
        total = 0.0
        for k in range(3):
            unit = w[b, k] / w[b, k].norm(dim=-1, keepdim=True)
            total += torch.logdet(torch.eye(10).double() + 4 / (10 * 0.01) * unit @ unit.T) / 2
        torch.testing.assert_close(coding_rate(w)[b], total)
    alike = torch.ones(1, 3, 10, 4)
    assert coding_rate(alike) < coding_rate(w).min(), "tokens in one direction are cheaper to write down"


def test_training_makes_zeros_and_the_rate_falls_with_depth():
    """On a toy of four layers: the rate falls from each layer to the next, and training makes zeros in all of them. (That there are
    more from layer to layer, as in the paper, does not show at this size.)"""
    torch.manual_seed(0)
    keywords = {"img_size": 32, "patch_size": 4, "embed_dim": 48, "depth": 4, "num_heads": 3}
    model = mv.recipes.crate_mae(mv.encoder("vit_tiny_patch16_224", **keywords), normalize=False)
    images = torch.cat([model.prepare(name) for name in mv.images()])
    before = [zeros for _, zeros in layers(model.encoder, images)]
    for _ in mv.fit(model, [images], steps=120, lr=2e-3):
        pass
    rates, zeros = zip(*layers(model.encoder, images), strict=True)
    assert rates[0] > rates[1] > rates[2] > rates[3]
    assert all(now > then for now, then in zip(zeros, before, strict=True))


def test_its_attention_is_read_exactly():
    model = made("crate_mae").eval()
    scene = mv.Scene(model.encoder.vit, mv.image("cat"))
    assert scene.trace.certificate.exact
    A = scene.trace.attention[0]
    torch.testing.assert_close(A.sum(-1), torch.ones_like(A.sum(-1)))


def test_the_encoder_it_was_made_from_is_left_alone():
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = mv.recipes.crate_mae(encoder)
    assert model.encoder is not encoder and model.encoder.grid == encoder.grid
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_what_it_cannot_take():
    with pytest.raises(TypeError, match=r"white-box layers.*this encoder is a ResNet"):
        mv.recipes.crate_mae(mv.encoder("resnet18", img_size=64))
