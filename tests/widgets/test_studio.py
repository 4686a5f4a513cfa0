"""One picture, one model, one hover over all parts."""

import gc
import weakref

import pytest
from train.small import batches
from train.small import model as small_mim

import mimviz as mv
from mimviz.vit.planted import planted_vit
from mimviz.widgets import Link

GRID = mv.Grid(4, 4, 8)


@pytest.fixture
def studio():
    made = mv.Studio("cat", planted_vit(GRID), show=["paint", "attention"])
    yield made
    made.close()


def test_parts_share_picture_and_hover(studio):
    assert set(studio.parts) == {"paint", "attention"}, "a part is made when it is opened"
    studio.show("saliency")
    assert type(studio["saliency"]).__name__ == "SaliencyComparer" and studio["registers"] is studio.parts["registers"]
    groups = {part.linked for part in studio.parts.values()}
    assert len(groups) == 1 and groups != {""}
    assert repr(studio) == "Studio(paint, attention, saliency)"


def test_another_picture_reaches_every_part(studio):
    before = dict(studio.parts)
    seen = studio.parts["attention"].original
    studio.load("coffee")
    assert studio["paint"] is before["paint"], "the painter keeps its mask"
    assert studio["attention"].original != seen and studio["attention"].linked == before["paint"].linked
    assert before["attention"].comm is None, "the part of the old picture is closed"
    with pytest.raises(FileNotFoundError):
        studio.load("no such picture")
    assert studio.picture == studio["paint"].source


def test_a_picture_dropped_on_the_painter_is_taken_over(studio, tmp_path):
    mv.image("rocket").save(tmp_path / "a.png")
    seen = studio["attention"].original
    studio["paint"].upload = (tmp_path / "a.png").read_bytes()
    assert studio["attention"].original != seen
    assert studio.picture is studio["paint"].source


def test_a_part_that_cannot_be_says_why():
    studio = mv.Studio(
        "cat", mv.load_vit("vit_tiny_patch16_224", pretrained=False, num_classes=0, depth=1), show="saliency"
    )
    (note,) = studio._places["saliency"].children
    assert "has no classes" in note.value and "saliency" not in studio.parts
    studio.show("paint")
    assert "paint" in studio.parts, "the others are as they were"
    studio.close()


def test_a_training_beside_it():
    run = mv.Run(small_mim(), batches(), steps=2)
    with pytest.raises(ValueError, match="give run= for the training"):
        mv.Studio(show=["training"])
    studio = mv.Studio("cat", planted_vit(GRID), run=run, show=["training"])
    assert type(studio["training"]).__name__ == "TrainingMonitor"
    studio.close()
    run.stop()


@pytest.mark.parametrize(("wrong", "error"), [({"show": ["paint", "sound"]}, ValueError), ({"run": 3}, TypeError)])
def test_wrong_arguments_are_named(wrong, error):
    with pytest.raises(error, match=r"sound|int"):
        mv.Studio("cat", planted_vit(GRID), **wrong)


def test_close_lets_go_of_everything():
    model = planted_vit(GRID)
    studio = mv.Studio("cat", model, show=["attention", "registers"])
    for part in studio.parts.values():
        part.wait()
    gone = weakref.ref(model)
    studio.close()
    del model, studio, part
    gc.collect()
    assert gone() is None


def test_link_joins_and_parts():
    model = planted_vit(GRID)
    one, two, three = (mv.AttentionExplorer(model, "cat") for _ in range(3))
    both = mv.link(one, two)
    assert isinstance(both, Link) and one.linked == two.linked != "" and three.linked == ""
    mv.link(two, three)
    both.unlink()
    assert one.linked == "" and two.linked == three.linked != "", "who has changed over stays there"
    with pytest.raises(ValueError, match="at least two"):
        mv.link(one)
    with pytest.raises(TypeError, match="got str"):
        mv.link(one, "two")
    for each in (one, two, three):
        each.close()
