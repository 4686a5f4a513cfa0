"""What targets call alike and what they see, each measure once more by hand, and each seen where it was planted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import seeded
from mimviz.grammar import Frozen, targets
from mimviz.grammar.seeing import FAR, colours, seeing, slopes
from mimviz.grammar.target_space import TargetSpace, target_space
from mimviz.plot import show_sees, show_target_spaces
from mimviz.zoo import load_encoder

GRID = mv.Grid(6, 6, 4)
NAMES = ("cat", "astronaut", "coffee", "rocket")


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, embed_dim=48, num_heads=3, depth=1)


@pytest.fixture(scope="module")
def images(encoder):
    grid = encoder.grid
    found = [mv.image(name).fit(grid.height, grid.width).tensor(mean=encoder.mean, std=encoder.std) for name in NAMES]
    return torch.cat(found)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


def photos(count=4, seed=3):
    """Smooth pictures of the small grid, RGB in 0..1."""
    return F.interpolate(torch.rand(count, 3, 6, 6, generator=seeded(seed)), (24, 24), mode="bilinear")


def sees(rows, regions=None, pictures=None):
    pictures = photos(len(rows)) if pictures is None else pictures
    return seeing(rows, F.normalize(rows - rows.mean((0, 1)), dim=-1), pictures, GRID, regions)


def test_alike_is_the_cosine_around_the_common_mean_and_neighbours_are_its_order():
    rows = noise(3, 36, 5) + 4
    space = TargetSpace("planted", rows, photos(3), GRID)
    centred = (rows - rows.mean((0, 1))).flatten(0, 1)
    asked = centred[36 + 7]
    by_hand = [float(row @ asked / row.norm() / asked.norm()) for row in centred]
    np.testing.assert_allclose(space.similar(1, 7).values.flatten(), by_hand, atol=1e-5)
    order = sorted((i for i in range(108) if i != 43), key=lambda i: -by_hand[i])[:6]
    found = space.nearest(1, 7, count=6)
    assert [36 * each.picture + each.patch for each in found] == order
    assert found[0].similarity == pytest.approx(by_hand[order[0]], abs=1e-5)
    with pytest.raises(IndexError, match="patch 36 of picture 0"):
        space.similar(0, 36)


def test_codes_are_alike_where_they_are_the_same(encoder, images):
    codes = targets.Codes.by_kmeans(encoder.grid, mean=encoder.mean, std=encoder.std, count=8)
    space = target_space(codes, images, encoder.grid, encoder=encoder, name="codes")
    numbers = codes(images)[..., 0]
    same = (numbers == numbers[2, 30]).flatten()
    assert (space.similar(2, 30).values.flatten() > 0.999).eq(same).all()
    assert space.codes and space.rows.shape[-1] == 8
    torch.testing.assert_close(space.picture(2), codes.draw(numbers[2:3, :, None])[0])


def test_pixels_are_drawn_as_the_picture_they_are(encoder, images):
    grid = encoder.grid
    plain = target_space(targets.Pixels(grid, normalize=False), images, grid, encoder=encoder)
    np.testing.assert_allclose(plain.picture(1), mv.image("astronaut").fit(64, 64).array, atol=1e-5)
    normal = target_space(targets.Pixels(grid), images, grid, encoder=encoder)
    by_hand = 0.5 + grid.unpatchify(targets.Pixels(grid)(images, mv.Mask.none(grid))[1:2])[0].permute(1, 2, 0) / 6
    torch.testing.assert_close(normal.picture(1), by_hand.clamp(0, 1))
    features = target_space(targets.Features(Frozen(encoder, student=encoder)), images, grid, encoder=encoder)
    assert features.picture(0).shape == (8, 8, 3)
    torch.testing.assert_close(plain.images, features.images)


def test_slopes_and_colours_by_hand():
    ramp = torch.linspace(0, 1, 24).expand(1, 3, 24, 24)  # brighter to the right, 1/23 a pixel
    strength, direction = slopes(ramp, GRID)
    inner = strength[0, :, 0].reshape(6, 6)[:, 1:-1]
    torch.testing.assert_close(inner, torch.full_like(inner, 1 / 23), rtol=1e-4, atol=0)
    torch.testing.assert_close(direction[0, 14], torch.tensor([1.0, 0.0]), atol=2e-3, rtol=0)
    torch.testing.assert_close(slopes(ramp.mT, GRID)[1][0, 14], torch.tensor([-1.0, 0.0]), atol=2e-3, rtol=0)
    assert colours(ramp, GRID).abs().max() < 0.1  # grey has no colour
    red = torch.zeros(1, 3, 24, 24)
    red[:, 0] = 1
    torch.testing.assert_close(
        colours(red, GRID)[0, 0], torch.tensor([80.09, 67.20]), atol=0.05, rtol=0
    )  # sRGB red in Lab


@pytest.mark.parametrize("question", ["edges", "directions", "colour"])
def test_what_was_planted_is_seen_and_nothing_else(question):
    pictures = photos()
    strength, direction = slopes(pictures, GRID)
    planted = {"edges": strength, "directions": direction, "colour": colours(pictures, GRID)}[question]
    rows = torch.cat([planted / planted.std(), 0.01 * noise(4, 36, 3)], -1)
    found = vars(sees(rows, pictures=pictures))
    assert found.pop(question) > 0.98
    assert all(found[other] < 0.5 for other in {"edges", "directions", "colour"} - {question})
    blind = sees(noise(4, 36, 6, seed=5), pictures=pictures)
    assert max(blind.edges, blind.directions, blind.colour) < 0.1


def test_regression_is_judged_on_pictures_that_it_has_not_seen():
    """Rows that say which picture a patch is of: they would explain the pictures' means, if they had been seen."""
    which = torch.eye(4)[:, None].expand(-1, 36, -1)
    assert sees(which).colour < 0.05


def by_loops(unit, labels):
    """The share of pairs (one of a region, one across) at one distance in one picture that are in the right order."""
    won = total = 0.0
    for picture, regions in zip(unit.reshape(-1, 6, 6, unit.shape[-1]).numpy(), labels, strict=True):
        near: dict[int, tuple[list, list]] = {}
        places = [(r, c) for r in range(6) for c in range(6)]
        for i, a in enumerate(places):
            for b in places[i + 1 :]:
                far = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
                if far <= FAR**2:
                    near.setdefault(far, ([], []))[int(regions[a] == regions[b])].append(
                        round(float(picture[a] @ picture[b]), 6)
                    )
        for across, within in near.values():
            won += sum((p > n) + 0.5 * (p == n) for p in within for n in across)
            total += len(within) * len(across)
    return won / total


def test_parts_are_counted_pair_by_pair():
    labels = np.kron(np.arange(4).reshape(2, 2), np.ones((3, 3), int))[None].repeat(4, 0)
    regions = labels.repeat(4, 1).repeat(4, 2)
    rows = noise(4, 36, 4) + 0.7 * torch.eye(4)[torch.from_numpy(labels.reshape(4, 36))]
    unit = F.normalize(rows - rows.mean((0, 1)), dim=-1)
    assert sees(rows, regions).parts == pytest.approx(by_loops(unit, labels), abs=1e-6)
    assert 0.55 < sees(rows, regions).parts < 0.95
    assert sees(torch.eye(4)[torch.from_numpy(labels.reshape(4, 36))], regions).parts == 1


def test_nearness_alone_sees_no_parts():
    row, col = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    places = (
        torch.stack([(row / 2).sin(), (row / 2).cos(), (col / 2).sin(), (col / 2).cos()], -1)
        .reshape(1, 36, 4)
        .expand(4, -1, -1)
    )
    labels = np.stack([np.roll(np.arange(6) // 2, k)[None].repeat(6, 0) for k in range(4)])
    found = sees(places, labels.repeat(4, 1).repeat(4, 2)).parts
    assert found == pytest.approx(0.5, abs=0.08)


def test_what_cannot_be_measured_is_not_a_number():
    alone = sees(noise(1, 36, 3), regions=np.zeros((1, 24, 24), int))
    assert all(math.isnan(value) for value in vars(alone).values())
    grey = sees(noise(3, 36, 3), pictures=torch.full((3, 3, 24, 24), 0.5))
    assert math.isnan(grey.edges) and math.isnan(grey.colour)
    with pytest.raises(ValueError, match="regions are"):
        sees(noise(2, 36, 3), regions=np.zeros((2, 6, 6), int))


def test_targets_that_are_none_are_refused(encoder, images):
    ask = {"images": images, "grid": encoder.grid, "encoder": encoder}
    with pytest.raises(ValueError, match=r"gives \(1, 2, 3\)"):
        target_space(lambda images, mask: torch.zeros(1, 2, 3), **ask)
    with pytest.raises(ValueError, match="NaN"):
        target_space(lambda images, mask: torch.full((4, 64, 3), float("nan")), **ask)


def test_the_bundled_pictures_say_what_the_lesson_says():
    encoder = load_encoder("tiny")
    grid = encoder.grid
    shown = torch.cat([mv.image(name).fit(64, 64).tensor(mean=encoder.mean, std=encoder.std) for name in NAMES])
    told = {
        name: target_space(word, shown, grid, encoder=encoder, name=name).sees()
        for name, word in {
            "pixels": targets.Pixels(grid, normalize=False),
            "HOG": targets.HOG(grid),
            "features": targets.Features(Frozen(encoder, student=encoder)),
        }.items()
    }
    assert told["HOG"].directions > 0.8 > 0.2 > told["pixels"].directions
    assert told["pixels"].colour > 0.9 > 0.2 > told["HOG"].colour
    assert told["features"].edges > 0.6 > 0.2 > max(told["pixels"].edges, told["HOG"].edges)


def test_pictures_of_it(encoder, images):
    spaces = [
        target_space(word, images, encoder.grid, encoder=encoder, name=name)
        for name, word in {"pixels": targets.Pixels(encoder.grid), "HOG": targets.HOG(encoder.grid)}.items()
    ]
    figure = show_target_spaces(spaces, 1, 9, count=4)
    titles = [axis.get_title() for axis in figure.axes]
    nearest = spaces[1].nearest(1, 9, count=4)
    assert all(f"{each.similarity:.2f} in {each.picture + 1}" in titles for each in nearest)
    assert len(spaces[0].plot(0, 0).axes) > 4
    bars = show_sees({each.name: each.sees() for each in spaces})
    assert len(bars.axes) == 4
    with pytest.raises(ValueError, match="no target"):
        show_target_spaces([])
