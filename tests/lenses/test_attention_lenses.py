"""Raw attention, rollout, flow and Chefer's relevance, each against the paper written once more."""

import networkx
import pytest
import torch

from mimviz.lenses import Attention, Chefer, Flow, Rollout
from mimviz.lenses.flow import BOUND

from .small import small_scene


def patches(row: torch.Tensor, prefix: int = 1) -> torch.Tensor:
    return row[prefix:].reshape(4, 4)


# --- raw attention ---


@pytest.mark.parametrize("layer", [0, -1])
def test_attention_is_the_row_of_the_class_token(layer):
    scene = small_scene()
    maps = scene.trace.attention[layer]
    torch.testing.assert_close(Attention(layer)(scene).values[1], patches(maps[1].mean(0)[0]))
    torch.testing.assert_close(Attention(layer, head=1)(scene).values[1], patches(maps[1, 1, 0]))
    torch.testing.assert_close(Attention(layer, fusion="max")(scene).values[1], patches(maps[1].amax(0)[0]))
    torch.testing.assert_close(Attention(layer, fusion="min")(scene).values[1], patches(maps[1].amin(0)[0]))


def test_attention_of_other_queries():
    scene = small_scene(prefix=3)
    maps = scene.trace.attention[-1][0].mean(0)
    torch.testing.assert_close(Attention(query=5)(scene).values[0], patches(maps[3 + 5], 3))
    torch.testing.assert_close(Attention(query="registers")(scene).values[0], patches(maps[1:3].mean(0), 3))
    torch.testing.assert_close(Attention(query="patches")(scene).values[0], patches(maps[3:].mean(0), 3))
    pooled = small_scene(prefix=0)
    assert torch.equal(Attention()(pooled).values, Attention(query="patches")(pooled).values)


@pytest.mark.parametrize(
    ("lens", "error", "message"),
    [
        (Attention(layer=7), IndexError, "layer is 7"),
        (Attention(head=2), IndexError, "head is 2, but this layer has 2"),
        (Attention(query=16), ValueError, "patch 16, but the grid is 4 x 4"),
        (Attention(query="registers"), ValueError, "this model has none"),
        (Attention(query="cls"), ValueError, "query is 'cls'"),  # type: ignore[arg-type]
        (Attention(fusion="sum"), ValueError, "fusion is 'sum'"),  # type: ignore[arg-type]
        (Rollout(discard=1.0), ValueError, "discard is 1.0"),
        (Rollout(start_layer=3), IndexError, "layer is 3"),
        (Flow(merge=0), ValueError, "merge is 0"),
    ],
)
def test_errors_say_value_and_wish(lens, error, message):
    with pytest.raises(error, match=message):
        lens(small_scene(batch=1))


# --- rollout ---


def naive_rollout(maps: list[torch.Tensor], start: int = 0) -> torch.Tensor:
    """One picture, (heads, N, N) for each layer, as Abnar & Zuidema (and Chefer's compute_rollout_attention) have it."""
    eye = torch.eye(maps[0].shape[-1])
    steps = [m.mean(0) + eye for m in maps]
    steps = [s / s.sum(-1, keepdim=True) for s in steps]
    joint = steps[start]
    for step in steps[start + 1 :]:
        joint = step @ joint
    return joint


@pytest.mark.parametrize("start", [0, 1, 2])
def test_rollout_is_the_authors_definition(start):
    scene = small_scene()
    for index in range(2):
        joint = naive_rollout([maps[index] for maps in scene.trace.attention], start)
        torch.testing.assert_close(Rollout(start)(scene).values[index], patches(joint[0]), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(Rollout(start).matrix(scene)[index], joint, rtol=1e-5, atol=1e-7)


def test_rollout_of_a_pooled_model_is_the_mean_of_its_patches():
    scene = small_scene(prefix=0)
    joint = naive_rollout([maps[0] for maps in scene.trace.attention])
    torch.testing.assert_close(Rollout()(scene).values[0], joint.mean(0).reshape(4, 4), rtol=1e-5, atol=1e-7)


def test_rows_of_a_rollout_sum_to_1_also_with_discard():
    scene = small_scene()
    for lens in (Rollout(), Rollout(discard=0.9), Rollout(fusion="max"), Rollout(fusion="min", discard=0.5)):
        torch.testing.assert_close(lens.matrix(scene).sum(-1), torch.ones(2, 17))
        torch.testing.assert_close(lens.matrix(scene)[:, 0, 1:].reshape(2, 4, 4), lens(scene).values)


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("discard", [0.0, 0.5, 0.9])
def test_discard_is_vit_explains_for_every_picture(fusion, discard):
    """vit-explain's rollout, one picture at a time, with the rows divided by their own sums (its issue 16)."""
    scene = small_scene()
    for index in range(2):
        result = torch.eye(17)
        for maps in scene.trace.attention:
            heads = maps[index]
            flat = {"mean": heads.mean(0), "max": heads.max(0)[0], "min": heads.min(0)[0]}[fusion].flatten().clone()
            low = flat.topk(int(flat.numel() * discard), largest=False)[1]
            flat[low[low != 0]] = 0
            step = (flat.reshape(17, 17) + torch.eye(17)) / 2
            result = step / step.sum(-1, keepdim=True) @ result
        lens = Rollout(fusion=fusion, discard=discard)
        torch.testing.assert_close(lens(scene).values[index], patches(result[0]), rtol=1e-5, atol=1e-7)


# --- flow ---


@pytest.mark.parametrize("prefix", [0, 1])
def test_flow_is_networkx_maximum_flow(prefix):
    scene = small_scene(batch=1, prefix=prefix, img_size=16)
    graph = networkx.DiGraph()
    N = 4 + prefix
    for layer, maps in enumerate(scene.trace.attention):
        step = maps[0].mean(0) + torch.eye(N)
        for i, row in enumerate(step / step.sum(-1, keepdim=True)):
            for j, width in enumerate(row):
                graph.add_edge((layer + 1, i), (layer, j), capacity=float(width))
    for i in range(1 if prefix else N):
        graph.add_edge("head", (3, i), capacity=1.0 if prefix else 1 / N)
    values = Flow()(scene).values.flatten()
    for patch in range(4):
        expected = networkx.maximum_flow_value(graph, "head", (0, prefix + patch))
        assert values[patch] == pytest.approx(expected, abs=1e-5)


def test_flow_lies_between_the_widest_path_and_1():
    scene = small_scene()
    values = Flow()(scene).values
    assert (values >= Rollout()(scene).values - 1e-5).all(), "what a rollout sends is one of the possible flows"
    assert values.max() <= 1


def test_flow_of_merged_squares_is_even_inside_them():
    values = Flow(merge=2)(small_scene(batch=1)).values[0]
    assert torch.equal(values[::2, ::2], values[1::2, 1::2]) and len(values.unique()) > 1
    odd = Flow(merge=3)(small_scene(batch=1)).values[0]
    assert odd.shape == (4, 4) and len(odd[:3, :3].unique()) == 1


def test_flow_over_too_many_nodes_says_what_to_do():
    scene = small_scene(batch=1, img_size=160)
    assert 196 * 197**2 * 12 < BOUND < 400 * 401**2 * 3
    with pytest.raises(ValueError, match=r"401 nodes and 3 layers .* Flow\(merge=2\)"):
        Flow()(scene)
    assert Flow(merge=2)(scene).values.shape == (1, 20, 20)


# --- Chefer ---


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_chefer_is_rules_5_and_6(prefix):
    scene = small_scene(prefix=prefix)
    for index in range(2):
        N = 16 + prefix
        R = torch.eye(N)
        for layer in range(3):
            cam = scene.trace.attention_grad[layer][index] * scene.trace.attention[layer][index]
            R = R + cam.clamp(min=0).mean(0) @ R
        row = R[0, prefix:] if prefix else R.mean(0)
        torch.testing.assert_close(Chefer()(scene).values[index].flatten(), row, rtol=1e-5, atol=1e-7)


def test_chefer_is_class_specific_and_rollout_is_not():
    one, other = small_scene(target=1), small_scene(target=3)
    assert not torch.allclose(Chefer()(one).values, Chefer()(other).values, rtol=1e-3)
    assert torch.equal(Rollout()(one).values, Rollout()(other).values)
