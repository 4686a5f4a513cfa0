import math

import pytest
import torch

from mimviz.core import Grid
from mimviz.grammar import where

GRID = Grid(14, 14, 16)
IMAGES = torch.zeros(2, 3, 1, 1)
WORDS = {name: getattr(where, name) for name in ("Highest", "Blocks", "Units")}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("grid", [GRID, Grid(3, 7, 8), Grid(1, 1, 8)], ids=["14x14", "3x7", "1x1"])
def test_every_strategy_repeats_under_a_generator_and_hides_equal_numbers(word, grid):
    masks = [word()(IMAGES, grid, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert masks[0] == masks[1]
    assert masks[0].shape == grid.shape
    counts = masks[0].hidden.sum(1)
    assert counts[0] == counts[1] or (word is where.Units and grid.rows % 2), "only cut units make the numbers unequal"
    assert repr(word()).startswith(word.__name__) and word() == word()


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("word", [where.Highest, where.Blocks], ids=lambda w: w.__name__)
def test_the_count_is_exact(word, ratio):
    assert word(ratio)(IMAGES, GRID).count == 196 - int(196 * (1 - ratio))


def test_random_masking_covers_all_patches_evenly():
    images = torch.zeros(4000, 3, 1, 1)
    often = where.Highest(0.75)(images, Grid(4, 4, 8), torch.Generator().manual_seed(0)).hidden.float().mean(0)
    assert (often - 0.75).abs().max() < 4 * math.sqrt(0.75 * 0.25 / 4000)


def test_grid_wise_keeps_one_of_every_four_as_mae_draws_it():
    mask = where.Highest(0.75, score=where.GridWise())(IMAGES, GRID)
    corners = ~mask.array.reshape(7, 2, 7, 2)
    assert (corners.sum((1, 3)) == 1).all()
    half = where.Highest(0.5, score=where.GridWise())(IMAGES, GRID).array
    assert (half[:, :-1] != half[:, 1:]).all(), "at 50 % a checkerboard"


def test_units_are_whole_squares_and_their_number_is_rounded_up():
    mask = where.Units(0.6, 2)(IMAGES, GRID, torch.Generator().manual_seed(0))
    squares = mask.array.reshape(7, 2, 7, 2).sum((1, 3))
    assert set(squares.flat) <= {0, 4}
    assert (squares > 0).sum() == math.ceil(0.6 * 49) == 30


def test_blocks_are_fewer_and_larger_than_random_patches():
    generator = torch.Generator().manual_seed(0)

    def seams(mask):
        return int((mask.array[:, 1:] != mask.array[:, :-1]).sum() + (mask.array[1:] != mask.array[:-1]).sum())

    blocks = [seams(where.Blocks(0.4)(IMAGES, GRID, generator)) for _ in range(20)]
    noise = [seams(where.Highest(0.4)(IMAGES, GRID, generator)) for _ in range(20)]
    assert max(blocks) < min(noise)


def test_the_smallest_block_is_as_large_as_promised():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        hidden = torch.zeros(14, 14, dtype=torch.bool)
        while not where.Blocks(smallest=30)._add_block(hidden, 60, generator):
            pass
        assert 25 <= int(hidden.sum()) <= 70  # 30 to 60, sides rounded


@pytest.mark.parametrize("wrong", [{"ratio": 1.5}, {"ratio": -1}, {"ratio": math.nan}, {"unit": 0}])
def test_units_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"0\.\.1|at least 1 patch"):
        where.Units(**wrong)


def test_a_score_of_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 7\)"):
        where.Highest(score=lambda images, grid, generator: where.Noise()(images, Grid(3, 7, 8)))(IMAGES, GRID)
