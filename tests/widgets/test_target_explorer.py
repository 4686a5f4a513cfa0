"""The explorer without a browser: what is asked, answered, measured, refused."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
import traitlets as t

import mimviz as mv
from mimviz.grammar import targets
from mimviz.widgets import TargetExplorer
from mimviz.widgets.target_explorer_targets import MENU, TARGETS, named

PICTURES = ("cat", "coffee", "rocket")


def encoder() -> mv.Encoder:
    torch.manual_seed(0)
    return mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, num_heads=3, depth=1)


@pytest.fixture
def explorer(monkeypatch):
    if not TargetExplorer._esm:
        monkeypatch.setattr(TargetExplorer, "_esm", "export default {}")
    made = []

    def make(pictures=PICTURES, targets=("pixels", "HOG"), **options):
        options.setdefault("encoder", encoder())
        made.append(TargetExplorer(pictures, targets, **options))
        made[-1].wait()
        return made[-1]

    yield make
    for each in made:
        each.close()


def panel(explorer, place: int, key: str):
    return next(each for each in explorer.panels if (each["place"], each["key"]) == (place, key))


def cosines(explorer, place: int) -> np.ndarray:
    said = panel(explorer, place, "alike")
    raw = explorer.pixels[said["start"] : said["start"] + said["size"]]
    return np.frombuffer(raw, "<f4").reshape(said["rows"], said["cols"])


def test_every_target_is_asked_about_the_same_patch(explorer):
    one = explorer(query=(1, 5))
    for place, (name, space) in enumerate(one.spaces.items()):
        np.testing.assert_allclose(cosines(one, place), space.similar(1, 5).values[1], atol=1e-6)
        assert cosines(one, place)[1, 1] == pytest.approx(1, abs=1e-5)
        assert one.near[place]["near"] == [[each.picture, each.patch, each.similarity] for each in one.nearest(name)]
    assert one.report["query"] == [1, 5] and one.report["done"] == one.report["of"] == 2
    assert panel(one, 1, "drawn")["height"] == 60  # HOG's strokes


def test_another_patch_and_another_picture_to_look_in(explorer):
    one = explorer()
    space = one.spaces["HOG"]
    one.query = [2, 3]
    one.shown = 0
    one.wait()
    np.testing.assert_allclose(cosines(one, 1), space.similar(2, 3).values[0], atol=1e-6)
    assert one.spaces["HOG"] is space  # a target is asked once


def test_what_each_sees_is_measured_once_and_told(explorer):
    one = explorer()
    assert set(one.readout) == {"pixels", "HOG"}
    assert one.readout["HOG"]["directions"] == pytest.approx(one.spaces["HOG"].sees().directions)
    first = one.sees["pixels"]
    one.query = [0, 0]
    one.wait()
    assert one.sees["pixels"] is first
    assert explorer(["cat"]).readout["pixels"]["colour"] is None  # one picture alone: JSON knows no NaN


def test_regions_of_ones_own(explorer):
    regions = np.kron(np.array([[0, 1], [2, 3]]), np.ones((16, 16), int))[None].repeat(3, 0)
    one = explorer(regions=regions)
    assert one.sees["pixels"].parts == pytest.approx(one.spaces["pixels"].sees(regions).parts)
    with pytest.raises(ValueError, match="regions are"):
        explorer(regions=regions[:2])


def test_equals_are_counted(explorer):
    codes = targets.Codes.by_kmeans(encoder().grid, mean=encoder().mean, std=encoder().std, count=4)
    one = explorer(targets={"four words": codes})
    numbers = codes(torch.cat([each.tensor(mean=encoder().mean, std=encoder().std) for each in one._open.pictures]))[
        ..., 0
    ]
    picture, patch = one.query
    assert one.near[0]["tied"] == int((numbers == numbers[picture, patch]).sum()) - 1


def test_a_target_that_fails_says_why_and_the_others_go_on(explorer):
    def odd(images, mask):
        raise RuntimeError("the teacher is out")

    one = explorer(targets={"odd": odd, "pixels": "pixels"})
    assert "the teacher is out" in one.near[0]["problem"]["text"] and one.near[1]["near"]
    assert set(one.spaces) == {"pixels"} == set(one.sees) and one.report["done"] == 2


def test_names_recipes_models_and_words(explorer):
    assert set(TARGETS) <= set(MENU)
    model = mv.recipes.maskfeat(encoder())
    one = explorer(targets=["maskfeat", model.target, "features of tiny"])
    assert one.names == ["maskfeat", repr(model.target), "features of tiny"]
    torch.testing.assert_close(one.spaces["maskfeat"].rows, one.spaces[one.names[1]].rows)
    assert list(named([mv.recipes.mae(encoder(), dim=32, depth=1)])) == ["mae"]


@pytest.mark.parametrize(
    ("given", "error", "wish"),
    [
        ({"targets": ["hog"]}, ValueError, "there is no target 'hog'"),
        ({"targets": []}, ValueError, "no target is given"),
        ({"targets": ["HOG", "HOG"]}, ValueError, "two targets are called 'HOG'"),
        ({"targets": [3]}, TypeError, "a target is int"),
        ({"pictures": []}, ValueError, "no picture is given"),
        ({"encoder": 3}, TypeError, "encoder is int"),
        ({"query": (3, 0)}, t.TraitError, "query is"),
        ({"query": (0, 16)}, t.TraitError, "query is"),
        ({"shown": 3}, t.TraitError, "shown is 3"),
        ({"titel": "x"}, TypeError, "Did you mean 'title'"),
    ],
)
def test_what_cannot_be_shown_is_refused(explorer, given, error, wish):
    with pytest.raises(error, match=wish):
        explorer(**given)


def test_a_browser_asks(explorer, browser):
    one = explorer()
    browser(one, query=[1, 2])
    one.wait()
    assert one.report["query"] == [1, 2]
    browser(one, query=[9, 9])  # ipywidgets logs it and keeps what was there
    assert one.query == [1, 2]


def test_it_draws_without_a_browser(explorer):
    one = explorer()
    assert "HOG" in [axis.get_title(loc="left") for axis in one.plot().axes]
    assert len(one.plot_sees().axes) == 4


def test_closing_lets_go(explorer):
    one = explorer()
    shelf = weakref.ref(one._shelf)
    one.close()
    gc.collect()
    assert shelf() is None and "TargetExplorer(pixels, HOG" in repr(one)
    with pytest.raises(RuntimeError, match="closed"):
        _ = one._open
