"""Defect directions against the sampled least squares of the authors' definition; planted defects are found and mended."""

import copy

import pytest
import timm
import torch
from torch import nn

import mimviz as mv
from mimviz.discover import DefectDirections, Defects, Outliers, Repair
from mimviz.discover._linearised import attention_matrix, hidden_matrix

from .planted import HUGE, LAYER, at, picture, plain_vit, register_vit, scene, state


def sampled(function, width: int, count: int = 200_000) -> torch.Tensor:
    """(out, width): least squares of function(x) on x ~ N(0, I), without a constant, as the paper fits it."""
    x = torch.randn(count, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.linalg.lstsq(x, function(x)).solution.T


def test_the_hidden_units_are_what_least_squares_on_gaussians_tends_to():
    from timm.layers import GluMlp, Mlp, SwiGLU, SwiGLUPacked

    torch.manual_seed(0)
    for mlp in (
        Mlp(12, 24),
        Mlp(12, 24, act_layer=nn.SiLU),
        Mlp(12, 24, act_layer=lambda: nn.ReLU(inplace=True)),
        SwiGLUPacked(12, 48),
        SwiGLU(12, 24),
        GluMlp(12, 48),
    ):
        for p in mlp.parameters():
            nn.init.normal_(p, std=0.5)
        hidden = copy.deepcopy(mlp)
        hidden.fc2 = nn.Identity()
        exact, fitted = hidden_matrix(mlp, "mlp"), sampled(hidden, 12)
        assert (exact - fitted).norm() / exact.norm() < 0.02, mlp


def test_attention_is_linearised_as_in_the_paper():
    block = timm.create_model("vit_small_patch14_dinov2", img_size=28, depth=1).blocks[0]
    with torch.no_grad():
        for p in block.parameters():
            p.normal_(std=0.3)
        C, W = 384, block.attn
        centre = torch.eye(C) - torch.ones(C, C) / C
        inner = W.proj.weight @ W.qkv.weight[2 * C :]
        want = torch.eye(C) + torch.diag(block.ls1.gamma) @ inner @ torch.diag(block.norm1.weight) @ centre
    assert torch.allclose(attention_matrix(block, "block"), want, atol=1e-3)


def test_directions_are_those_of_the_sampled_definition():
    """The whole of the definition once more, with 200,000 samples a block instead of the closed form."""
    vit = register_vit(depth=3)
    product = torch.eye(32)
    for block, found in zip(vit.blocks, DefectDirections()(vit), strict=True):
        centre = torch.eye(32) - torch.ones(32, 32) / 32
        hidden = sampled(lambda x, b=block: b.mlp.act(b.mlp.fc1(x)), 32)
        with torch.no_grad():
            mlp = torch.eye(32) + block.mlp.fc2.weight @ hidden @ torch.diag(block.norm2.weight) @ centre
            product = mlp @ attention_matrix(block, "block") @ product
            assert abs(torch.linalg.svd(product)[0][:, 0] @ found) > 0.99
            assert found.norm() == pytest.approx(1, abs=1e-5) and (found**3).sum() > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_rank_1_defect_is_found(seed):
    vit = plain_vit(noise=0.02, seed=seed)
    draw = torch.Generator().manual_seed(seed)
    u, v = torch.linalg.qr(torch.randn(32, 2, generator=draw) - 0.0)[0].T
    v = v - v.mean()  # what a norm in front lets through
    with torch.no_grad():
        attn = vit.blocks[LAYER].attn
        attn.proj.weight.copy_(10 * torch.outer(u, v / v.norm()))
        attn.qkv.weight[64:] = torch.eye(32)
    found = DefectDirections()(vit)
    assert abs(found[0] @ u) < 0.8
    assert all(abs(each @ u) > 0.99 for each in found[LAYER:])


def test_defects_are_where_the_norms_are_high():
    each = scene()
    direction = torch.zeros(32)
    direction[HUGE], direction[HUGE + 1] = 0.5**0.5, -(0.5**0.5)
    assert abs(DefectDirections()(each.model)[LAYER] @ direction) > 0.99
    heat = Defects(LAYER)(each)
    assert (heat.values[0][at()] > 0.99).all() and heat.values[0][~at()].max() < 0.5
    assert not heat.signed and heat.max <= 1
    cos = torch.nn.functional.cosine_similarity(each.trace.tokens[LAYER][0, 1:], DefectDirections()(each.model)[LAYER][None])
    assert torch.allclose(heat.values.flatten(), cos.abs(), atol=1e-5)


def test_repair_mends_a_copy_and_the_class_token_stays():
    model = register_vit()
    before, weights = state(model), copy.deepcopy(model.state_dict())
    each = scene(model, picture(), picture(12, 33, 45, seed=1))
    steps = list(Repair(steps=40, k=3.0)(each))
    first, last = steps[0], steps[-1]
    assert first.layer == LAYER and first.defective == 3 and first.cosine == pytest.approx(1, abs=1e-5)
    assert first.ratio > 20 and last.ratio < 3 and last.loss is None
    assert min(step.cosine for step in steps) > 0.9
    assert state(model) == before and all(torch.equal(p, weights[k]) for k, p in model.state_dict().items())
    assert Outliers()(each).threshold is not None
    assert Outliers()(scene(last.model)).threshold is None
    assert state(last.model)[0] == 0 and not any(p.requires_grad for p in last.model.parameters())


def test_repair_trains_singular_values_only():
    each = scene()
    mended = list(Repair(steps=5, k=3.0)(each))[-1].model
    changed = set()
    for (name, old), new in zip(each.model.named_parameters(), mended.parameters(), strict=True):
        if torch.equal(old, new):
            continue
        changed.add(name)
        assert name.endswith(".weight")
        rows = slice(64, 96) if "qkv" in name else slice(None)
        u, _, vt = torch.linalg.svd(old[rows], full_matrices=False)
        moved = u.T @ (new - old)[rows] @ vt.T
        off = moved - torch.diag(moved.diag())
        assert off.norm() < 1e-3 * moved.norm(), name
        if "qkv" in name:
            assert torch.equal(old[:64], new[:64])  # queries and keys stay
    assert changed and all(int(name.split(".")[1]) <= LAYER for name in changed)


def test_the_loss_is_its_naive_twin():
    """Patch by patch: distance to the neighbours' mean, by a Gaussian and by how little each is defective itself."""
    each = scene()
    maps, direction = each.trace.maps(LAYER), DefectDirections()(each.model)[LAYER]
    count, loss = Repair(k=3.0).loss(maps, direction)  # type: ignore[misc]
    x = maps[0].permute(1, 2, 0)
    cos = torch.nn.functional.cosine_similarity(x, direction[None, None], dim=-1).abs()
    limit, total, seen = cos.mean() + 3 * cos.std(), [], 0
    for r in range(1, 7):
        for c in range(1, 7):
            if cos[r, c] <= limit:
                continue
            seen, weights, sums = seen + 1, 0.0, torch.zeros(32)
            for a in (-1, 0, 1):
                for b in (-1, 0, 1):
                    w = (2 - abs(a)) * (2 - abs(b)) / 16 * torch.exp(-cos[r + a, c + b] / 0.1)
                    weights, sums = weights + w, sums + w * x[r + a, c + b]
            total.append((x[r, c] - sums / weights).norm())
    want = sum(total) / seen / x[1:-1, 1:-1].norm(dim=-1).mean()
    assert count == seen == 3 and float(loss) == pytest.approx(float(want), rel=1e-4)


def test_a_healthy_model_is_left_alone():
    each = scene(register_vit(), picture(9, seed=4))
    steps = list(Repair(steps=3, k=30.0)(each))
    assert [step.loss for step in steps] == [None] * 3
    assert all(torch.equal(a, b) for a, b in zip(each.model.parameters(), steps[-1].model.parameters(), strict=True))


def test_blocks_that_are_no_matrix_say_why():
    eva = timm.create_model("eva02_large_patch14_224", depth=1, embed_dim=64, num_heads=4).eval()
    with pytest.raises(TypeError, match=r"blocks.0 cannot be written as a matrix"):
        DefectDirections()(eva)
    with pytest.raises(TypeError, match="windows or stages"):
        DefectDirections()(timm.create_model("swin_tiny_patch4_window7_224"))
    small = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1).eval()
    with pytest.raises(ValueError, match="all rim"):
        next(Repair()(mv.Scene(small, torch.rand(1, 3, 32, 32))))
