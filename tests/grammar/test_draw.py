"""Rows of any target as a picture."""

import pytest
import torch

from mimviz.core import Grid
from mimviz.grammar.draw import drawn

GRID = Grid(3, 4, 8)


class Own:
    def draw(self, rows, *, like=None):
        return torch.full((len(rows), 3, 4, 3), 0.25 if like is None else 0.75)


def test_a_target_s_own_drawing_goes_before():
    rows = torch.randn(2, 12, 5)
    assert (drawn(Own(), rows, GRID) == 0.25).all()
    assert (drawn(Own(), rows, GRID, like=rows) == 0.75).all()


def test_others_are_shown_by_principal_components():
    """Rows on a line in five dimensions: one colour channel says it all, in the order along the line."""
    along = torch.linspace(-1, 1, 12)
    rows = (along[:, None] * torch.tensor([3.0, -1.0, 2.0, 0.0, 0.5]))[None]
    picture = drawn(None, rows, GRID)
    assert picture.shape == (1, 3, 4, 3) and float(picture.min()) >= 0 and float(picture.max()) <= 1
    red = picture[0, ..., 0].flatten()
    steps = red.diff()[1:-1]
    assert (steps > 0).all() or (steps < 0).all()


def test_like_sets_the_colours_of_both():
    torch.manual_seed(0)
    truth = torch.randn(1, 12, 6)
    assert torch.allclose(drawn(None, truth, GRID, like=truth), drawn(None, truth, GRID))
    guess = truth * 0.5
    own, same = drawn(None, guess, GRID), drawn(None, guess, GRID, like=truth)
    assert float(same.std()) < float(own.std())  # half the spread is seen, where its own colours would hide it


def test_a_row_for_each_patch_is_wanted():
    with pytest.raises(ValueError, match="11 rows, but the grid has 12"):
        drawn(None, torch.randn(1, 11, 6), GRID)
