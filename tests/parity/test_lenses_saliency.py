"""XRAI, Blur IG and Guided IG against PAIR's `saliency`."""

import numpy as np
import pytest
import saliency.core as pair
import torch
from lens_models import cnn, scene, vit
from scipy.sparse import csc_matrix

from mimviz import lenses
from mimviz.lenses._greedy import greedy, segments

both = pytest.mark.parametrize("model", [vit(), cnn()], ids=["vit", "cnn"])
KEY = pair.INPUT_OUTPUT_GRADIENTS


def caller(model, target=1):
    """PAIR's call_model_function, pictures as (B, H, W, C)."""

    def call(x, call_model_args=None, expected_keys=None):
        images = torch.from_numpy(np.asarray(x)).float().permute(0, 3, 1, 2).requires_grad_()
        (grad,) = torch.autograd.grad(model(images)[:, target].sum(), images)
        return {KEY: grad.permute(0, 2, 3, 1).numpy()}

    return call


def array(at):
    return at.images[0].permute(1, 2, 0).double().numpy()


def channels_last(found):
    return found[0].permute(1, 2, 0).numpy()


@both
@pytest.mark.parametrize("root", [False, True])
def test_blur_ig(model, root):
    at = scene(model, 1)
    expected = pair.BlurIG().GetMask(array(at), caller(model), max_sigma=9, steps=6, sqrt=root, batch_size=1)
    found = lenses.BlurIG(steps=6, sigma=9, root=root).attributions(at)
    if root:  # PAIR takes √(σ_max · t), and so reaches √σ_max alone
        np.testing.assert_allclose(lenses.BlurIG(steps=6, sigma=9, root=True).sigmas, np.sqrt(np.linspace(0, 9, 7)))
    np.testing.assert_allclose(channels_last(found), expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@both
@pytest.mark.parametrize(("fraction", "band"), [(0.25, 0.02), (0.5, 0.2), (0.1, 1.0)])
def test_guided_ig(model, fraction, band, monkeypatch):
    """PAIR's own code, which asks numpy < 2 for a quantile; float32 gradients break ties, hence the tolerance."""
    quantile = np.quantile
    monkeypatch.setattr(np, "quantile", lambda a, q, interpolation: quantile(a, q, method=interpolation))
    at = scene(model, 1)
    expected = pair.GuidedIG().GetMask(array(at), caller(model), x_steps=8, fraction=fraction, max_dist=band)
    found = channels_last(lenses.GuidedIG(steps=8, fraction=fraction, band=band).attributions(at))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def blobs(seed: int, size: int = 48, count: int = 30) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    spots = rng.uniform(0, size, (count, 2))
    return [(y - a) ** 2 + (x - b) ** 2 < rng.uniform(4, 12) ** 2 for a, b in spots]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_xrai_of_given_segments(seed):
    attribution = np.random.default_rng(seed).normal(size=(48, 48))
    masks = blobs(seed)
    expected = pair.XRAI().GetMask(
        np.zeros((48, 48, 3)), None, segments=masks, base_attribution=np.repeat(attribution[..., None], 3, 2)
    )
    members = csc_matrix(np.stack([mask.ravel() for mask in masks], 1).astype(float))
    values, order = greedy(attribution.ravel(), members)
    np.testing.assert_allclose(values.reshape(48, 48), expected, rtol=1e-9, atol=1e-12)
    assert len(set(np.concatenate(order))) == sum(map(len, order)), "a pixel is added once"


def test_xrai_cuts_the_segments_of_pair():
    from saliency.core.xrai import _get_segments_felzenszwalb

    rng = np.random.default_rng(0)
    picture = np.kron(rng.uniform(size=(4, 4, 3)), np.ones((16, 16, 1)))
    expected = np.stack([mask.ravel() for mask in _get_segments_felzenszwalb(picture)], 1)
    expected = expected[:, expected.any(0)]  # numbers that vanish when labels are made smaller
    found = segments(picture).toarray().astype(bool)
    assert found.shape == expected.shape and (found == expected).all()


def test_xrai_densities_of_disjoint_segments_fall():
    labels = np.kron(np.arange(16).reshape(4, 4), np.ones((8, 8), int)).ravel()
    members = csc_matrix((labels[:, None] == np.arange(16)).astype(float))
    values, order = greedy(np.random.default_rng(0).normal(size=32 * 32), members)
    densities = [values[pixels[0]] for pixels in order]
    assert len(order) == 16 and (np.diff(densities) <= 0).all()
