"""ConvMAE: no leak through convolutions, bit for bit, and a leak once they are not masked; a naive twin."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Mask

from .small import GRID, made


def parts(seed: int = 0, **keywords):
    torch.manual_seed(seed)
    model = made("convmae")
    for name, value in keywords.items():
        setattr(model, name, value)
    mask, images = Mask.random(GRID, ratio=0.6, seed=1, batch=2), torch.randn(2, 3, 32, 32)
    noise = GRID.unpatchify(torch.where(mask.hidden[..., None], torch.randn(2, 16, 192), GRID.patchify(images)))
    return model.eval(), mask, images, noise


def test_visible_outputs_know_nothing_of_hidden_pixels():
    model, mask, images, other = parts()
    with torch.no_grad():
        assert torch.equal(model.encode(images, mask), model.encode(other, mask))
        assert torch.equal(model.predict(images, mask), model.predict(other, mask))


def test_through_ordinary_convolutions_they_leak():
    model, mask, images, other = parts(masked=False)
    with torch.no_grad():
        assert not torch.equal(model.encode(images, mask), model.encode(other, mask))
        assert not torch.equal(model.predict(images, mask), model.predict(other, mask))


def test_with_nothing_hidden_masked_and_ordinary_are_one():
    model, _, images, _ = parts()
    mask = Mask.none(GRID).expand(2)
    masked = model.encode(images, mask)
    model.masked = False
    torch.testing.assert_close(masked, model.encode(images, mask))


def test_masks_agree_across_scales():
    """A visible cell of either stage is exactly as it is when the rest of the picture is any other."""
    model, mask, images, other = parts()
    visible = ~mask.hidden.reshape(2, 4, 4)
    stem = model.encoder.vit.patch_embed
    for x, y, cells in zip(stem.staged(images, visible)[1], stem.staged(other, visible)[1], (4, 2), strict=True):
        at = visible.repeat_interleave(cells, 1).repeat_interleave(cells, 2)
        assert x.shape[2:] == at.shape[1:]
        assert torch.equal(x.permute(0, 2, 3, 1)[at], y.permute(0, 2, 3, 1)[at])


def norm(module, x):
    mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * module.weight[:, None, None] + module.bias[:, None, None]


def test_loss_is_that_of_a_naive_twin():
    """Patches of 8: cells of 2 and 4 pixels; pixel masks are written one patch after another."""
    model, mask, images, _ = parts()
    model, images = model.double(), images.double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.2)
    stem, vit = model.encoder.vit.patch_embed, model.encoder.vit
    x, joined = images, []
    for s, cells in enumerate((4, 2)):
        seen = torch.zeros(2, 1, 4 * cells, 4 * cells, dtype=torch.float64)
        for b in range(2):
            for n in (~mask.hidden[b]).nonzero()[:, 0].tolist():
                row, col = divmod(n, 4)
                seen[b, 0, row * cells : (row + 1) * cells, col * cells : (col + 1) * cells] = 1
        entry = stem.entries[s]
        x = F.gelu(norm(entry.norm, F.conv2d(x, entry.proj.weight, entry.proj.bias, stride=2)))
        for block in stem.stages[s]:
            inner = seen * F.conv2d(norm(block.norm1, x), block.enter.weight, block.enter.bias)
            around = F.conv2d(inner, block.around.weight, block.around.bias, padding=2, groups=x.shape[1])
            x = x + F.conv2d(around, block.leave.weight, block.leave.bias)
            x = x + block.mlp(norm(block.norm2, x))
        joined.append(
            F.conv2d(x, model.fusion[s].weight, model.fusion[s].bias, stride=cells).flatten(2).transpose(1, 2)
        )
    entry = stem.entries[2]
    x = F.gelu(norm(entry.norm, F.conv2d(x, entry.proj.weight, entry.proj.bias, stride=2)))
    x = stem.proj(x.flatten(2).transpose(1, 2)) + vit.pos_embed[:, 1:]
    loss = []
    for b in range(2):
        kept = (~mask.hidden[b]).nonzero()[:, 0]
        tokens = vit.blocks(torch.cat([vit.cls_token[0] + vit.pos_embed[0, :1], x[b, kept]])[None])
        tokens[:, 1:] = tokens[:, 1:] + joined[0][b, kept] + joined[1][b, kept]
        guess = model.decoder(vit.norm(tokens), mask[b])
        truth = model.target(images[b : b + 1], mask[b])
        loss.append((guess - truth).square().mean(-1)[mask.hidden[b : b + 1]].mean())
    torch.testing.assert_close(model(images, mask).loss, sum(loss) / 2)


def test_the_early_stages_join_before_the_decoder():
    model, mask, images, _ = parts()
    before = model(images, mask)
    nn.init.zeros_(model.fusion[0].weight)
    assert not torch.equal(model(images, mask).guess, before.guess)
    for join in model.fusion:
        nn.init.zeros_(join.weight)
        nn.init.zeros_(join.bias)
    assert torch.equal(model(images, mask).guess, model.decoder(model.encode(images, mask), mask)), "MAE behind a stem"


def test_the_encoder_it_was_made_from_is_left_alone():
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3)
    model = mv.recipes.convmae(encoder, dim=32, depth=1)
    assert type(encoder.vit.patch_embed).__name__ == "PatchEmbed"
    assert model.encoder.grid == encoder.grid and model.encoder.mean == encoder.mean


def test_what_it_cannot_take():
    with pytest.raises(TypeError, match=r"in front of a plain ViT.*is a ResNet"):
        mv.recipes.convmae(mv.encoder("resnet18", img_size=64))
    with pytest.raises(ValueError, match="patches are 14 pixels wide"):
        mv.recipes.convmae(mv.encoder("vit_tiny_patch16_224", img_size=28, patch_size=14, depth=1))
