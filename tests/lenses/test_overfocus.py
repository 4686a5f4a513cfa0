"""Overfocusing: closed forms of the loss, a pooling that is nothing with one branch, a short training that spreads attention."""

import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.lenses import Diversification, Overfocus, tap
from mimviz.lenses._tap import TokenPooling
from mimviz.lenses.overfocus import Diversified, attended, diversification, row_similarity

from .small import small_scene, small_vit


def test_the_loss_is_1_for_identical_peaked_rows_and_0_for_the_identity():
    peaked = torch.zeros(2, 3, 16, 16)
    peaked[..., 5] = 1.0
    torch.testing.assert_close(diversification(peaked), torch.ones(2))
    identity = torch.eye(16).expand(2, 3, 16, 16)
    torch.testing.assert_close(diversification(identity), torch.zeros(2), msg="the mean row is below the threshold")


def test_the_loss_is_that_of_the_authors():
    """Their lines for a batch of several pictures."""
    scene = small_scene(batch=3)
    found = Diversification()(scene)
    assert found.shape == (3, 3)
    for layer in range(3):
        rows = scene.trace.attention[layer].mean(dim=1)
        mean = torch.mean(rows, dim=1, keepdim=True)
        rows, mean = (rows > 2 / 17) * rows, (mean > 2 / 17) * mean
        torch.testing.assert_close(found[:, layer].mean(), F.cosine_similarity(mean, rows, dim=-1).mean())
    one = small_scene(batch=1)
    torch.testing.assert_close(Diversification()(one)[0], found[0], msg="a picture alone is itself")


def test_overfocus_is_the_sum_of_columns():
    scene = small_scene()
    values = Overfocus(1)(scene).values
    torch.testing.assert_close(values[1].flatten(), scene.trace.attention[1][1].mean(0).sum(0)[1:])
    torch.testing.assert_close(row_similarity(torch.eye(5).expand(1, 2, 5, 5)), torch.eye(5)[None])


def test_maps_of_a_pass_have_a_gradient_and_leave_the_answer_alone():
    scene, vit = small_scene(), small_vit()
    maps, logits = attended(vit, scene.images)
    torch.testing.assert_close(logits, scene.logits)
    for layer, each in enumerate(maps):
        torch.testing.assert_close(each, scene.trace.attention[layer])
    grad = torch.autograd.grad(maps[1].square().sum(), vit.blocks[0].attn.qkv.weight)[0]
    assert grad.abs().sum() > 0


# --- token-aware average pooling ---


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_one_branch_is_the_original(prefix):
    scene = small_scene(prefix=prefix)
    made = tap(scene.model, branches=1).eval()
    with torch.no_grad():
        assert torch.equal(made(scene.images), scene.logits)
        assert not torch.allclose(tap(scene.model, branches=3).eval()(scene.images), scene.logits, atol=1e-4)
    assert not isinstance(scene.model.blocks[0].norm1, torch.nn.Sequential), "the model given is not changed"


def test_branches_are_averages_of_dilated_neighbourhoods():
    torch.manual_seed(0)
    pooling = TokenPooling(6, mv.Grid(4, 5, 8), prefix=1, branches=3).eval()
    tokens = torch.randn(2, 21, 6)
    with torch.no_grad():
        found = pooling(tokens)
        picture = tokens[:, 1:].transpose(1, 2).reshape(2, 6, 4, 5)
        weights = pooling.weigh(picture).softmax(1)
        y, x, naive = 1, 3, weights[:, 0, 1, 3, None] * picture[:, :, 1, 3]
        for k in (1, 2):
            near = [(y + k * i, x + k * j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            inside = [picture[:, :, i, j] for i, j in near if 0 <= i < 4 and 0 <= j < 5]
            naive = naive + weights[:, k, y, x, None] * torch.stack(inside).sum(0) / 9
    torch.testing.assert_close(found[:, 1 + y * 5 + x], naive)
    assert torch.equal(found[:, 0], tokens[:, 0]), "the class token goes around the pooling"


def test_pooling_wants_a_branch_and_a_plain_block():
    with pytest.raises(ValueError, match="branches is 0"):
        tap(small_vit(), branches=0)


# --- a short training ---


def pictures(count: int, noise: float = 0.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes: a bright square on the left or on the right half."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randn(count, 3, 32, 32, generator=generator) * 0.2
    for image, label in zip(images, labels, strict=True):
        image[:, 8:24, 16 * label : 16 * label + 16] += 1
    return images + noise * torch.randn(images.shape, generator=generator), labels


def test_a_short_training_with_the_loss_spreads_and_steadies_attention():
    clean, labels = pictures(32)
    noisy = pictures(32, noise=0.7)[0]
    loss, alike, apart, right = {}, {}, {}, {}
    for weight in (0.0, 1.0):
        vit = small_vit(num_classes=2)
        for _ in mv.fit(Diversified(vit, weight=weight), [(clean, labels)], steps=60, lr=3e-3, warmup=0):
            pass
        with torch.no_grad():
            (maps, logits), (shaken, _) = attended(vit.eval(), clean), attended(vit, noisy)
        loss[weight] = torch.stack([diversification(each).mean() for each in maps]).mean()
        alike[weight] = torch.stack([row_similarity(each).mean() for each in maps]).mean()
        apart[weight] = torch.stack([(a - b).abs().sum(-1).mean() for a, b in zip(maps, shaken, strict=True)]).mean()
        right[weight] = (logits.argmax(1) == labels).float().mean()
    assert right[0.0] == right[1.0] == 1
    assert loss[1.0] < 0.5 * loss[0.0] and alike[1.0] < alike[0.0] and apart[1.0] < apart[0.0]
