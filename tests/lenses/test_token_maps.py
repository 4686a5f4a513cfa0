"""Entropy, mean attention distance and token norms in closed form."""

import math

import pytest
import torch

from mimviz.core import Grid
from mimviz.lenses import Entropy, MeanAttentionDistance, TokenNorm
from mimviz.lenses.distance import among_patches, distances
from mimviz.lenses.entropy import row_entropy

from .small import small_scene


def test_entropy_of_known_rows():
    rows = torch.stack([torch.full((8,), 1 / 8), torch.eye(8)[3], torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0])])
    torch.testing.assert_close(row_entropy(rows), torch.tensor([math.log(8), 0.0, math.log(2)]))


def test_entropy_map_and_numbers():
    scene = small_scene(prefix=3)
    naive = -(scene.trace.attention[1] * scene.trace.attention[1].log()).sum(-1)  # (B, heads, N)
    torch.testing.assert_close(Entropy(layer=1, head=1)(scene).values.flatten(1), naive[:, 1, 3:])
    torch.testing.assert_close(Entropy(layer=1)(scene).values.flatten(1), naive.mean(1)[:, 3:])
    assert Entropy().by_head(scene).shape == (2, 3, 2)
    torch.testing.assert_close(Entropy().by_head(scene)[:, 1], naive.mean(-1))


def test_distances_on_a_grid():
    apart = distances(Grid(2, 3, 16))
    torch.testing.assert_close(apart[0], torch.tensor([0, 1, 2, 1, math.sqrt(2), math.sqrt(5)]))
    torch.testing.assert_close(apart, apart.T)


def test_mean_distance_of_uniform_attention_is_the_mean_of_all_distances():
    scene = small_scene()
    with torch.no_grad():
        for block in scene.model.blocks:
            block.attn.qkv.weight[:24] = block.attn.qkv.bias[:24] = 0  # no query: all keys alike
    every = [[math.hypot(a // 4 - b // 4, a % 4 - b % 4) * 8 for b in range(16)] for a in range(16)]
    expected = torch.tensor(every).mean(1).reshape(4, 4).expand(2, 4, 4)
    torch.testing.assert_close(MeanAttentionDistance()(scene).values, expected)
    torch.testing.assert_close(MeanAttentionDistance().by_head(scene), expected.mean().expand(2, 3, 2))


def test_mean_distance_is_its_formula():
    scene = small_scene(prefix=3)
    maps = scene.trace.attention[-1][1, 0, 3:, 3:]
    naive = [
        sum(float(maps[a, b]) * math.hypot(a // 4 - b // 4, a % 4 - b % 4) * 8 for b in range(16)) / float(maps[a].sum())
        for a in range(16)
    ]
    torch.testing.assert_close(MeanAttentionDistance(head=0)(scene).values[1].flatten(), torch.tensor(naive))


def test_rows_that_give_patches_nothing_have_no_distance():
    scene = small_scene(batch=1)
    only_class = torch.zeros(1, 1, 17, 17)
    only_class[..., 0] = 1
    assert torch.equal(among_patches(scene, only_class), torch.zeros(1, 1, 16, 16))
    with pytest.raises(ValueError, match="map is 9 x 9, but the picture has 16 patches"):
        among_patches(scene, torch.zeros(1, 1, 9, 9))


def test_token_norm_finds_a_planted_outlier():
    scene = small_scene()
    with torch.no_grad():
        scene.model.pos_embed[0, 1 + 11] *= 50
    values = TokenNorm(layer=0)(scene).values
    torch.testing.assert_close(values.flatten(1), scene.trace.tokens[0][:, 1:].norm(dim=-1))
    assert values.flatten(1).argmax(1).tolist() == [11, 11]
    assert not torch.equal(TokenNorm(layer=1)(scene).values, values)
