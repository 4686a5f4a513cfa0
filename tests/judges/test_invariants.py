"""What every judge promises, over all of them."""

import dataclasses

import pytest
import torch
from lenses.test_invariants import state

import mimviz as mv
from mimviz import judges
from mimviz.core import Score

from .maps import PATCHES, drawn, inverted, perfect, scene

everyone = pytest.mark.parametrize("name", judges.__all__)
pytestmark = pytest.mark.filterwarnings("ignore:.*the map is")
ASK_THE_METHOD = {
    "GridPointingGame", "PlantedFeature", "Randomisation", "ClassSensitivity", "MaxSensitivity", "ROAR",
}  # fmt: skip
SMALL = {"ROAR": {"count": 64, "steps": 10, "shares": (0.5,)}, "PerformanceInformation": {"shares": (0.05, 0.3)}}


def judge(name: str):
    return getattr(judges, name)(**SMALL.get(name, {}))


@everyone
def test_a_judge_is_a_frozen_word(name):
    cls = getattr(judges, name)
    assert cls.__dataclass_params__.frozen and cls() == cls() and hash(cls()) == hash(cls())
    assert repr(cls()).startswith(f"{name}(") and cls.better in ("higher", "lower")


@everyone
def test_one_number_for_each_picture_the_same_every_time(name):
    asked, random = scene(), torch.get_rng_state()
    heat = mv.lenses.InputXGradient()(asked)
    score = judge(name)(asked, heat)
    assert isinstance(score, Score) and score.by == judge(name)
    assert score.value.shape == (len(PATCHES),) and not score.value.requires_grad
    assert torch.isfinite(score.value).all() or score.note
    assert score.curve is None or score.curve.y.shape == (len(PATCHES), len(score.curve.x))
    torch.manual_seed(5)
    again = judge(name)(scene(), mv.lenses.InputXGradient()(scene()))
    assert torch.equal(again.value.nan_to_num(7), score.value.nan_to_num(7))
    torch.set_rng_state(random)
    judge(name)(asked, heat)
    assert torch.equal(torch.get_rng_state(), random), "the caller's random numbers are left alone"


@everyone
def test_the_model_is_left_as_found(name):
    asked = scene()
    heat = mv.lenses.InputXGradient()(asked)
    asked.model.train()
    before = state(asked.model)
    judge(name)(asked, heat)
    assert state(asked.model) == before


@everyone
def test_a_perfect_map_beats_noise_and_noise_an_inverted_one(name):
    """With a margin of half a deviation of 8 maps of noise."""
    if name in ASK_THE_METHOD:
        with pytest.raises(TypeError, match="asks the method again"):
            judge(name)(scene(), perfect())
        return
    asked, sign = scene(), 1 if getattr(judges, name).better == "higher" else -1
    best, worst = (sign * judge(name)(asked, heat).value for heat in (perfect(), inverted()))
    noise = torch.stack([sign * judge(name)(asked, drawn(seed)).value for seed in range(8)])
    if name in ("PointingGame", "MassInside", "CompletenessGap", "Hallucination"):  # known answers of their own below
        return
    assert (best > noise.mean(0) + 0.5 * noise.std(0)).all(), (best, noise)
    assert (noise.mean(0) > worst).all(), (noise.mean(0), worst)


@everyone
def test_a_map_of_other_pictures_is_refused(name):
    one = mv.lenses.InputXGradient()(scene())[0]
    if name in ASK_THE_METHOD:
        return
    with pytest.raises((ValueError, RuntimeError)):
        judge(name)(scene(), one)


def test_words_are_dataclasses_whose_fields_have_defaults():
    for name in judges.__all__:
        assert all(
            f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
            for f in dataclasses.fields(getattr(judges, name))
        )
