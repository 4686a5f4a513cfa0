"""ShearletX: a Parseval frame, waves of one direction, a naive twin, and the scores of its paper."""

import math

import numpy as np
import pytest
import torch

from mimviz import lenses
from mimviz.lenses._artifacts import conciseness_preciseness, hallucination, information, sobel_edges
from mimviz.lenses._coefficients import Basis, left, probability, shifted
from mimviz.lenses._probing import newest
from mimviz.lenses._shearlets import count, restored, transformed, windows

from .planted import PATCH, planted_scene

SIZES = [(32, 32), (24, 40), (15, 17), (64, 48)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_it_is_a_parseval_frame(shape, levels):
    x = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bands = transformed(x, levels)
    assert len(bands) == count(levels) == len(windows(*shape, levels))
    torch.testing.assert_close(restored(bands), x, rtol=0, atol=1e-10)
    torch.testing.assert_close(sum(each.square().sum() for each in bands), x.square().sum(), rtol=1e-10, atol=0)
    single = restored(transformed(x.float(), levels))
    assert (single - x).abs().max() < 1e-6 * 10


def naive_window(fy: float, fx: float, levels: int, scale: int, cone: str, shear: int) -> float:
    """One number of one window, once more from the tutorial's formulas (sections 2.1 to 2.4), scale −1 the coarse one."""

    def v(x):
        return 0.0 if x < 0 else 1.0 if x > 1 else 35 * x**4 - 84 * x**5 + 70 * x**6 - 20 * x**7

    def b(w):
        w = abs(w)
        if 1 <= w <= 2:
            return math.sin(math.pi / 2 * v(w - 1))
        return math.cos(math.pi / 2 * v(w / 2 - 1)) if 2 < w <= 4 else 0.0

    def psi1(w):
        return math.sqrt(b(2 * w) ** 2 + b(w) ** 2)

    def psi2(w):
        return math.sqrt(v(1 + w)) if w <= 0 else math.sqrt(v(1 - w))

    def phi(w):
        w = abs(w)
        return 1.0 if w <= 0.5 else math.cos(math.pi / 2 * v(2 * w - 1)) if w < 1 else 0.0

    y, x = fy * 4**levels, fx * 4**levels
    if scale < 0:
        return phi(max(abs(x), abs(y)))
    inside = abs(x) >= abs(y) if cone == "lying" else abs(x) < abs(y)
    if not inside or x == y == 0:
        return 0.0
    long, other = (x, y) if cone == "lying" else (y, x)
    return psi1(long / 4**scale) * psi2(2**scale * other / long + shear)


def test_the_windows_are_those_of_the_tutorial():
    size, levels = 12, 2
    found = windows(size, size, levels)
    frequencies = np.fft.fftfreq(size)
    names = [(-1, "lying", 0)]
    for j in range(levels):
        for k in range(-(2**j), 2**j + 1):
            names += [(j, "both", k)] if abs(k) == 2**j else [(j, "lying", k), (j, "standing", k)]
    for window, (scale, cone, shear) in zip(found, names, strict=True):
        for row, fy in enumerate(frequencies):
            for col, fx in enumerate(frequencies):
                if -0.5 in (fy, fx):
                    continue  # stands for both signs of the frequency, and is the mean of their squares here
                cones = ("lying", "standing") if cone == "both" else (cone,)
                expected = sum(naive_window(fy, fx, levels, scale, each, shear) for each in cones)
                assert float(window[row, col]) == pytest.approx(expected, abs=1e-9)


def test_a_slanted_wave_lies_in_the_bands_of_its_direction():
    """Energy of waves along four directions: each has its own strongest band of the finest scale."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    strongest = set()
    for fy, fx in ((0, 0.25), (0.25, 0), (0.25, 0.25), (0.25, -0.25), (0.125, 0.25)):
        bands = transformed(torch.cos(2 * math.pi * (fy * y + fx * x))[None, None], 2)
        energy = torch.stack([each.square().sum() for each in bands])
        assert energy.max() > 0.45 * energy.sum() and energy.argmax() > 4
        strongest.add(int(energy.argmax()))
    assert len(strongest) == 5


def test_it_keeps_the_probability_and_little_of_the_picture():
    scene = planted_scene(PATCH)
    found = lenses.ShearletX().left(scene)
    mean, std = shifted(scene)
    with torch.no_grad():
        told, wanted = (probability(scene, x)[0] for x in ((found.picture - mean) / std, scene.images))
    assert told > 0.8 * wanted
    assert found.picture.abs().mean() < 0.5 * (scene.images * std + mean).abs().mean()
    assert conciseness_preciseness(told[None], wanted[None], found.bands, found.whole)[0] > 2


# --- the scores ---


def disc(size: int = 64) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return 0.2 + 0.6 * ((y - size // 2) ** 2 + (x - size // 2) ** 2 < (size // 4) ** 2).float().expand(1, 3, -1, -1)


def test_the_whole_picture_makes_nothing_up_and_scores_1():
    x, p = disc(), torch.tensor([0.7])
    assert sobel_edges(x).any()
    assert hallucination(x, restored(transformed(x, 3)))[0] == 0
    for measure in ("l1", "entropy"):
        kept = transformed(x, 2)
        torch.testing.assert_close(conciseness_preciseness(p, p, kept, kept, measure=measure), torch.ones(1))
        torch.testing.assert_close(conciseness_preciseness(p, p, x, x, measure=measure), torch.ones(1))


def test_a_ring_that_is_not_there_is_made_up():
    x = disc()
    made = x.clone()
    made[..., 2:6, 2:60] = 0.9
    alone = hallucination(x, made - x)  # the bar without the disc
    assert 0 < alone[0] == hallucination(x, made)[0]
    naive = sum(
        bool(sobel_edges(made)[0, r, c]) and not sobel_edges(x)[0, max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].any()
        for r in range(64)
        for c in range(64)
    ) / int(sobel_edges(x).sum())
    assert hallucination(x, made)[0] == pytest.approx(naive)


def test_information_in_closed_form():
    parts = [torch.full((2, 1, 2, 2), 0.5), torch.full((2, 1, 1, 4), -0.5)]
    torch.testing.assert_close(information(parts), torch.full((2,), 4.0))
    torch.testing.assert_close(information(parts, measure="entropy"), torch.full((2,), math.log(8)))
    assert information(torch.eye(3)[None, None], measure="entropy")[0] == pytest.approx(math.log(3))
    half = conciseness_preciseness(torch.tensor([0.4]), torch.tensor([0.8]), parts[0][:1], [each[:1] for each in parts])
    torch.testing.assert_close(half, torch.ones(1))
    assert (
        conciseness_preciseness(torch.ones(1), torch.ones(1), torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2))[0] == 0
    )
    with pytest.raises(ValueError, match="'l1' or 'entropy'"):
        information(parts, measure="bits")


def test_it_makes_up_less_than_a_free_mask_of_pixels():
    """The paper's claim on a model that must see the patch: at about the same probability, fewer edges that were not there."""
    scene = planted_scene(PATCH)
    mean, std = shifted(scene)
    picture = scene.images * std + mean
    scores = {}
    for name, basis in {
        "pixels": Basis(lambda x, _: [x], lambda bands: bands[0]),
        "shearlets": lenses.ShearletX().basis,
    }.items():
        found = newest(left(scene, lenses.ShearletX(), basis))[1].picture
        with torch.no_grad():
            told = float(probability(scene, (found - mean) / std)[0] / probability(scene, scene.images)[0])
        scores[name] = told, float(hallucination(picture, found)[0])
    assert min(told for told, _ in scores.values()) > 0.8
    assert scores["shearlets"][1] < scores["pixels"][1]
