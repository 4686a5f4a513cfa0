"""What goes on inside a sentence, in the lab: agreement, losses, codes, mixed layers, jigsaw, collapse, where the decoder looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Outcome
from mimviz.grammar.collapse import Collapse
from mimviz.widgets import RecipeLab
from mimviz.widgets.recipe_lab_inside import Sample, health, inside, receives, told_of
from mimviz.widgets.recipe_lab_looks import decoder_looks

MASK = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1]], bool)


def encoder() -> mv.Encoder:
    torch.manual_seed(0)
    return mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, num_heads=3, depth=2)


def made(model, photo):
    """{key: panel} and the outcome they are of."""
    model.eval()
    outcome = model.reconstruct(photo, MASK)
    with torch.no_grad():
        found = inside(model, model.prepare(photo), outcome, Sample.of(model, photo))
        return {each.key: each for each in found}, outcome


def numbers(panel):
    return np.frombuffer(panel.data, "<f4").reshape(panel.rows, panel.cols)


def test_agreement_is_the_cosine_of_student_and_teacher_at_each_patch(photo):
    panels, outcome = made(mv.recipes.data2vec(encoder()), photo)
    assert panels["agreement"].signed
    by_hand = F.cosine_similarity(outcome.guess[0], outcome.truth[0], dim=-1).reshape(4, 4)
    np.testing.assert_allclose(numbers(panels["agreement"]), by_hand, atol=1e-6)
    assert f"{float(by_hand[torch.tensor(MASK)].mean()):+.3f}" in panels["agreement"].say
    assert "agreement" not in made(mv.recipes.mae(encoder(), dim=32, depth=1), photo)[0]  # pixels have no teacher


def test_one_loss_for_all_needs_no_picture_of_its_own(photo):
    model = mv.recipes.mae(encoder(), dim=32, depth=1)
    panels, outcome = made(model, photo)
    found = receives(model, outcome)
    assert "receives" not in panels and list(found) == ["squared"]
    assert np.array_equal(found["squared"].reshape(4, 4), MASK)


def test_a_model_that_gives_patches_different_losses_says_so_itself(photo):
    model = mv.recipes.mae(encoder(), dim=32, depth=1)
    hidden = torch.tensor(MASK).flatten()[None]
    everywhere = torch.ones_like(hidden)
    model.receives = lambda outcome: {"pixels": hidden, "features": everywhere}
    panels, outcome = made(model, photo)
    assert set(receives(model, outcome)) == {"pixels", "features"}
    said = panels["receives"]
    names = np.array(said.names)[numbers(said).astype(int)]
    assert set(names[MASK]) == {"pixels + features"} and set(names[~MASK]) == {"features"}


def test_codes_their_guesses_and_their_use(photo):
    model = mv.recipes.mage(encoder(), count=16, dim=32, depth=1)
    panels, outcome = made(model, photo)
    assert np.array_equal(numbers(panels["codes"]).ravel(), outcome.truth[0, :, 0])
    guessed = outcome.guess[0].argmax(-1)
    assert np.array_equal(numbers(panels["guessed"]).ravel(), guessed)
    right = int((guessed == outcome.truth[0, :, 0])[torch.tensor(MASK).flatten()].sum())
    assert panels["guessed"].say == f"{right} of {MASK.sum()} as in the target"
    shares = numbers(panels["usage"])
    assert shares.shape == (2, 16) and shares.sum(1) == pytest.approx([1, 1], abs=1e-5)
    assert (np.diff(shares[0]) <= 0).all()
    used = float(np.exp(-(shares[0][shares[0] > 0] * np.log(shares[0][shares[0] > 0])).sum()))
    assert f"in effect {used:.1f} of 16" in panels["usage"].say


def test_prototypes_have_numbers_and_agreement(photo):
    model = mv.recipes.tips(encoder(), prototypes=300, crops=1)
    panels, outcome = made(model, photo)
    assert np.array_equal(numbers(panels["codes"]).ravel(), outcome.truth[0].argmax(-1))
    assert numbers(panels["usage"]).shape == (2, 256) and panels["usage"].names == ("300",)
    by_hand = F.cosine_similarity(outcome.guess[0].softmax(-1), outcome.truth[0], dim=-1)
    np.testing.assert_allclose(numbers(panels["agreement"]).ravel(), by_hand, atol=1e-6)


def test_layers_that_are_mixed_are_a_matrix_with_its_layers_named(photo):
    model = mv.recipes.mff(encoder(), dim=32, depth=1)
    panels, _ = made(model, photo)
    assert panels["shares"].figure == "matrix" and panels["shares"].names == tuple(
        str(each + 1) for each in model.layers
    )
    np.testing.assert_allclose(numbers(panels["shares"])[0], model.shares, rtol=1e-6)


class Puzzle(mv.MaskedModel):
    """Puts patch 3 where 5 belongs and the other way round; all else in its place, patch 0 was not seen."""

    def seats(self, images, mask):
        seats = torch.arange(16)
        seats[[3, 5]] = torch.tensor([5, 3])
        seats[0] = -1
        return seats[None]


def test_the_jigsaw_moves_asked_patches_from_a_heap_to_the_model_s_places(photo):
    plain = mv.recipes.mae(encoder(), dim=32, depth=1)
    panels, _ = made(Puzzle(plain.encoder, **plain.words), photo)
    moves = np.array(panels["jigsaw"].moves)
    asked = [i for i in np.flatnonzero(MASK) if i]
    assert moves[:, 0].tolist() == asked and sorted(moves[:, 1]) == asked
    assert dict(moves[:, [0, 2]].tolist())[5] == 3 and panels["jigsaw"].blank[0] == 1
    right = sum(patch == put for patch, _, put in moves.tolist())
    assert panels["jigsaw"].say.startswith(f"{right} of {len(asked)} on their place")
    assert not {"codes", "usage"} & set(panels)


def test_positions_and_tiles_are_jigsaws_of_the_models_own_seats(photo):
    model = mv.recipes.droppos(encoder()).eval()
    panels, outcome = made(model, photo)
    seats = model.seats(model.prepare(photo), outcome.mask)[0]
    asked = (outcome.mask.predict[0] & (seats >= 0)).nonzero()[:, 0].tolist()
    moves = np.array(panels["jigsaw"].moves).reshape(-1, 3)
    assert moves[:, 0].tolist() == asked and moves[:, 2].tolist() == seats[asked].tolist()
    assert set(np.flatnonzero(np.frombuffer(panels["jigsaw"].blank, np.uint8))) == set(
        (seats < 0).nonzero()[:, 0].tolist()
    )
    tiles = mv.recipes.selfie(encoder(), dim=16)
    panels, outcome = made(tiles, photo)
    moves = np.array(panels["jigsaw"].moves)
    hidden = outcome.mask.hidden_ids[0].tolist()
    assert sorted(moves[:, 0]) == sorted(moves[:, 2]) == hidden  # every hole gets one tile
    chances = tiles.matches(tiles.prepare(photo), outcome.mask)[0].log()
    given = sum(float(chances[hidden.index(hole), hidden.index(patch)]) for patch, _, hole in moves.tolist())
    assert given >= float(chances.diag().sum()) - 1e-4  # no worse than the true assignment, since it is the best of all


def test_words_of_their_own_are_read(photo):
    """CrossMAE's mixing and attention, CAE's agreement, LocalMIM's scales, MR-MAE's two losses, DTM's groups, MaskAlign's score."""
    panels, _ = made(cross := mv.recipes.crossmae(encoder(), dim=32, depth=2), photo)
    np.testing.assert_allclose(numbers(panels["shares"]), cross.decoder.mixing.detach(), rtol=1e-6)
    assert panels["shares"].names == ("input", "1", "2")
    asked, (looks, words) = look(cross, photo)
    rows = cross.attention(cross.prepare(photo), mask := mv.Mask.from_array(MASK))[1][0].mean(0).detach()
    shown = numbers(looks[1]).ravel()
    np.testing.assert_allclose(shown[mask.keep_ids[0]], rows[mask.hidden_ids[0].tolist().index(asked)], atol=1e-6)
    assert "cross-attention" in words and np.isnan(shown[mask.hidden_ids[0]]).all()
    panels, outcome = made(local := mv.recipes.localmim(encoder(), dim=32, heads=4), photo)
    scale = numbers(panels["scale 2"])
    np.testing.assert_allclose(scale[MASK], local.losses(outcome)[0, :, 1].reshape(4, 4)[torch.tensor(MASK)], rtol=1e-5)
    assert np.isnan(scale[~MASK]).all() and "agreement" not in panels
    panels, outcome = made(mimic := mv.recipes.mrmae(encoder(), dim=32, depth=1), photo)
    by_hand = mimic.agreement(mimic.prepare(photo), outcome.mask)[0].reshape(4, 4)
    np.testing.assert_allclose(numbers(panels["agreement"]), by_hand, atol=1e-6)
    assert panels["receives"].names == ("none", "pixels", "mimic")
    panels, outcome = made(mv.recipes.dtm(encoder()), photo)
    assert len(np.unique(numbers(panels["groups"]))) == int(panels["groups"].say.split()[0])


def test_frequencies_of_those_that_compare_or_cut_them(photo):
    panels, outcome = made(mv.recipes.a2mim(encoder()), photo)
    whole = np.abs(np.fft.fftshift(np.fft.fft2(outcome.view.images[0].numpy(), norm="ortho"), axes=(1, 2))).mean(0)
    np.testing.assert_allclose(numbers(panels["spectrum"]), np.log10(np.maximum(whole, 1e-3)), atol=1e-4)
    assert not np.array_equal(numbers(panels["guessed spectrum"]), numbers(panels["spectrum"]))
    cut, _ = made(mv.recipes.pixmim(encoder(), dim=32, depth=1), photo)
    corner, middle = numbers(cut["spectrum"])[0, 0], numbers(cut["spectrum"])[16, 16]
    assert corner == pytest.approx(-3) and middle > -1  # what is fine is no longer there
    assert "spectrum" not in made(mv.recipes.mae(encoder(), dim=32, depth=1), photo)[0]


def test_the_meter_is_silent_on_a_trained_model_and_red_on_a_collapsed_one():
    lab = RecipeLab("cat", "ijepa")
    lab.wait()
    facts = lab.report["sides"][0]["collapse"]
    assert facts["why"] == [] and facts["rank"] > 30 and facts["most"] == 192
    lab.close()
    broken = encoder()
    with torch.no_grad():
        broken.vit.norm.weight.mul_(1e-3)  # features are the norm's bias and hardly anything else
        broken.vit.norm.bias.fill_(1.0)
    lab = RecipeLab("cat", {"recipe": "mae", "options": {"dim": 32, "depth": 1}}, encoder=broken)
    lab.wait()
    assert any("nearly one feature" in why for why in lab.report["sides"][0]["collapse"]["why"])
    lab.close()


def test_the_meter_is_measured_again_after_training_and_not_at_every_stroke(photo, monkeypatch):
    from mimviz.widgets import recipe_lab_bench

    calls = []
    monkeypatch.setattr(recipe_lab_bench, "health", lambda *given: calls.append(1) or health(*given))
    lab = RecipeLab(photo, {"recipe": "mae", "options": {"dim": 32, "depth": 1}}, encoder=encoder())
    lab.wait()
    lab.mask = MASK
    lab.wait()
    assert len(calls) == 1
    first = lab.report["sides"][0]["collapse"]
    lab.train(3)
    lab.wait()
    assert len(calls) > 1 and lab.report["sides"][0]["collapse"] != first
    lab.close()
    assert not lab._bench.memo


def test_an_untrained_model_that_knows_only_places_is_not_called_collapsed():
    found = Collapse(50.0, 192, spread=0.6, content=0.01, codes=1.1, count=64)
    assert set(found.why) == {"content", "codes"}
    assert told_of(found, trained=False)["why"] == [] and len(told_of(found, trained=True)["why"]) == 2
    assert told_of(None, trained=True) == {}


# --- where the decoder looks ---


def look(model, photo, query=None):
    mask = mv.Mask.from_array(MASK)
    asked = int(mask.hidden_ids[0][2]) if query is None else query
    return asked, list(decoder_looks(model.eval(), photo, mask, asked))[-1]


def test_a_decoder_of_self_attention_looks_at_all_patches(photo):
    model = mv.recipes.mae(encoder(), dim=32, depth=2)
    asked, (panels, words) = look(model, photo)
    assert [each.key for each in panels] == ["block 1", "block 2", "mean"] and "mask tokens" in words
    trace = mv.Scene(model, photo, mask=MASK).decoder_trace
    by_hand = torch.stack([trace.attention[i][0, :, 1 + asked, 1:].mean(0) for i in range(2)])
    np.testing.assert_allclose(numbers(panels[0]).ravel(), by_hand[0], atol=1e-6)
    np.testing.assert_allclose(numbers(panels[2]).ravel(), by_hand.mean(0), atol=1e-6)


def test_a_decoder_of_cross_attention_looks_at_what_was_seen(photo):
    model = mv.recipes.croco(encoder(), dim=32, depth=1)
    model.second = photo
    asked, (panels, words) = look(model, photo)
    rows = model.looks(model.prepare(photo), mv.Mask.from_array(MASK))[0][0, :, asked].mean(0)
    assert len(panels) == 1 and "cross-attention" in words
    shown = numbers(panels[0]).ravel()
    assert np.array_equal(np.isnan(shown), MASK.ravel())
    np.testing.assert_allclose(shown[~MASK.ravel()], rows[~torch.tensor(MASK).flatten()], atol=1e-6)


def test_what_does_not_attend_says_so(photo):
    assert look(mv.recipes.mae(encoder(), dim=32, depth=1), photo, query=1)[1][0] == []  # a visible patch: a hint
    with pytest.raises(ValueError, match="no layers of attention"):
        look(mv.recipes.simmim(encoder()), photo)


def test_an_outcome_of_some_patches_has_no_number_elsewhere(photo):
    model = mv.recipes.mage(encoder(), count=16, dim=32, depth=1).eval()
    whole = model.reconstruct(photo, MASK)
    some = Outcome(
        whole.mask, whole.guess[:, :5], whole.truth[:, :5], whole.patch_loss[:, :5], whole.where[:, :5], whole.view
    )
    with torch.no_grad():
        found = {each.key: each for each in inside(model, model.prepare(photo), some, Sample.of(model, photo))}
    assert np.isnan(numbers(found["guessed"])).sum() == 11
