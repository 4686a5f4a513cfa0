"""A map in words: every number is recomputed from the map."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mimviz.core import Heatmap, describe
from mimviz.core.describe import place


def heat(values, *, signed=False):
    return Heatmap(torch.as_tensor(np.asarray(values, np.float32))[None], by="test", signed=signed)


def percents(text):
    return [float(number) for number in re.findall(r"([\d.]+) %", text)]


def blob(rows=12, cols=12, at=(1, 2)):
    values = np.full((rows, cols), 0.01)
    values[at[0] : at[0] + 3, at[1] : at[1] + 2] = 1
    return values


def test_every_number_can_be_recomputed():
    values = np.random.default_rng(0).gamma(0.3, size=(14, 17))
    found = describe(heat(values, signed=False))
    mass = np.abs(values.astype(np.float32)).astype(float)
    low, high = re.match(r"Values from (\S+) to (\S+)\. ", found.text).groups()
    assert float(low) == pytest.approx(mass.min(), rel=6e-3)
    assert float(high.rstrip(".")) == pytest.approx(mass.max(), rel=6e-3)
    for clause in found.clauses:
        share, area = percents(clause.text)
        assert share == pytest.approx(100 * mass[clause.region].sum() / mass.sum(), abs=0.51)
        assert area == pytest.approx(100 * clause.region.mean(), abs=0.51)
    naive = np.abs(mass.ravel()[:, None] - mass.ravel()[None]).mean() / (2 * mass.mean())
    assert found.gini == pytest.approx(naive)
    half = percents(found.head)[-1]
    ordered = np.sort(mass.ravel())[::-1]
    smallest = next(n for n in range(1, mass.size + 1) if ordered[:n].sum() >= 0.5 * mass.sum())
    assert half == pytest.approx(100 * smallest / mass.size, abs=0.51)


@pytest.mark.parametrize("turns", range(4))
def test_turning_the_map_turns_the_words(turns):
    """(0, 0) is the upper left; a turn to the left brings the upper left to the lower left."""
    row, col = 0, 0
    for _ in range(turns):
        row, col = 2 - col, row
    text = describe(heat(np.rot90(blob(), turns).copy())).text
    assert f"The {place(row, col)} holds" in text
    assert f"in the {place(row, col)}," in text
    others = {place(r, c) for r in range(3) for c in range(3)} - {place(row, col)}
    assert not any(f"The {other} holds" in text for other in others)


def test_an_even_map_has_no_part_that_stands_out():
    found = describe(heat(np.full((6, 6), 0.25)))
    assert "evenly" in found.text and found.clauses == () and found.gini == pytest.approx(0)
    assert "evenly" not in describe(heat(blob())).text


def test_a_map_of_zeros_says_so():
    assert describe(heat(np.zeros((4, 4)))).text == "The map is 0 everywhere."


def test_signs_are_told():
    found = describe(heat([[3.0, -1.0], [0.0, 0.0]], signed=True))
    assert "75 % of the mass speaks for the target" in found.text


def test_a_drawn_region():
    values, region = blob(), np.zeros((12, 12), bool)
    region[:6] = True
    clause = describe(heat(values), region=region).clauses[-1]
    assert clause.text.startswith("The drawn region holds")
    assert clause.share == pytest.approx(values[:6].sum() / values.sum(), rel=1e-6)
    with pytest.raises(ValueError, match="region is"):
        describe(heat(values), region=np.zeros((3, 3), bool))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31), st.booleans())
def test_shares_never_exceed_the_whole(rows, cols, seed, signed):
    values = np.random.default_rng(seed).normal(size=(rows, cols))
    found = describe(heat(values if signed else np.abs(values), signed=signed))
    assert all(number <= 100 for number in percents(found.text))
    assert 0 <= found.covered <= 1 + 1e-9 and 0 <= found.gini < 1


def test_several_pictures_are_refused():
    with pytest.raises(ValueError, match="of 2 pictures"):
        describe(Heatmap(torch.zeros(2, 3, 3), by="test"))


@pytest.mark.parametrize(("sign", "word"), [(1, "for"), (-1, "against")])
def test_a_signed_map_of_one_sign(sign, word):
    assert f"All of the mass speaks {word} the target." in describe(heat(sign * blob(), signed=True)).text
