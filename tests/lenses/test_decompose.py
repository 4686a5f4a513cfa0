"""Heads and patches of an encoder's output: exact sums, planted texts, and the authors' way of sharing norm and biases."""

import pytest
import torch

from mimviz.lenses import Decompose, DirectEffect, TextSpan
from mimviz.lenses.decompose import class_directions, toward
from mimviz.lenses.textspan import mean_ablated

from .planted import TARGET, planted_scene
from .small import small_scene

MODELS = {
    "class token": {},
    "registers": {"prefix": 3},
    "mean of patches, normed after": {"prefix": 0},
    "mean of patches, normed before": {"prefix": 0, "fc_norm": False},
    "layer scale": {"init_values": 0.3},
    "CLIP's norm in front": {"pre_norm": True},
    "no bias": {"qkv_bias": False, "proj_bias": False},
    "q and k normed": {"qk_norm": True},
}


@pytest.mark.parametrize("keywords", MODELS.values(), ids=MODELS.keys())
def test_terms_sum_to_the_encoders_output(keywords):
    scene = small_scene(**keywords)
    terms = Decompose()(scene)
    vit = scene.model
    with torch.no_grad():
        torch.testing.assert_close(terms.output, vit.forward_head(vit.forward_features(scene.images), pre_logits=True))
    torch.testing.assert_close(terms.start + terms.mlps.sum(1) + terms.heads.sum((1, 2)), terms.output, atol=1e-4, rtol=1e-4)
    assert terms.error < 1e-4
    direction = torch.randn(2, terms.output.shape[1], generator=torch.Generator().manual_seed(2))
    along = toward(scene, direction)
    for layer in range(3):
        torch.testing.assert_close(terms.patches(layer).sum(2), terms.heads[:, layer], atol=1e-5, rtol=1e-4)
        expected = torch.einsum("bhnd,bd->bhn", terms.patches(layer), direction)
        torch.testing.assert_close(along[:, layer], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_terms_are_those_of_the_authors():
    """As clip_prs shares: bias of a layer over its tokens and heads, mean and shift of the norm over 2 · layers + 1 terms."""
    scene = small_scene(batch=1)
    vit, layers, heads, tokens = scene.model, 3, 2, 17
    z, streams = scene.trace.embedded, []
    for block in vit.blocks:
        mlp_reads = z + block.attn(block.norm1(z))
        streams.append((z, mlp_reads))
        z = mlp_reads + block.mlp(block.norm2(mlp_reads))
    read = z[0, 0]
    mean, std = read.mean(), (read.var(unbiased=False) + vit.norm.eps).sqrt()

    def normed(term: torch.Tensor, parts: int) -> torch.Tensor:
        share = (2 * layers + 1) * parts
        return vit.norm.weight * (term - mean / share) / std + vit.norm.bias / share

    terms = Decompose()(scene)
    torch.testing.assert_close(terms.start[0], normed(scene.trace.embedded[0, 0], 1), atol=1e-5, rtol=1e-4)
    for layer, (before, between) in enumerate(streams):
        block = vit.blocks[layer]
        torch.testing.assert_close(
            terms.mlps[0, layer], normed(block.mlp(block.norm2(between))[0, 0], 1), atol=1e-5, rtol=1e-4
        )
        q, k, v = block.attn.qkv(block.norm1(before))[0].reshape(tokens, 3, heads, 12).permute(1, 2, 0, 3)
        attention = (q @ k.transpose(1, 2) / 12**0.5).softmax(-1)
        for head in range(heads):
            for token in (0, 5):
                wide = block.attn.proj.weight[:, head * 12 : head * 12 + 12]
                term = attention[head, 0, token] * wide @ v[head, token] + block.attn.proj.bias / (heads * tokens)
                found = terms.patches(layer)[0, head, token]
                torch.testing.assert_close(found, normed(term, heads * tokens), atol=1e-5, rtol=1e-4)


def test_direct_effect_is_the_heads_part_of_the_logit():
    scene = small_scene(target=[1, 3], prefix=0)
    terms, vit = Decompose()(scene), scene.model
    along = terms.heads.sum((1, 2)) @ vit.head.weight.detach().T
    expected = torch.stack([along[0, 1], along[1, 3]])
    torch.testing.assert_close(DirectEffect()(scene).values.sum((1, 2)), expected, atol=1e-4, rtol=1e-4)
    rest = (terms.start + terms.mlps.sum(1)) @ vit.head.weight.detach().T + vit.head.bias.detach()
    torch.testing.assert_close(expected + torch.stack([rest[0, 1], rest[1, 3]]), scene.logits[[0, 1], [1, 3]])


def test_the_planted_head_is_found():
    scene = planted_scene()
    found = toward(scene, class_directions(scene)[TARGET])  # (1, layers, heads, tokens)
    layer, head, token = (int(i) for i in torch.unravel_index(found[0].argmax(), found.shape[1:]))
    assert (head, token) == (0, 1 + 6), "head 0 was made to read red, and patch 6 is red"
    assert found[0, :, 1].abs().max() < 0.05 * found[0, layer, head, token]


def test_late_heads_alone_tell_the_class_of_planted_pictures():
    """The terms of the last two of three layers alone rank the classes as the whole model does."""
    scene = planted_scene(0, 5, 10, 15)
    terms = Decompose()(scene)
    late = terms.heads[:, 1:].sum((1, 2)) @ class_directions(scene).T
    assert torch.equal(late.argmax(1), scene.logits.argmax(1))


# --- texts ---


def test_a_head_planted_with_variance_along_one_text_returns_it_first():
    generator = torch.Generator().manual_seed(0)
    texts = torch.nn.functional.normalize(torch.randn(20, 32, generator=generator), dim=1)
    outputs = torch.randn(64, 1, generator=generator) * 5 * texts[7] + torch.randn(64, 1, generator=generator) * texts[3]
    outputs = outputs + torch.randn(64, 32, generator=generator) * 0.01 + 2
    found = TextSpan(count=4, rank=32)(outputs, texts, [f"text {i}" for i in range(20)])
    assert found.texts[:2] == ("text 7", "text 3")
    assert found.explained[1] > 0.99 and (found.explained.diff() >= -1e-6).all()


def test_textspan_is_algorithm_1():
    generator = torch.Generator().manual_seed(1)
    outputs, texts = torch.randn(30, 8, generator=generator), torch.randn(12, 8, generator=generator)
    _, _, vh = torch.linalg.svd(outputs, full_matrices=False)
    basis = vh[:6]
    R = (basis.T @ torch.linalg.inv(basis @ basis.T) @ basis @ texts.T).T
    A, chosen = outputs - outputs.mean(0), []
    for _ in range(5):
        best = int((A @ R.T).std(0).argmax())
        chosen.append(best)
        r = R[best]
        A = A - (A @ r / (r @ r))[:, None] * r
        R = R - (R @ r / (r @ r))[:, None] * r
    found = TextSpan(count=5, rank=6)(outputs, texts, [str(i) for i in range(12)])
    assert found.texts == tuple(map(str, chosen))


def test_mean_ablation():
    scene = small_scene(batch=3)
    terms = Decompose()(scene)
    assert torch.equal(mean_ablated(terms), terms.output)
    everything = mean_ablated(terms, [(i, h) for i in range(3) for h in range(2)], mlps=range(3))
    torch.testing.assert_close(everything - terms.start, (terms.output - terms.start).mean(0).expand(3, -1), atol=1e-4, rtol=1e-4)
    one = mean_ablated(terms, [(1, 0)])
    torch.testing.assert_close(one, terms.output - terms.heads[:, 1, 0] + terms.heads[:, 1, 0].mean(0))


def test_what_cannot_be_taken_apart_says_why():
    with pytest.raises(TypeError, match="pools by 'map'"):
        Decompose()(small_scene(class_token=False, global_pool="map"))
    with pytest.raises(TypeError, match="a class is wanted, which has a direction"):
        DirectEffect()(small_scene(target=lambda logits: logits[:, 0]))
    with pytest.raises(ValueError, match="the scene has one"):
        mean_ablated(Decompose()(small_scene(batch=1)), [(0, 0)])
    with pytest.raises(ValueError, match="3 directions, but 2 names"):
        TextSpan()(torch.randn(4, 8), torch.randn(3, 8), ["a", "b"])
