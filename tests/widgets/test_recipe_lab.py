"""The lab without a browser: what is said, built, seen, trained, studied, copied and refused."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
import traitlets as t

import mimviz as mv
from mimviz import recipes
from mimviz.grammar import how, targets
from mimviz.widgets import RecipeLab
from mimviz.widgets.recipe_lab_expression import Call, Name
from mimviz.widgets.recipe_lab_masks import pointed, strategies
from mimviz.widgets.recipe_lab_sentence import Sentence, encoders
from mimviz.widgets.recipe_lab_views import carried, pixels_of
from mimviz.widgets.recipe_lab_words import SLOTS, controls, paper, scores, words


def encoder() -> mv.Encoder:
    torch.manual_seed(0)
    return mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=192, num_heads=3, depth=1)


def small(recipe: str) -> dict:
    return {"recipe": recipe, "encoder": "yours", "options": {}}


WORDS = {"recipe": "compose", "encoder": "yours"}
PLAIN = {"recipe": "mae", "encoder": "yours", "options": {"normalize": False, "dim": 32, "depth": 1}}


@pytest.fixture
def lab(monkeypatch, photo):
    if not RecipeLab._esm:
        monkeypatch.setattr(RecipeLab, "_esm", "export default {}")
    made = []

    def make(recipe=PLAIN, **options):
        options.setdefault("encoder", encoder())
        made.append(RecipeLab(photo, recipe, **options))
        made[-1].wait()
        return made[-1]

    yield make
    for each in made:
        each.close()


def panel(lab: RecipeLab, key: str, place: int = 0) -> dict:
    return next(each for each in lab.panels if (each["key"], each["place"]) == (key, place))


def data(lab: RecipeLab, key: str, place: int = 0) -> np.ndarray:
    said = panel(lab, key, place)
    raw = lab.pixels[said["start"] : said["start"] + said["size"]]
    if said["map"]:
        return np.frombuffer(raw, "<f4").reshape(said["rows"], said["cols"])
    return np.frombuffer(raw, np.uint8).reshape(said["height"], said["width"], 3)


# --- what can be said ---


def test_every_recipe_and_every_word_is_offered(lab):
    one = lab()
    assert [each["name"] for each in one.catalogue["recipes"]] == recipes.__all__
    assert set(targets.__all__) == set(words("target")) and set(how.__all__) >= set(words("how"))
    assert {"Noise", "GridWise"} <= set(scores()) and not set(scores()) & set(words("where"))
    assert "squared" in words("loss") and "Highest" in words("where") and "Superpixels" not in words("where")


def test_controls_come_from_fields_and_defaults():
    made = {each["name"]: each for each in controls(recipes.mae, {"dim": 64})}
    assert made["ratio"] | {"value": 0} == {
        "path": ["ratio"], "name": "ratio", "kind": "number", "value": 0, "min": 0, "max": 1, "step": 0.01, "whole": False,
    }  # fmt: skip
    assert made["dim"]["value"] == 64 and made["normalize"]["kind"] == "toggle"
    inner = controls(words("where")["Highest"], {"score": {"word": "Coloured", "options": {}}})
    assert inner[1]["kind"] == "word" and inner[2]["path"][0] == "score"
    assert controls(targets.Features, {})[1]["choices"] == ["none", "layer", "patch", "l2", "instance"]


def test_a_paper_is_told_from_its_file():
    told = paper("mae")
    assert told.title == "Masked Autoencoders Are Scalable Vision Learners"
    assert told.url == "https://arxiv.org/abs/2111.06377" and "CVPR 2022" in told.source
    assert "visible quarter" in told.idea and "tests/parity/test_mae.py" in told.verified
    assert "tests/parity" not in told.idea
    assert all(paper(name).title and paper(name).source for name in recipes.__all__)


def test_an_expression_is_what_it_says():
    call = Call("mv.Grid", mv.Grid, {"cols": Name("x.real"), "patch": 8}, (3,))
    assert repr(call) == "mv.Grid(3, cols=x.real, patch=8)"
    assert call.value({"x": 4}) == eval(repr(call), {"mv": mv, "x": 4})


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        ("mea", "there is no recipe 'mea'"),
        ({"recipe": "mae", "encoder": "large"}, "there is no encoder"),
        ({"recipe": "mae", "options": {"tempo": 1}}, "no option 'tempo'"),
        ({"recipe": "mae", "options": {"ratio": "much"}}, "ratio of mae is 'much'"),
        ({"recipe": "compose", "words": {"how": {"word": "Dorp"}}}, "there is no how 'Dorp'"),
        (
            {"recipe": "compose", "words": {"where": {"word": "Highest", "options": {"score": "Nose"}}}},
            "score of Highest",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_wish(said, wish):
    with pytest.raises(ValueError, match=wish):
        Sentence.of(said)


# --- what is seen ---


def test_the_panels_are_the_model_s_outcome(lab):
    one = lab()
    outcome = one.outcome
    again = one.model.reconstruct(one._source, one.mask)
    assert torch.equal(outcome.guess, again.guess)
    assert np.array_equal(data(one, "guess"), (again.picture.array * 255).round().astype(np.uint8))
    assert np.array_equal(data(one, "target"), (again.original.array * 255).round().astype(np.uint8))
    losses = data(one, "loss")
    assert np.isnan(losses).reshape(-1).tolist() == (~again.mask.hidden[0]).tolist()
    assert np.nanmean(losses) == pytest.approx(float(again.loss), rel=1e-5)
    assert np.array_equal(
        data(one, "score").ravel() >= np.sort(data(one, "score").ravel())[-12], one.mask.array.ravel()
    )
    assert one.report["sides"][0]["loss"] == pytest.approx(float(again.loss))


def test_what_the_encoder_sees_are_the_visible_pixels(lab):
    one = lab()
    said, truth = panel(one, "seen"), (one.outcome.original.array * 255).round()
    blank = one.pixels[said["start"] + said["size"] :][: said["blank"]]
    assert list(blank) == one.mask.array.astype(int).ravel().tolist()
    visible = ~one.mask.array.repeat(8, 0).repeat(8, 1)
    assert np.abs(data(one, "seen")[visible].astype(float) - truth[visible]).max() <= 2


def test_rows_go_back_to_pixels_only_where_they_can():
    student, images = encoder(), torch.randn(1, 3, 32, 32)
    pixels = pixels_of(student, images)
    torch.testing.assert_close(pixels(student.embed(images)), student.grid.patchify(images), atol=2e-3, rtol=0)
    student.vit.patch_embed.proj = torch.nn.Sequential(student.vit.patch_embed.proj, torch.nn.Tanh())
    assert pixels_of(student, images) is None


def test_targets_that_are_no_pixels_are_drawn(lab):
    said = {
        "target": {"word": "Features", "options": {}},
        "decoder": {"word": "Transformer", "options": {"dim": 32, "depth": 1}},
    }
    one = lab(WORDS | {"words": said})
    assert one.outcome.view is None
    assert panel(one, "target")["rows"] == 4 and data(one, "target").std() > 0
    assert one.said[0]["words"]["teacher"] == {"word": "EMA", "options": {}}
    assert "teacher = EMA(encoder)" in one.sentence


def test_indices_of_colours_are_a_target_that_can_be_said(lab):
    decoder = {"word": "Transformer", "options": {"dim": 32, "depth": 1}}
    one = lab(WORDS | {"words": {"target": {"word": "NDI", "options": {}}, "decoder": decoder}})
    assert "targets.NDI(" in one.sentence and "mean=encoder.mean" in one.sentence
    drawn = one.model.target.draw(one.model.target(one.model.prepare(one._source)))
    assert np.array_equal(data(one, "target"), (drawn[0].numpy() * 255).round().astype(np.uint8))


def test_normalized_patches_offer_two_ways_and_say_which_leaks(lab):
    one = lab(PLAIN | {"options": {"normalize": True, "dim": 32, "depth": 1}})
    assert one.normalized and not one.report["sides"][0]["leaks"]
    honest = data(one, "guess")
    one.statistics = "true"
    one.wait()
    assert one.report["sides"][0]["leaks"] and not np.array_equal(data(one, "guess"), honest)


def test_two_sentences_share_picture_and_mask(lab):
    one = lab([PLAIN, small("simmim")])
    first, second = one.outcomes
    assert torch.equal(first.mask.hidden, second.mask.hidden) and first.loss != second.loss
    assert [each["place"] for each in one.panels if each["key"] == "loss"] == [0, 1]
    one.compare(None)
    one.wait()
    assert len(one.outcomes) == 1 and {each["place"] for each in one.panels} <= {0, -1}


def test_a_mask_is_carried_to_another_grid():
    fine = mv.Mask.from_array(np.kron([[1, 0], [0, 1]], np.ones((4, 4), int)))
    assert carried(fine, mv.Grid(2, 2, 8)).array.tolist() == [[True, False], [False, True]]
    assert np.array_equal(carried(carried(fine, mv.Grid(2, 2, 8)), mv.Grid(8, 8, 2)).array, fine.array)


# --- the sentence as Python ---


@pytest.mark.parametrize("recipe", recipes.__all__)
def test_every_recipe_is_seen_and_its_python_makes_the_same_outcome(lab, recipe):
    one = lab({"recipe": recipe, "encoder": "tiny"}, encoder="tiny", ratio=0.6)
    facts = one.report["sides"][0]
    assert facts["problem"] == {} and {"target", "seen", "guess", "loss"} <= {each["key"] for each in one.panels}
    names: dict = {}
    exec(
        one.sentence.replace('mv.image("cat")  # the lab shows a picture of yours', "photo"),
        names | {"photo": one._source},
        names,
    )
    assert torch.equal(names["outcome"].guess, one.outcome.guess)


def test_words_as_python_make_the_same_outcome(lab):
    said = {
        "where": {"word": "Highest", "options": {"ratio": 0.4, "score": {"word": "GridWise", "options": {}}}},
        "how": {"word": "MaskToken"}, "decoder": {"word": "Linear"}, "loss": {"word": "SmoothL1", "options": {"beta": 0.5}},
    }  # fmt: skip
    one = lab(WORDS | {"words": said})
    assert "where=where.Highest(ratio=0.4, score=where.GridWise())" in one.sentence and "beta=0.5" in one.sentence
    names: dict = {"encoder": encoder()}
    code = one.sentence.replace('mv.image("cat")  # the lab shows a picture of yours', "photo")
    exec(code, names | {"photo": one._source}, names)
    assert torch.equal(names["outcome"].guess, one.outcome.guess)


def test_the_first_picture_is_meant(lab):
    """With the bundled encoder the decoder fits, too, and mae is the bundled model itself."""
    one = lab("mae", encoder="tiny")
    tiny = mv.load_mim("tiny").reconstruct(one._source, one.mask)
    assert torch.equal(one.outcome.guess, tiny.guess)
    assert one.report["sides"][0]["weights"] == "encoder: tiny's weights · decoder: tiny's weights"
    one.recipe = "simmim"
    one.wait()
    assert one.report["sides"][0]["weights"] == "encoder: tiny's weights · decoder: untrained"


# --- what does not go together ---


def test_words_that_do_not_go_together_say_why_and_what_would(lab):
    one = lab(WORDS)
    before = one.outcome
    one.recipe = WORDS | {"words": {"how": {"word": "MaskToken"}}}
    one.wait()
    told = one.report["sides"][0]["problem"]
    assert "hands on 16 patches" in told["text"] and one.outcome is None and before is not None
    mends = one.forms[0]["hint"].split(", ")
    assert "how Drop" in mends and "decoder Linear" in mends and "decoder Transformer" not in mends
    one.recipe = WORDS
    one.wait()
    slots = {
        each["slot"]: {choice["name"]: choice["refused"] for choice in each["choices"]}
        for each in one.forms[0]["slots"]
    }
    assert slots["how"]["Drop"] == "" and "Drop()" in slots["how"]["MaskToken"]
    assert "codes or probabilities" in slots["loss"]["cross_entropy"]


def test_an_encoder_that_a_recipe_refuses_is_replaced_and_named(lab):
    one = lab({"recipe": "spark", "encoder": "tiny"}, encoder="tiny")
    facts = one.report["sides"][0]
    assert facts["encoder"] == "small ResNet" and "does not take the encoder 'tiny'" in facts["note"]
    assert (one.rows, one.cols) == one.model.grid.shape and "resnet18" in one.sentence
    one.recipe = "mae"
    one.wait()
    assert (one.rows, one.cols) == (16, 16) and sum(one.hidden) == one.mask.count > 0


def test_an_option_that_is_wrong_is_not_blamed_on_the_encoder(lab):
    one = lab(PLAIN | {"options": {"normalize": False, "dim": 32, "depth": 1}})
    one.recipe = {"recipe": "mae", "encoder": "yours", "options": {"dim": 34}}
    one.wait()
    assert "dim 34" in one.report["sides"][0]["problem"]["text"]
    assert one.problem == {}


def test_a_mistake_in_the_first_sentence_is_raised_in_its_cell(lab):
    for wrong, error in (("mea", ValueError), (["mae"] * 3, ValueError)):
        with pytest.raises(error):
            lab(wrong)
    with pytest.raises(TypeError, match="an Encoder is wanted"):
        lab("mae", encoder=3)
    with pytest.raises(ValueError, match="strategy is 'rnd'"):
        lab(strategy="rnd")
    with pytest.raises(TypeError, match="Did you mean 'title'"):
        lab(titel="x")


def test_a_browser_that_says_nonsense_gets_the_last_sentence_back(lab, browser):
    one = lab()
    before = one.said
    browser(one, said=[{"recipe": "mae", "encoder": "yours", "options": {"ratio": "much"}}])
    assert one.said == before and "ratio of mae is 'much'" in one.problem["text"]
    with pytest.raises(t.TraitError, match="cannot be said"):
        one.said = [{"recipe": "nothing"}]


# --- masks ---


def test_painting_is_obeyed_coarse_then_exact(lab, browser):
    one = lab()
    exact = one.outcome
    hidden = bytes([1] * 3 + [0] * 13)
    browser(one, stroke=1, dragging=True, hidden=hidden)
    one.wait()
    assert one.report["exact"] is False and one.report["stroke"] == 1 and one.outcome is exact
    assert {each["key"] for each in one.panels} == {"seen", "guess", "loss"}
    browser(one, dragging=False)
    one.wait()
    assert one.report["exact"] is True and one.outcome.mask.count == 3


def test_nothing_hidden_is_a_blank_page_and_no_error(lab):
    one = lab()
    one.mask = np.zeros((4, 4), bool)
    one.wait()
    assert one.problem["kind"] == "blank"
    one.mask = np.eye(4, dtype=bool)
    one.wait()
    assert one.problem == {} and one.outcome.mask.count == 4


@pytest.mark.parametrize("strategy", [each for each in strategies() if not each.startswith("lens: ")])
def test_masks_are_drawn_by_every_strategy(lab, strategy):
    one = lab(strategy=strategy, ratio=0.5)
    assert one.problem == {} and 0 < one.mask.count < 16
    one.seed, one.draw = 3, one.draw + 1
    one.wait()
    assert one.problem == {} and 0 < one.mask.count < 16


def test_a_lens_draws_what_it_points_at(lab):
    one = lab(strategy="lens: Attention", ratio=0.5)
    heat = pointed("Attention", one._picture, one._grid, {}, lambda: False)
    assert heat is not None
    assert np.allclose(data(one, "ranked", -1), heat.values[0].numpy())
    order = heat.values.flatten().argsort(descending=True)[:8]
    assert set(order.tolist()) == set(np.flatnonzero(one.mask.array).tolist())


def test_the_mask_is_read(lab):
    one = lab()
    one.mask = np.indices((4, 4)).sum(0) % 2 == 1
    one.wait()
    assert one.report["reading"].endswith("periods per patch") and "AvgDist" in one.report["reading"]


# --- training ---


def test_training_moves_the_model_and_the_curve(lab):
    torch.manual_seed(1)
    batches = [torch.rand(4, 3, 32, 32)]
    one = lab([PLAIN, small("simmim")], batches=batches)
    before = [each.detach().clone() for each in one.model.parameters()]
    one.train(6, lr=3e-3)
    one.wait()
    assert not one.training and [len(each) for each in one.losses] == [6, 6]
    assert one.curves["losses"] == one.losses and one.losses[0][-1] < one.losses[0][0]
    assert any(not torch.equal(a, b) for a, b in zip(before, one.model.parameters(), strict=True))
    assert "trained here for 6 steps" in one.report["sides"][0]["weights"]
    assert torch.equal(one.outcome.guess, one.model.reconstruct(one._source, one.mask).guess)


def test_a_training_rests_gives_way_to_the_hand_and_goes_on(lab, browser):
    seen = []

    class Slow:
        def __iter__(self):
            while True:
                seen.append(1)
                if len(seen) == 3:
                    browser(one, stroke=1, dragging=False, hidden=bytes([1] * 5 + [0] * 11))
                if len(seen) == 5:
                    one.pause()
                yield torch.rand(2, 3, 32, 32)

    one = lab(batches=Slow())
    one.train(8)
    one.wait()
    assert one.outcome.mask.count == 5 and len(one.losses[0]) == 5 and not one.training
    one.train()
    one.wait()
    assert len(one.losses[0]) == 8


def test_stop_keeps_the_weights_and_fresh_brings_the_first_back(lab):
    one = lab(batches=[torch.rand(2, 3, 32, 32)])
    first = one.outcome.guess
    one.train(3)
    one.wait()
    one.stop()
    one.wait()
    assert not torch.equal(one.outcome.guess, first) and len(one.losses[0]) == 3
    one.fresh()
    one.wait()
    assert one.losses == [[]]
    assert torch.equal(one.outcome.guess, first)


def test_the_bundled_crops_are_trained_on_where_nothing_is_given(lab):
    one = lab("mae", encoder="small ViT")
    one.train(1)
    one.wait()
    assert len(one.losses[0]) == 1 and one.trained_on == "on random crops of the bundled pictures"


def test_a_training_that_fails_says_so_and_ends(lab):
    one = lab(batches=[torch.full((2, 3, 32, 32), float("nan"))])
    one.train(3)
    one.wait()
    assert not one.training and "loss is nan" in one.problem["text"]


# --- closer looks ---


def test_studies_answer(lab):
    one = lab(ratio=0.5)
    for each in one.catalogue["studies"]:
        one.query = int(one.mask.hidden_ids[0, 2])
        one.study = each["name"]
        one.wait()
        assert one.studied["problem"] == {} and one.studied["panels"] and one.studied["words"], each
        assert (each["name"] in ("worst mask", "best mask")) == bool(one.studied["mask"])


def test_influence_asks_for_a_hidden_patch(lab):
    one = lab(ratio=0.5)
    one.query, one.study = int(one.mask.keep_ids[0, 0]), "which patch paints this one"
    one.wait()
    assert "click a hidden patch" in one.studied["words"] and not one.studied["panels"]


def test_a_study_is_remembered_and_not_across_a_training(lab):
    one = lab(batches=[torch.rand(2, 3, 32, 32)])
    one.study = "ratio sweep"
    one.wait()
    kept = one._bench.memo["study", "ratio sweep"]
    one.mask = np.rot90(one.mask.array).copy()
    one.wait()
    assert one._bench.memo["study", "ratio sweep"] is kept
    one.train(1)
    one.wait()
    assert one._bench.memo["study", "ratio sweep"] is not kept


# --- its end ---


def test_closed_labs_leave_nothing_behind(lab):
    kept = []
    for _ in range(8):
        one = RecipeLab(
            np.zeros((32, 32, 3)), PLAIN, encoder=(student := encoder()), batches=[torch.rand(2, 3, 32, 32)]
        )
        one.train(1)
        one.wait()
        kept += [weakref.ref(one), weakref.ref(one.model), weakref.ref(student)]
        one.close()
        del one, student
    gc.collect()
    assert sum(ref() is not None for ref in kept) == 0


def test_every_encoder_of_the_menu_can_be_built():
    for name, call in encoders().items():
        made = call.value({})
        with torch.no_grad():
            rows = made.embed(torch.rand(1, 3, made.grid.height, made.grid.width))
        assert rows.shape[1] == made.grid.count, name


def test_slots_begin_as_the_bundled_model():
    sentence = Sentence.of({"recipe": "compose"})
    assert set(sentence.words) == set(SLOTS)
    model, trained = sentence.build()
    assert trained == ["tiny"] and model.reconstruct("cat").loss == pytest.approx(
        mv.load_mim("tiny").reconstruct("cat").loss
    )
