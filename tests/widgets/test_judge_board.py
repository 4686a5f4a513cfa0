"""JudgeBoard without a browser: what it works out, when, and what it tells."""

import gc
import json
import weakref

import pytest
import traitlets as t
from judges.maps import GRID, PATCHES, scene

import mimviz as mv
from mimviz.data.planted import planted
from mimviz.judges import Deletion, MassInside, Sufficiency
from mimviz.judges.removal import Drop, Inpaint
from mimviz.widgets.judge_board import METHODS


def board(**changes) -> mv.JudgeBoard:
    pictures = [planted(GRID, patch, seed=i) for i, patch in enumerate(PATCHES)]
    settings = {
        "methods": ["Occlusion", "InputXGradient"],
        "judges": [Deletion(steps=4), Sufficiency],
        "targets": [1, 1],
    }
    return mv.JudgeBoard(scene().model, pictures, **{**settings, **changes})


def test_it_fills_by_itself_and_equals_the_board_without_a_browser():
    shown = board()
    shown.wait()
    assert shown.known["done"] == shown.known["of"] == 4 * 2 * 2
    asked = {"methods": shown.board.methods, "judges": shown.board.judges, "targets": [1, 1], "baselines": False}
    plain = mv.judges.Board(shown.board.model, shown.board.pictures, **asked)
    list(plain.run())
    told = {(m, j): mean for m, j, mean, *_ in shown.known["cells"]}
    assert told == pytest.approx({key: each.mean for key, each in plain.table().items()})
    assert json.dumps(shown.known) and json.dumps(shown.about)
    assert shown.about["judges"]["Sufficiency"]["better"] == "lower"
    shown.close()


def test_stopped_and_gone_on():
    shown = board(stopped=True)
    shown.wait()
    assert shown.known["done"] == 0
    shown.stopped = False
    shown.wait()
    assert shown.known["done"] == 16
    shown.close()


def test_a_cell_opens_its_curve_and_its_film():
    shown = board()
    shown.wait()
    shown.selected = ["Occlusion", "Deletion(steps=4)", "1"]
    shown.wait()
    detail = shown.detail
    assert detail["selected"] == ["Occlusion", "Deletion(steps=4)", "1"] and detail["asked"] == "class 1"
    assert len(detail["curve"]["x"]) == 5 and [film["name"] for film in detail["films"]] == [
        "filled with grey",
        "in-painted",
    ]
    first = detail["films"][0]["frames"][0]
    png = bytes(shown.pictures_data)[first["start"] : first["start"] + first["size"]]
    assert mv.image(png) == mv.Picture(mv.image(png).array) and png.startswith(b"\x89PNG")
    assert first["share"] == 0 and len(first["top"]) == 3
    scores = [frame["score"] for frame in detail["films"][0]["frames"]]
    assert scores == pytest.approx(detail["curve"]["y"], abs=1e-6), "the film is what the judge measured"
    film = shown.film("Occlusion", "Deletion(steps=4)", 1)
    assert [still.score for still in film[0].stills] == pytest.approx(scores)
    shown.close()


def test_a_judge_without_steps_has_no_film():
    shown = board(judges=[MassInside()])
    shown.selected = ["Occlusion", "MassInside", "0"]
    shown.wait()
    assert shown.detail["films"] == [] and shown.detail["value"] is not None
    shown.close()


def test_tokens_that_are_left_out_are_no_picture_of_what_the_model_gets():
    shown = board(judges=[Deletion(Drop(), steps=4)])
    film = shown.film("Occlusion", "Deletion(removal=Drop, steps=4)")
    assert [each.exact for each in film] == [False, True] and film[0].name == "tokens left out"
    shown.close()


@pytest.mark.parametrize(
    "wrong", [["Occlusion"], ["Nobody", "Sufficiency", "0"], ["Occlusion", "Sufficiency", "9"], ["a", "b", "x"]]
)
def test_a_wrong_cell_is_refused(wrong):
    shown = board(stopped=True)
    with pytest.raises(t.TraitError, match="of this board is wanted"):
        shown.selected = wrong
    assert shown.selected == []
    shown.close()


def test_wrong_names_are_refused():
    with pytest.raises(ValueError, match="methods names 'Gradiant'"):
        board(methods=["Gradiant"])
    with pytest.raises(ValueError, match="judges names 'Delete'"):
        board(judges=["Delete"])
    with pytest.raises(TypeError, match="takes no argument 'picture'"):
        board(picture="cat")


def test_files_are_handed_over():
    shown = board()
    shown.wait()
    for kind, name, part in (
        ("csv", "board.csv", "method,judge"),
        ("latex", "board.tex", r"\toprule"),
        ("manifest", "board.json", '"versions"'),
    ):
        shown.wanted = kind
        assert shown.file["name"] == name and part in shown.file["text"] and shown.wanted == ""
    shown.close()


def test_a_folder_makes_the_next_board_go_on(tmp_path):
    first = board(folder=tmp_path)
    first.wait()
    first.close()
    second = board(folder=tmp_path, stopped=True)
    assert second.known["done"] == 16
    second.close()


def test_the_defaults_are_the_bundled_ones():
    shown = mv.JudgeBoard(stopped=True)
    assert shown.methods == ["RandomMap", "EdgeMap", *METHODS] and len(shown.judges) == 8
    assert isinstance(shown.board.judges["Deletion, in-painted"].removal, Inpaint)
    assert "240" in repr(shown)
    shown.close()


def test_closed_it_lets_go():
    shown = board()
    shown.wait()
    model = weakref.ref(shown.board.model)
    shown.close()
    shown.close()
    assert "closed" in repr(shown)
    del shown
    gc.collect()
    assert model() is None
