"""Attention lenses beyond the plain classifier: pooling by attention, masked models, models they refuse, maps that say nothing."""

import pytest
import timm
import torch

import mimviz as mv
from mimviz import lenses
from mimviz.core import Mask
from mimviz.lenses import Attention, Chefer, Entropy, LeGrad, MeanAttentionDistance, Overfocus, Rollout, TokenNorm

from .small import small_scene


def pooling_scene() -> mv.Scene:
    return small_scene(class_token=False, global_pool="map")


def test_rollout_and_relevance_go_through_the_pooling():
    scene = pooling_scene()
    pool, index = scene.model.attn_pool, 1
    with torch.no_grad():
        x = scene.model.norm(scene.trace.tokens[-1])
        q = pool.q(pool.latent.expand(2, -1, -1)).reshape(2, 1, 2, 12).transpose(1, 2)
        k = pool.kv(x).reshape(2, 16, 2, 2, 12).permute(2, 0, 3, 1, 4)[0]
        read = (pool.q_norm(q) @ pool.k_norm(k).transpose(2, 3) * 12**-0.5).softmax(-1)  # (B, heads, 1, N)
    joint = read[index].mean(0) @ Rollout().matrix(scene)[index]
    torch.testing.assert_close(Rollout()(scene).values[index].flatten(), joint[0], rtol=1e-4, atol=1e-6)
    R = torch.eye(16)
    for layer in range(3):
        R = R + (scene.trace.attention_grad[layer] * scene.trace.attention[layer])[index].clamp(min=0).mean(0) @ R
    row = (scene.trace.pooling_grad * read)[index].clamp(min=0).mean(0) @ R
    torch.testing.assert_close(Chefer()(scene).values[index].flatten(), row[0], rtol=1e-4, atol=1e-7)


def test_legrad_of_a_pooling_is_the_gradient_of_its_map():
    """For every layer: its tokens through norm, pooling and head; as legrad_torch does, but for the norm."""
    scene = pooling_scene()
    vit, naive = scene.model, []
    pool = vit.attn_pool
    for layer in range(3):
        x = vit.norm(scene.trace.tokens[layer])
        q = pool.q_norm(pool.q(pool.latent.expand(2, -1, -1)).reshape(2, 1, 2, 12).transpose(1, 2))
        k, v = pool.kv(x).reshape(2, 16, 2, 2, 12).permute(2, 0, 3, 1, 4)
        attention = (q @ pool.k_norm(k).transpose(2, 3) * 12**-0.5).softmax(-1)
        y = pool.proj((attention @ v).transpose(1, 2).reshape(2, 1, 24))
        y = (y + pool.mlp(pool.norm(y)))[:, 0]
        grad = torch.autograd.grad(vit.head(vit.fc_norm(y))[:, 1].sum(), attention)[0]
        naive.append(grad.clamp(min=0).mean(1)[:, 0].reshape(2, 4, 4))
    torch.testing.assert_close(LeGrad()(scene).values, torch.stack(naive).mean(0), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "lens",
    [Attention(), Attention(query="patches"), Rollout(), TokenNorm(), Entropy(), Overfocus(), MeanAttentionDistance()],
    ids=str,
)
def test_patches_hidden_from_a_masked_model_get_nothing(lens):
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2)
    model = mv.recipes.mae(encoder, dim=32, depth=1, heads=2).eval()
    mask = Mask.random(encoder.grid, ratio=0.5, seed=1)
    scene = mv.Scene(model, torch.randn(2, 3, 32, 32), mask=mask)
    values = lens(scene).values
    assert values.shape == (2, 4, 4)
    assert ((values == 0) == torch.from_numpy(mask.array)).all()


def test_models_that_a_method_does_not_fit_are_refused_with_the_reason():
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=32, patch_size=2, embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=4,
        num_classes=3,
    ).eval()  # fmt: skip
    scene = mv.Scene(swin, torch.randn(1, 3, 32, 32), target=0)
    for lens in (Rollout(), Chefer()):
        with pytest.raises(ValueError, match=r"looks through windows or merges tokens.* try Attention\(\)"):
            lens(scene)
    with pytest.raises(TypeError, match="layers of other widths than its head reads"):
        LeGrad()(scene)
    for name in ("TokenTM", "LayerSimilarity", "Decompose", "VAR"):
        with pytest.raises(TypeError, match="not one attention over the same tokens in every block"):
            getattr(lenses, name)()(scene)
    assert Attention()(scene).values.shape == (1, 8, 8), "one layer alone is fine"
    conv = mv.Scene(timm.create_model("resnet18", num_classes=3).eval(), torch.randn(1, 3, 64, 64), target=0)
    with pytest.raises(ValueError, match="has no attention to look at"):
        Rollout()(conv)


def test_differential_attention_has_a_sign_and_no_entropy():
    model = timm.create_model(
        "vit_dwee_patch16_reg1_gap_256", img_size=16, patch_size=4, depth=2, embed_dim=32, num_heads=2, num_classes=3
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) * 0.2
    scene = mv.Scene(model.eval(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)), target=0)
    heat = Attention(query=3)(scene)
    assert heat.signed == bool((heat.values < 0).any())
    if (scene.trace.attention[-1] < 0).any():
        with pytest.raises(ValueError, match="negative weights"):
            Entropy()(scene)


def test_a_map_that_says_nothing_says_why():
    scene = small_scene()
    with torch.no_grad():
        scene.model.head.weight.zero_()
    with pytest.warns(UserWarning, match=r"LeGrad.* the weights head.weight are all 0, so the head was never trained"):
        assert LeGrad()(scene).max == 0
    even = small_scene()
    with torch.no_grad():
        even.model.blocks[-1].attn.qkv.weight[:24] = even.model.blocks[-1].attn.qkv.bias[:24] = 0
    with pytest.warns(UserWarning, match="Attention.* the map is flat: every value is 0.0588"):
        Attention()(even)


def test_distances_are_in_pixels_of_the_model():
    scene = small_scene(img_size=(16, 32))
    assert MeanAttentionDistance()(scene).values.shape == (2, 2, 4)
    assert MeanAttentionDistance()(scene).max <= (8**2 + 24**2) ** 0.5
