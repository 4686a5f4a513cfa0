"""Place statistics of heads, likeness of layers, clusters: closed forms, and the authors' loops once more."""

import math

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

import mimviz as mv
from mimviz.core import Grid, Heatmap
from mimviz.lenses import LayerSimilarity, OffsetHeads
from mimviz.lenses.offset_heads import aligned, centroid
from mimviz.lenses.similarity import clusters, linear_cka

from .small import small_scene


def looking(y: int, x: int, rows: int = 4, cols: int = 4) -> torch.Tensor:
    """(1, 1, N, N): every patch attends to the one y below and x to the right of it; those without one to nothing."""
    attention = torch.zeros(1, 1, rows * cols, rows * cols)
    for i in range(rows):
        for j in range(cols):
            if 0 <= i + y < rows and 0 <= j + x < cols:
                attention[0, 0, i * cols + j, (i + y) * cols + j + x] = 1
    return attention


def test_centroids_of_hand_made_heads():
    grid = Grid(4, 4, 8)
    one_right = centroid(aligned(looking(0, 1), grid))[0]
    torch.testing.assert_close(one_right, torch.tensor([1 / 3, 0.0]))
    torch.testing.assert_close(centroid(aligned(looking(-1, 0), grid))[0], torch.tensor([0.0, -1 / 3]))
    torch.testing.assert_close(centroid(aligned(looking(0, 0), grid))[0], torch.zeros(2))
    torch.testing.assert_close(centroid(aligned(torch.zeros(1, 1, 16, 16), grid))[0], torch.zeros(2))
    wide = aligned(looking(1, -2, 3, 5), Grid(3, 5, 8))
    assert wide.shape == (1, 5, 9) and divmod(int(wide[0].argmax()), 9) == (2 + 1, 4 - 2)


def test_aligned_maps_are_the_authors():
    """Their accumulation over padded canvases, up to scale."""
    scene = small_scene()
    found = OffsetHeads()(scene)
    e = 4
    for layer in range(3):
        attention = scene.trace.attention[layer][:, :, 1:, 1:]
        attention = attention / attention.sum(-1, keepdim=True)
        canvas = torch.zeros(2, 2 * e - 1, 2 * e - 1)
        for index in range(e * e):
            i, j = divmod(index, e)
            canvas[:, e - i - 1 : 2 * e - i - 1, e - j - 1 : 2 * e - j - 1] += attention[:, :, index].sum(0).reshape(2, e, e)
        torch.testing.assert_close(found.aligned[layer], canvas / canvas.sum((1, 2), keepdim=True))
        cx = [(share * torch.linspace(-1, 1, 7)).sum() for share in canvas / canvas.sum((1, 2), keepdim=True)]
        torch.testing.assert_close(found.centroid[layer, :, 0], torch.stack(cx))


def test_uniform_attention_has_the_closed_form_distance():
    scene = small_scene()
    with torch.no_grad():
        for block in scene.model.blocks:
            block.attn.qkv.weight[:24] = block.attn.qkv.bias[:24] = 0
    found = OffsetHeads()(scene)
    every = [math.hypot(a // 4 - b // 4, a % 4 - b % 4) / 3 for a in range(16) for b in range(16)]
    torch.testing.assert_close(found.distance, torch.full((3, 2), sum(every) / 256))
    torch.testing.assert_close(found.to_class, torch.full((3, 2), 1 / 17))
    torch.testing.assert_close(found.received, torch.full((3, 2, 16), 1 / 16))
    for spread in (found.over_heads, found.over_queries, found.offset):
        torch.testing.assert_close(spread, torch.zeros_like(spread), atol=1e-6, rtol=0)
    assert not found.local.any()


def test_statistics_are_their_formulas():
    scene = small_scene(prefix=3)
    found, maps = OffsetHeads()(scene), scene.trace.attention[1]
    patches = maps[:, :, 3:, 3:] / maps[:, :, 3:, 3:].sum(-1, keepdim=True)
    torch.testing.assert_close(found.to_class[1], maps[:, :, 3:, 0].mean((0, 2)))
    torch.testing.assert_close(found.received[1], patches.mean((0, 2)))
    torch.testing.assert_close(found.over_heads[1], patches.std(1).mean())
    torch.testing.assert_close(found.over_queries[1], patches.std(2).mean((0, 2)))
    assert isinstance(found.heatmap(1, 0), Heatmap) and found.heatmap(1, 0).values.shape == (1, 7, 7)


def test_an_offset_local_head_is_flagged():
    """Head 0 of block 0 is made to look one patch to the right by its positions alone."""
    scene = small_scene(class_token=False, global_pool="avg", depth=1, embed_dim=64, num_heads=2, num_classes=2)
    vit, place = scene.model, torch.eye(16)
    with torch.no_grad():
        for parameter in vit.blocks[0].attn.parameters():
            parameter.zero_()
        vit.patch_embed.proj.weight.mul_(0.01)
        vit.pos_embed.zero_()
        vit.pos_embed[0, :, :16], vit.pos_embed[0, :, 16:32] = place * 20, place * -20
        query, key = vit.blocks[0].attn.qkv.weight[:16], vit.blocks[0].attn.qkv.weight[64:80]
        for patch in range(16):
            query[patch, patch] = 4.0
            if patch % 4:
                key[patch - 1, patch] = 4.0  # patch answers to the query of its left neighbour
    found = OffsetHeads()(scene)
    assert found.local.tolist() == [[True, False]]
    assert float(found.centroid[0, 0, 0]) == pytest.approx(0.375 / 3, abs=0.01)
    assert found.centroid[0, 0, 1].abs() < 0.02


# --- likeness ---


def test_cka_of_known_features():
    torch.manual_seed(0)
    x, q = torch.randn(60, 12), torch.linalg.qr(torch.randn(12, 12))[0]
    torch.testing.assert_close(linear_cka(x, 3 * x @ q + 5), torch.tensor(1.0))
    a, b = torch.zeros(4, 1), torch.zeros(4, 1)
    a[:2], b[::2] = 1, 1
    torch.testing.assert_close(linear_cka(a, b), torch.tensor(0.0), atol=1e-6, rtol=0)
    y = torch.randn(60, 30)
    x, y = x - x.mean(0), y - y.mean(0)
    naive = (y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
    torch.testing.assert_close(linear_cka(x, y), naive)
    torch.testing.assert_close(linear_cka(x[:20], y[:20]), linear_cka(y[:20], x[:20]), msg="by Gram matrices too")


def test_layers_are_most_like_themselves():
    scene, other = small_scene(), small_scene(seed=5, depth=2)
    found = LayerSimilarity()(scene)
    torch.testing.assert_close(found.diagonal(), torch.ones(3))
    torch.testing.assert_close(found, found.T)
    other = mv.Scene(other.model, scene.images)
    assert LayerSimilarity()(scene, other).shape == (3, 2)
    assert LayerSimilarity("class")(small_scene(batch=6)).shape == (3, 3)
    with pytest.raises(ValueError, match="32 and 48 patches in all"):
        LayerSimilarity()(scene, small_scene(batch=3))


def test_clusters_recover_what_is_there():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    apart = torch.eye(8)[labels] * 10 + torch.randn(60, 8, generator=generator) * 0.1
    assert clusters(apart, labels + 7) == clusters(apart, labels)
    assert clusters(apart, labels).purity == 1 and clusters(apart, labels).nmi == pytest.approx(1)
    merged = clusters(apart, torch.tensor([0, 0, 1])[labels], count=3)
    assert merged.purity == 1 and merged.nmi < 1
    chance = clusters(torch.randn(60, 8, generator=generator), labels)
    assert 1 / 3 <= chance.purity < 0.7 and chance.nmi < 0.3
    with pytest.raises(ValueError, match="60 features, but 3 labels"):
        clusters(apart, labels[:3])
    assert normalized_mutual_info_score([0, 0, 1], [0, 0, 1]) == 1
