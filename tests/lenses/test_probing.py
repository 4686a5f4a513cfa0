"""Batches that fit, results that stream, work that stops, a model that is left alone."""

import gc

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz import lenses
from mimviz.lenses._probing import Probe, noise
from mimviz.vit.dropping import Dropping

from .planted import GRID, PATCH, planted_scene, planted_vit

pytestmark = pytest.mark.filterwarnings("ignore:.*the map is 0 everywhere")  # what a CAM says where all of it is negative
STREAMING = [name for name in lenses.__all__ if hasattr(getattr(lenses, name), "stream")]


def test_out_of_memory_halves_the_batch_and_asks_again():
    scene, asked = planted_scene(), []

    def ask(i, j):
        asked.append((i, j))
        if j - i > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.arange(i, j)

    probe = Probe(scene, 10, batch=8)
    found = torch.cat([part for _, _, part in probe(ask)])
    assert found.tolist() == list(range(10))
    assert asked == [(0, 8), (0, 4), (0, 2), (2, 4), (4, 6), (6, 8), (8, 10)] and probe.batch == 2


def test_one_pass_that_does_not_fit_says_so():
    def ask(i, j):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(MemoryError, match="does not fit the free memory"):
        list(Probe(planted_scene(), 4)(ask))


def test_other_errors_pass():
    def ask(i, j):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(Probe(planted_scene(), 4)(ask))


@pytest.mark.parametrize(("passes", "batch"), [(0, None), (3, 0)])
def test_bad_counts(passes, batch):
    with pytest.raises(ValueError, match="at least 1"):
        Probe(planted_scene(), passes, batch=batch)


def test_noise_belongs_to_the_pass_not_to_the_batch():
    scene = planted_scene(1, 2)
    assert torch.equal(noise(scene, 3, 0, 5)[2:4], noise(scene, 3, 2, 4))


@pytest.mark.parametrize("name", STREAMING)
def test_it_streams_to_the_same_map_and_counts(name):
    scene, cls = planted_scene(PATCH), getattr(lenses, name)
    lens = cls(batch=3) if "batch" in cls.__dataclass_fields__ else cls()
    parts = list(lens.stream(scene))
    done = [part.done for part in parts]
    assert done == sorted(set(done)) and done[-1] == parts[-1].passes == lens.passes(scene)
    assert all(part.heat.by == lens and part.seconds >= 0 and part.batch >= 1 for part in parts)
    torch.testing.assert_close(parts[-1].heat.values, cls()(scene).values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", STREAMING)
def test_who_stops_listening_stops_the_work(name):
    scene, cls = planted_scene(PATCH), getattr(lenses, name)
    lens = cls(batch=1) if "batch" in cls.__dataclass_fields__ else cls()
    calls = []
    handle = scene.model.register_forward_pre_hook(lambda *_: calls.append(1))
    stream = lens.stream(scene)
    next(stream)
    so_far = len(calls)
    stream.close()
    assert len(calls) == so_far
    handle.remove()


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_dropping_is_attention_at_minus_infinity(prefix):
    """A token with no attention to it and left out of the mean is a token that is not there."""
    scene = planted_scene(PATCH, 3, prefix=prefix)
    torch.manual_seed(0)
    hidden = torch.rand(5, 4, 4) < 0.5
    found = Dropping(scene).scores(hidden)
    for index, mask in enumerate(hidden):
        seen = torch.cat([torch.ones(prefix, dtype=torch.bool), ~mask.flatten()])
        with torch.no_grad():
            tokens = scene.model.forward_features(
                scene.images, attn_mask=seen[None, None, None].expand(2, 1, len(seen), -1)
            )
            logits = scene.model.forward_head(tokens[:, seen])[:, 1]
        torch.testing.assert_close(found[index], logits, rtol=1e-5, atol=1e-6)


def test_dropping_everything_is_refused():
    with pytest.raises(ValueError, match="hides every patch"):
        Dropping(planted_scene()).scores(torch.ones(1, *GRID.shape, dtype=torch.bool))


def test_occlusion_by_dropping_points_there():
    heat = lenses.Occlusion(remove="drop")(planted_scene(PATCH))
    assert heat.values.flatten().argmax() == PATCH


def test_occlusion_with_gaps_is_refused():
    with pytest.raises(ValueError, match="never be covered"):
        lenses.Occlusion(window=1, stride=2)(planted_scene())


@pytest.mark.parametrize("target", [1, None, lambda logits: logits[:, 1]])
def test_quantus(target):
    model = planted_vit()
    images = planted_scene(PATCH, 3).images
    explain = lenses.to_quantus(lenses.Occlusion())
    given = explain(model, images.numpy(), np.array([1, 1]))
    assert given.shape == (2, 1, 32, 32) and given.dtype == np.float32
    assert (given[:, 0, ::8, ::8].reshape(2, -1).argmax(1) == [PATCH, 3]).all()
    asked = lenses.attribute(lenses.Gradient(), model, images, target=target)
    assert asked.shape == images.shape


def test_attribute_refuses_another_size():
    with pytest.raises(ValueError, match=r"\(B, 3, 32, 32\) is wanted"):
        lenses.attribute(lenses.Gradient(), planted_vit(), torch.randn(1, 3, 16, 16))


def test_nothing_grows_over_a_hundred_runs():
    model = planted_vit(depth=1)
    scene = mv.Scene(model, planted_scene().images, target=1)
    runs = [
        lenses.GuidedBackprop(),
        lenses.DeepLIFT(),
        lenses.IntegratedGradients(steps=2),
        lenses.Occlusion(window=4, stride=4),
    ]

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())

    for lens in runs:
        lens(scene)
    before = tensors()
    for _ in range(100):
        for lens in runs:
            lens(scene)
    assert tensors() == before
    assert all(p.grad is None for p in model.parameters())
