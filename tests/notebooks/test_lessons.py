"""The lessons run from top to bottom in the kernel that `mimviz lab` uses, and are stored without outputs."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mimviz.lab.lab import environment
from mimviz.lab.lessons import lessons_source

LESSONS = sorted(lessons_source().glob("*.ipynb"))
# What is made smaller to run faster here: lesson -> cell id -> text -> text. A text that is not found fails.
SMALLER = {
    "01_paint_a_mask.ipynb": {
        "ratios": {"range(5)": "range(2)"},
        "contrast": {"range(20)": "range(6)"},
        "exercise": {"range(20)": "range(8)"},
    }
}
# Cells that must draw exactly so many pictures.
DRAWS = {
    "01_paint_a_mask.ipynb": {"picture": 1, "outcome": 1, "ratios": 1, "error": 1, "contrast": 1, "leak": 1},
    "02_build_mae_from_words.ipynb": {"where": 1, "sentence": 1, "train": 1},
    "03_where_to_mask.ipynb": {"score": 1, "search": 1, "influence": 1, "sweep": 1},
    "04_what_to_predict.ipynb": {"draw": 1, "sees": 1},
    "05_reconstruct_or_perceive.ipynb": {"alignment": 1},
    "06_attention.ipynb": {"distance": 1, "show_head": 1, "importance": 1},
    "07_registers.ipynb": {},
    "08_saliency.ipynb": {"lens": 1},
    "11_conv_nets.ipynb": {"maps": 1, "layers": 1},
    "10_fine_tune_on_your_photos.ipynb": {"survey": 1},
    "12_your_own_method.ipynb": {"lens": 1},
    "13_probe_or_tune.ipynb": {"pictures": 1},
    "14_a_long_tail.ipynb": {},
    "15_what_changed_inside.ipynb": {"reach": 1},
    "09_can_you_trust_it.ipynb": {},
    "16_two_views.ipynb": {"pair": 1, "train": 1, "look": 1},
}
# What cells must say.
SAYS = {
    "01_paint_a_mask.ipynb": {
        "write": "patches hidden, ",
        "ratios": "10% hidden: the model is",
        "leak": "a model that says nothing gains",
        "exercise": "not yet: random halves are better",
        "answer": "solved!",
    },
    "02_build_mae_from_words.ipynb": {
        "where": "is above every visible one: True",
        "how": "how.Drop hands on 64 of 256 rows",
        "sentence": "largest difference of the two guesses: 0e+00",
        "leak": "the same guess, bit for bit: True",
        "script": "what is copied is what is shown: True",
        "refuse": "leave hidden patches out",
        "train": "it learns",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "03_where_to_mask.ipynb": {
        "strategies": "rank correlation of AvgDist and loss: +0.",
        "lens": "least attended half",
        "search": "the worst of 161 random masks",
        "influence": "a patch next door matters",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "04_what_to_predict.ipynb": {
        "sees": "HOG reads where edges point: True · and no colour: True",
        "contrast": "blind to contrast: normalized patches, HOG",
        "collapse": "Collapsed: True",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "05_reconstruct_or_perceive.ipynb": {
        "data": "520 crops of 16 x 16 pixels, 768 directions",
        "probes": "of the variance, beats the top with 56%: True",
        "denoisers": "Gaussian noise leaves the directions as they were: True · masking does not: True",
        "sgd": "within one degree: True",
        "alignment": "with 20 numbers small patches align +3.",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "06_attention.ipynb": {
        "by_hand": "largest difference to mimviz: 0e+00",
        "silent": "saw 0 maps in a whole pass",
        "certificates": "layer 4: exact",
        "fake": "found out",
        "heads_out": "the same as before: True",
        "decoder": "encoder: 192 rows do not exist, 192 patches are hidden",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "07_registers.ipynb": {
        "model": "layer 4: no outliers",
        "planted": "layer 2: 6 of 256 patches have a norm",
        "found": "exactly the flat patches: True",
        "neurons": "layer 2, neuron 40",
        "registers": "no outliers",
        "repair": "from 6.1 to",
        "exercise": "not yet",
        "answer": "2: solved!",
    },
    "08_saliency.ipynb": {
        "lens": "Values from",
        "complete": "integrated gradients, 100 steps",
        "sensitivity": "Rollout          +1.00",
        "hide": "random quarter",
        "exercise": "not yet: the numbers differ",
        "answer": "solved!",
    },
    "11_conv_nets.ipynb": {
        "shares": "cells of 16 pixels: ordinary 100.0% alive, sparse  18.4%",
        "layers": "sparse: 18.4% to 18.4% of all cells in every layer",
        "statistics": "sparse is nearer to the whole picture at 3 of 4 scales",
        "exact": "other pixels under the mask, the same bits: True",
        "spark": "after 40 steps",
        "use": "hooks left: 0",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "09_can_you_trust_it.ipynb": {
        "by_hand": "the same: True",
        "guided": "GuidedBackprop  map of class 2 against map of class 7: rank correlation +0.8",
        "operators": "a random quarter replaced by grey squares           :  80%",
        "predictable": "in-painting sees 2% of what the patch is worth",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "16_two_views.ipynb": {
        "crops": "6 x 6 patches of 4 pixels",
        "measure": "the second view makes the error",
        "where": "the true disparity: 2.4 in the median",
        "exercise": "not yet: it has to be 15 % better",
        "answer": "solved!",
    },
    "10_fine_tune_on_your_photos.ipynb": {
        "survey": "1 groups of these stand under different labels",
        "split": "0 of the 40 held back are among the others",
        "before": "guessing: 20%",
        "wait": "finished after 40 steps",
        "export": "timm's own model differs by 0e+00",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "12_your_own_method.ipynb": {
        "twin": "they agree: True",
        "planted": "TokenTimesGradient   found the red patch in 16 of 16",
        "judge": "Rollout              +1.00",
        "recipe": "it learns",
        "leak": "bit for bit: True",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "13_probe_or_tune.ipynb": {
        "probes": "linear probe",
        "random": "features of random weights",
        "old": "old answers unchanged: True",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "14_a_long_tail.ipynb": {
        "weights": "beta    0.0:  1.00 1.00 1.00",
        "experts": "three rarest",
        "exercise": "not yet",
        "answer": "solved!",
    },
    "15_what_changed_inside.ipynb": {
        "weights": "block 4: ",
        "features": "with itself, turned and stretched: 1.000",
        "forgotten": "after tuning",
        "exercise": "not yet",
        "answer": "solved!",
    },
}


def load(path: Path):
    return nbformat.read(path, as_version=4)


def shrunk(path: Path):
    lesson = load(path)
    cells = {cell.id: cell for cell in lesson.cells}
    for cell_id, changes in SMALLER.get(path.name, {}).items():
        for old, new in changes.items():
            assert old in cells[cell_id].source, f"{old!r} is no longer in cell {cell_id!r} of {path.name}"
            cells[cell_id].source = cells[cell_id].source.replace(old, new)
    return lesson


@pytest.fixture(scope="module", params=LESSONS, ids=lambda path: path.stem)
def run(request, tmp_path_factory):
    """(name, executed cells by id)"""
    private = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", environment(private, "")["JUPYTER_PATH"])
        patch.delenv("MPLBACKEND", raising=False)  # a notebook draws inline
        lesson = shrunk(request.param)
        where = {"metadata": {"path": str(tmp_path_factory.mktemp("cwd"))}}
        NotebookClient(lesson, timeout=200, kernel_name="python3", resources=where).execute()
    return request.param.name, {cell.id: cell for cell in lesson.cells if cell.cell_type == "code"}


def said(cell) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def test_it_runs_without_a_warning(run):
    _, cells = run
    for cell in cells.values():
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], cell.outputs


def test_it_draws_its_pictures_once(run):
    name, cells = run
    for cell_id, count in DRAWS[name].items():
        pictures = [output for output in cells[cell_id].outputs if "image/png" in output.get("data", {})]
        assert len(pictures) == count, f"cell {cell_id!r} draws {len(pictures)} pictures"


def test_it_says_what_it_should(run):
    name, cells = run
    for cell_id, text in SAYS[name].items():
        assert text in said(cells[cell_id])


def test_the_painter_is_a_widget(run):
    _, cells = run
    kinds = [kind for cell in cells.values() for output in cell.outputs for kind in output.get("data", {})]
    assert "application/vnd.jupyter.widget-view+json" in kinds


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_it_is_stored_clean(path):
    """Valid, with ids, the plain kernel, and nothing that a run has left."""
    lesson = load(path)
    nbformat.validate(lesson)
    assert lesson.nbformat_minor >= 5
    assert lesson.metadata.kernelspec.name == "python3"
    assert set(lesson.metadata) <= {"kernelspec", "language_info"}
    code = [cell for cell in lesson.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert json.loads(path.read_text("utf-8"))["cells"][0]["cell_type"] == "markdown"
