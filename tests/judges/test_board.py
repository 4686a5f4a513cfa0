"""The board: what it knows, how sure it is, and that it can be left and taken up."""

import json
import math

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz import judges, lenses
from mimviz.core import Heatmap, Score
from mimviz.data.planted import planted
from mimviz.judges import Board, Deletion, EdgeMap, MassInside, RandomMap, Sufficiency
from mimviz.judges._board import _interval
from mimviz.vit.fingerprint import fingerprint

from .maps import GRID, PATCHES, scene


def board(**changes) -> Board:
    pictures = [planted(GRID, patch, seed=i) for i, patch in enumerate((*PATCHES, 2))]
    settings = {"methods": [lenses.Occlusion, lenses.InputXGradient()], "judges": [Deletion(steps=8), Sufficiency()]}
    return Board(scene().model, pictures, targets=[1, 1, 1], **{**settings, **changes})


def test_every_cell_once_picture_by_picture():
    mine = board()
    assert mine.total == 4 * 2 * 3 and mine.done == 0
    cells = list(mine.run())
    assert len(cells) == 24 and mine.done == 24 and not list(mine.run())
    assert [c.picture for c in cells] == sorted(c.picture for c in cells)
    assert {c.method for c in cells} == {"RandomMap", "EdgeMap", "Occlusion", "InputXGradient"}
    one = next(c for c in cells if (c.method, c.judge, c.picture) == ("Occlusion", "Deletion(steps=8)", 1))
    alone = mv.Scene(mine.model, mine.pictures[1], target=1)
    assert one.value == pytest.approx(float(Deletion(steps=8)(alone, lenses.Occlusion()(alone)).value), abs=1e-6)


def test_what_two_methods_ask_alike_is_asked_once_and_scores_are_those_of_a_scene_of_its_own():
    words = [lenses.Occlusion(), lenses.InputXGradient()], [judges.Infidelity(samples=8), judges.ClassSensitivity()]
    mine = board(baselines=False, methods=words[0], judges=words[1])
    passes = []
    handle = mine.model.register_forward_hook(lambda _, images, __: passes.append(len(images[0])))
    cells = list(mine.run())
    handle.remove()
    assert passes.count(8) == len(mine.pictures), "eight draws of cells, the same for both maps"
    for cell in cells:
        alone = mv.Scene(mine.model, mine.pictures[cell.picture], target=1)
        assert cell.value == float(mine.judges[cell.judge](alone, mine.methods[cell.method](alone)).value), cell


def test_left_and_taken_up_again():
    whole, halves = board(), board()
    list(whole.run())
    stream = halves.run()
    for _ in range(7):
        next(stream)
    stream.close()
    list(halves.run())
    assert {k: c.value for k, c in halves.cells.items()} == {k: c.value for k, c in whole.cells.items()}


def test_a_folder_keeps_what_is_done_also_of_a_run_that_was_cut_off(tmp_path):
    first = board(folder=tmp_path)
    stream = first.run()
    done = [next(stream) for _ in range(9)]
    stream.close()
    with (tmp_path / "cells.jsonl").open("a") as file:
        file.write('{"method": "Occlusion", "jud')
    second = board(folder=tmp_path)
    assert second.done == 9 and all(second.cells[c.method, c.judge, c.picture] == c for c in done)
    assert len(list(second.run())) == 15 and board(folder=tmp_path).done == 24
    with pytest.raises(ValueError, match="holds another board"):
        board(folder=tmp_path, seed=3)


def test_the_interval_is_the_bootstraps():
    values = np.array([0.1, 0.5, 0.2, 0.9])
    rng = np.random.default_rng(5)
    means = [np.mean([values[i] for i in row]) for row in rng.integers(0, 4, (1000, 4))]
    assert _interval(values, 5) == pytest.approx((np.quantile(means, 0.025), np.quantile(means, 0.975)))
    assert all(math.isnan(x) for x in _interval(values[:1], 0))


def test_the_random_baselines_interval_covers_its_expectation():
    """A random map has a quarter of its mass in a quarter of the picture; 95 % intervals cover that in 33 of 40 boards or more."""
    covered = 0
    for seed in range(40):
        pictures = [planted(GRID, i % 16, seed=100 * seed + i) for i in range(20)]
        mine = Board(
            scene().model, pictures, methods=[RandomMap(seed)], judges=[MassInside()], baselines=False, targets=[1] * 20
        )
        list(mine.run())
        (found,) = mine.table().values()
        covered += found.low < 0.25 < found.high
        assert found.count == 20
    assert covered >= 33


def test_one_method_that_fails_does_not_end_the_board():
    class Broken:
        def __call__(self, asked):
            raise RuntimeError("no map for this model")

    mine = board(methods={"broken": Broken(), "fine": lenses.InputXGradient()}, baselines=False)
    cells = list(mine.run())
    assert len(cells) == 12
    found = mine.table()["broken", "Sufficiency"]
    assert math.isnan(found.mean) and found.errors == ("RuntimeError: no map for this model",)
    assert mine.table()["fine", "Sufficiency"].count == 3


def test_disagreement_of_the_judges():
    class Says:
        def __init__(self, better, factor):
            self.better, self.factor = better, factor

        def __call__(self, asked, heat: Heatmap):
            return Score(torch.tensor([self.factor * float(heat.values.abs().mean())]), self)

    mine = board(judges={"up": Says("higher", 1), "down": Says("lower", -1), "against": Says("higher", -1)})
    list(mine.run())
    found = mine.disagreement()
    assert found["up", "down"] == 0 and found["up", "against"] == 1


def test_tables_and_manifest():
    mine = board(methods=[lenses.InputXGradient()])
    list(mine.run())
    lines = mine.csv().splitlines()
    assert lines[0].startswith("method,judge,better,picture,value") and len(lines) == 1 + mine.total
    text = mine.latex()
    assert text.count(r"\textbf") == 2 and r"\downarrow" in text and "Deletion(steps=8)" in text
    told = json.loads(json.dumps(mine.manifest()))
    assert told["question"]["model"] == fingerprint(mine.model) and torch.__version__.startswith(
        told["versions"]["torch"]
    )
    assert told["cells"] == told["of"] == 18
    with torch.no_grad():
        next(mine.model.parameters()).add_(1)
    assert mine.manifest()["question"]["model"] != told["question"]["model"]


def test_baselines_know_nothing_of_the_model():
    asked = scene()
    both, alone = RandomMap()(asked), RandomMap()(mv.Scene(asked.model, asked.images[1:], target=1))
    assert torch.equal(both.values[1:], alone.values), "a picture has its map in whatever batch"
    assert not torch.equal(both.values[0], both.values[1])
    edges = EdgeMap()(asked).values
    row, col = divmod(PATCHES[0], 4)
    inside = edges[0, row * 8 + 2 : row * 8 + 6, col * 8 + 2 : col * 8 + 6].mean()
    assert edges[0, row * 8 : row * 8 + 8, col * 8].mean() > 3 * inside


def test_bad_questions_are_refused():
    for changes, why in (
        ({"methods": []}, "list is empty"), ({"judges": [Deletion(), Deletion]}, "one name"), ({"targets": [1]}, "one for each"),
    ):  # fmt: skip
        settings = {"methods": [lenses.Gradient], "judges": [Deletion]} | changes
        with pytest.raises(ValueError, match=why):
            Board(scene().model, ["cat", "coffee"], **settings)
    with pytest.raises(ValueError, match="no pictures"):
        Board(scene().model, [], methods=[lenses.Gradient], judges=[judges.Deletion])
