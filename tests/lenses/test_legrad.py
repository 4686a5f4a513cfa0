"""LeGrad against torchcam on the same weights, against autograd, and against finite differences."""

import copy

import pytest
import timm
import torch
from timm.models.vision_transformer import ResPostBlock
from torch import nn
from torchvision.models import VisionTransformer

import mimviz as mv
from mimviz.lenses import Attention, LeGrad, legrad
from mimviz.lenses.legrad import head_of

from .small import small_scene
from .trained_toy import areas


def torchvision_twin(vit) -> VisionTransformer:
    """The same ViT in torchvision's clothes."""
    twin = VisionTransformer(
        image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=24, mlp_dim=96, num_classes=5,
        norm_layer=lambda dim: nn.LayerNorm(dim, eps=vit.norm.eps),
    )  # fmt: skip
    pairs = [(twin.conv_proj, vit.patch_embed.proj), (twin.encoder.ln, vit.norm), (twin.heads.head, vit.head)]
    for ours, block in zip(twin.encoder.layers, vit.blocks, strict=True):
        pairs += [(ours.ln_1, block.norm1), (ours.ln_2, block.norm2), (ours.self_attention.out_proj, block.attn.proj)]
        pairs += [(ours.mlp[0], block.mlp.fc1), (ours.mlp[3], block.mlp.fc2)]
        ours.self_attention.in_proj_weight.data.copy_(block.attn.qkv.weight)
        ours.self_attention.in_proj_bias.data.copy_(block.attn.qkv.bias)
    for ours, theirs in pairs:
        ours.load_state_dict(theirs.state_dict())
    twin.class_token.data.copy_(vit.cls_token)
    twin.encoder.pos_embedding.data.copy_(vit.pos_embed)
    return twin.eval()


@pytest.mark.parametrize("start", [0, 1])
def test_legrad_is_torchcams(start):
    from torchcam.methods import LeGrad as Oracle

    scene = small_scene(target=[1, 3])
    twin = torchvision_twin(scene.model)
    with Oracle(twin, list(twin.encoder.layers)[start:]) as extractor:
        logits = twin(scene.images)
        torch.testing.assert_close(logits, scene.logits, rtol=1e-4, atol=1e-4)
        maps = extractor([1, 3], logits, normalized=False)
    torch.testing.assert_close(LeGrad(start)(scene).values, torch.stack(maps).mean(0), rtol=1e-4, atol=1e-7)


def test_gradient_by_attention_is_a_finite_difference():
    """∂s/∂A of the last layer, where A · V, projection, MLP, norm and head are written out once more."""
    scene = small_scene(batch=1)
    vit, last = copy.deepcopy(scene.model).double(), scene.trace.layers[-1]
    before, maps = scene.trace.tokens[1].double(), last.mixing.weights().double()
    values = last.mixing.v.double()

    def score(attention: torch.Tensor) -> torch.Tensor:
        x = before + vit.blocks[2].attn.proj((attention @ values).transpose(1, 2).flatten(2))
        x = x + vit.blocks[2].mlp(vit.blocks[2].norm2(x))
        return vit.head(vit.norm(x.mean(1)))[0, 1]

    with torch.no_grad():
        steps = torch.eye(maps.numel(), dtype=torch.double).reshape(-1, *maps.shape[1:]) * 1e-4
        grad = torch.stack([(score(maps + s) - score(maps - s)) / 2e-4 for s in steps]).reshape(maps.shape)
    expected = grad.clamp_min(0).mean((1, 2))[:, 1:].reshape(1, 4, 4).float()
    torch.testing.assert_close(LeGrad(2)(scene).values, expected, rtol=1e-3, atol=1e-6)


FAMILIES = {
    "DINOv2": ("vit_small_patch14_dinov2", {"img_size": 56, "depth": 3}, True),
    "q/k norm, pre-norm": ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3, "qk_norm": True}, True),
    "EVA with scales": (
        "eva02_tiny_patch14_224",
        {"img_size": 56, "depth": 3, "swiglu_mlp": False, "init_values": 0.5},
        True,
    ),
    "SwiGLU": ("eva02_tiny_patch14_224", {"img_size": 56, "depth": 3}, False),
    "norm after": ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3, "block_fn": ResPostBlock}, False),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_way_back_without_a_graph_is_autograds(family, monkeypatch):
    name, keywords, plain = FAMILIES[family]
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=5, **keywords).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.1)
    images, graphs = torch.randn(2, 3, *model.patch_embed.img_size), []
    monkeypatch.setattr(legrad, "_graph", lambda scene, make=legrad._graph: graphs.append(1) or make(scene))
    found = LeGrad().layers(mv.Scene(model, images, target=[1, 3]))
    assert len(graphs) == (0 if plain else 1)
    monkeypatch.setattr(legrad, "by_mixed", refuse)
    torch.testing.assert_close(found, LeGrad().layers(mv.Scene(model, images, target=[1, 3])), rtol=1e-4, atol=1e-9)


def refuse(*_):
    raise TypeError


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_every_layer_has_its_own_score(prefix):
    scene = small_scene(prefix=prefix)
    layers = LeGrad().layers(scene)
    assert layers.shape == (2, 3, 4, 4) and (layers >= 0).all()
    torch.testing.assert_close(layers.mean(1), LeGrad()(scene).values)
    torch.testing.assert_close(layers[:, 1:].mean(1), LeGrad(start_layer=1)(scene).values)


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_head_of_one_token_is_norm_and_head(prefix):
    scene = small_scene(prefix=prefix)
    token = torch.randn(2, 24)
    vit = scene.model
    torch.testing.assert_close(head_of(scene, token), vit.head(vit.fc_norm(vit.norm(token))))
    torch.testing.assert_close(head_of(scene, token)[0], head_of(scene, token[:1])[0])


def test_the_target_may_be_a_function():
    by_number, by_function = small_scene(target=2), small_scene(target=lambda logits: logits[:, 2])
    torch.testing.assert_close(LeGrad()(by_number).values, LeGrad()(by_function).values)


def test_on_a_trained_toy_deletion_beats_raw_attention_and_chance():
    found, chance = areas(LeGrad(), Attention())
    assert found[LeGrad()] < found[Attention()], "so with four of five seeds that were tried"
    assert found[LeGrad()] < 0.8 * chance
