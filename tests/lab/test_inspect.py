"""mimviz inspect: a store on the command line, and wrong words in one line."""

import pytest

import mimviz as mv
from mimviz.lab.inspect import spoken
from mimviz.lenses import Occlusion
from tests.scale.small import folder


def test_a_folder_becomes_a_store_and_a_second_call_finds_nothing_to_do(mimviz, tmp_path):
    root = folder(tmp_path / "data", count=7)
    words = [
        "inspect",
        root,
        "-o",
        tmp_path / "out",
        "--lenses",
        "Rollout",
        "--judges",
        "Deletion(steps=2)",
        "--batch",
        "4",
    ]
    code, out, _ = mimviz(*words, "--norms", "-1", "0", "--device", "cpu")
    assert code == 0 and "7 of 7 pictures" in out and "row 5, owl/005.png" in out
    store = mv.open_store(tmp_path / "out")
    assert store.columns[-1] == "Deletion(steps=2) of Rollout" and "norm_0_max" in store.columns
    assert mimviz(*words, "--norms", "-1", "0", "--device", "cpu")[0] == 0
    code, _, err = mimviz(*words, "--device", "cpu")
    assert code == 2 and err.startswith("mimviz inspect: error: ") and "another question (norms differ)" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lenses", "Rolout"], "--lenses names 'Rolout'"),
        (["--lenses", "Occlusion(2)"], "a name with parameters"),
        (["--lenses", "Occlusion(widow=2)"], "unexpected keyword"),
        (["--lenses", "__import__('os')"], "--lenses"),
        (["--judges", "Deletion"], "no lens whose maps"),
        (["--model", "nothing-here"], "nothing-here"),
        (["--target", "unicorn", "--lenses", "Gradient"], "unicorn"),
    ],
)
def test_wrong_words_are_one_line(mimviz, tmp_path, words, message):
    root = folder(tmp_path / "data", count=3)
    code, _, err = mimviz("inspect", root, "-o", tmp_path / "out", *words)
    assert code == 2 and message in err and len(err.strip().splitlines()) <= 2, err
    assert mimviz("inspect", tmp_path / "none", "-o", tmp_path / "out")[0] == 2


def test_words_with_parameters():
    assert spoken("Occlusion(window=2)", mv.lenses, "--lenses") == Occlusion(window=2)
