"""Deletion, insertion, ROAD, sufficiency, comprehensiveness: each once more, slowly, from the paper."""

import pytest
import torch
from lenses.small import small_scene

import mimviz as mv
from mimviz.core import Heatmap
from mimviz.judges import ROAD, Comprehensiveness, Deletion, Insertion, Sufficiency
from mimviz.judges._asking import order
from mimviz.judges.removal import Drop, Fill

from .maps import GRID, drawn, perfect, scene


def authors_auc(arr):
    """RISE, evaluation.py: the trapezoid rule with half end points."""
    return (arr.sum() - arr[0] / 2 - arr[-1] / 2) / (len(arr) - 1)


def naive(asked, heat, insertion: bool):
    """Patch after patch, picture after picture."""
    found = []
    for b in range(len(asked)):
        picture = asked.images[b].clone()
        empty = torch.zeros_like(picture)
        now, said = (empty.clone(), []) if insertion else (picture.clone(), [])
        with torch.no_grad():
            said.append(asked.model(now[None]).softmax(-1)[0, 1])
            for patch in heat.values[b].flatten().argsort(descending=True).tolist():
                row, col = divmod(patch, GRID.cols)
                at = (slice(None), slice(row * 8, row * 8 + 8), slice(col * 8, col * 8 + 8))
                now[at] = (picture if insertion else empty)[at]
                said.append(asked.model(now[None]).softmax(-1)[0, 1])
        found.append(authors_auc(torch.stack(said)))
    return torch.stack(found)


def test_deletion_and_insertion_are_the_authors():
    asked, heat = small_scene(), drawn(3)
    for judge, insertion in ((Deletion(steps=16), False), (Insertion(Fill(), steps=16), True)):
        torch.testing.assert_close(judge(asked, heat).value, naive(asked, heat, insertion), atol=1e-6, rtol=1e-5)


def test_fewer_steps_are_the_same_curve_with_fewer_points():
    asked, heat = small_scene(), drawn(3)
    many, few = (Deletion(steps=steps)(asked, heat).curve for steps in (16, 4))
    torch.testing.assert_close(few.y, many.y[:, ::4])


def test_by_pixels_of_a_pixel_map():
    asked = small_scene()
    heat = mv.lenses.Gradient()(asked)
    curve = Deletion(unit="pixel", steps=8)(asked, heat).curve
    top = heat.values.flatten(1).argsort(1, descending=True)[:, : 32 * 32 // 8]
    over = torch.zeros(2, 32 * 32, dtype=torch.bool).scatter(1, top, True).reshape(2, 1, 32, 32)
    with torch.no_grad():
        said = asked.model(asked.images.masked_fill(over, 0)).softmax(-1)[:, 1]
    torch.testing.assert_close(curve.y[:, 1], said)


def test_a_flat_map_takes_cells_in_no_particular_order():
    flat = torch.zeros(1, 8, 8)
    assert order(flat).tolist() != order(flat, seed=1).tolist()
    rows = order(flat)[0, :32].float().div(8).floor()
    assert 2.0 < rows.mean() < 5.0, "not from the top"


def test_drop_is_minus_infinity_at_the_keys():
    """Tokens left out give what the whole pass gives when nobody can look at them."""
    asked = small_scene()
    hidden = torch.zeros(3, 2, 4, 4, dtype=torch.bool)
    hidden[1, 0, :2], hidden[1, 1, 2:], hidden[2] = True, True, torch.rand(2, 4, 4) < 0.5
    found = Drop().outputs(asked, hidden).reshape(3, 2, -1)
    with torch.no_grad():
        torch.testing.assert_close(found[0], asked.model(asked.images))
        for k in range(3):
            for b in range(2):
                bias = torch.zeros(1, 1, 1, 17)
                bias[..., 1:][..., hidden[k, b].flatten()] = float("-inf")
                whole = asked.model.forward_features(asked.images[b : b + 1], attn_mask=bias)
                torch.testing.assert_close(found[k, b], asked.model.forward_head(whole)[0], atol=1e-5, rtol=1e-5)


def test_drop_keeps_one_patch_and_refuses_pixels():
    asked = small_scene()
    assert torch.isfinite(Drop().outputs(asked, torch.ones(1, 2, 4, 4, dtype=torch.bool))).all()
    with pytest.raises(ValueError, match="judge by patches"):
        Drop().outputs(asked, torch.ones(1, 2, 32, 32, dtype=torch.bool))


def test_comprehensiveness_and_sufficiency_by_hand():
    asked, heat = small_scene(), drawn(1)
    shares = (1 / 16, 0.5)
    with torch.no_grad():
        whole = asked.model(asked.images).softmax(-1)[:, 1]
        falls, losses = [], []
        for share in shares:
            for out, keep in ((falls, False), (losses, True)):
                said = []
                for b in range(2):
                    ids = heat.values[b].flatten().argsort(descending=True)[: round(share * 16)]
                    gone = torch.zeros(16, dtype=torch.bool).scatter(0, ids, True).reshape(4, 4)
                    gone = (~gone if keep else gone).repeat_interleave(8, 0).repeat_interleave(8, 1)
                    said.append(asked.model(asked.images[b : b + 1].masked_fill(gone, 0)).softmax(-1)[0, 1])
                out.append(whole - torch.stack(said))
    torch.testing.assert_close(Comprehensiveness(shares)(asked, heat).value, torch.stack(falls).mean(0))
    torch.testing.assert_close(Sufficiency(shares)(asked, heat).value, torch.stack(losses).mean(0))


def test_frames_are_the_curve():
    asked = scene()
    for judge in (Deletion(steps=4), Insertion(steps=4)):
        frames = list(judge.frames(asked, perfect()))
        torch.testing.assert_close(torch.stack([f.score for f in frames], 1), judge(asked, perfect()).curve.y)
        assert frames[0].pictures.shape == asked.images.shape
    first = next(iter(Deletion(steps=4).frames(asked, perfect())))
    assert torch.equal(first.pictures, asked.images)


def test_noise_has_a_road_value_around_zero():
    """Both orders of a random map are random, so its expectation is 0: the interval over many maps covers it."""
    asked = small_scene(batch=1)
    values = []
    for seed in range(40):
        noise = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(seed))
        values.append(float(ROAD(shares=(0.25, 0.5))(asked, Heatmap(noise, by="noise", signed=True)).value))
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / 40**0.5
    assert abs(mean) < 2.6 * error, "99 %"


def test_bad_shares_and_steps_are_refused():
    asked = scene()
    for judge in (ROAD(shares=(0.0,)), Sufficiency(shares=()), Comprehensiveness(shares=(1.5,)), Deletion(steps=0)):
        with pytest.raises(ValueError, match=r"shares is|steps is"):
            judge(asked, perfect())
    with pytest.raises(ValueError, match="scale is"):
        Deletion(scale="odds")(asked, perfect())
