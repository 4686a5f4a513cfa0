import pytest
import torch

from mimviz.core import Grid, Mask


def test_patches_are_in_mae_order():
    grid = Grid(2, 3, 2)
    images = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    patches = grid.patchify(images)
    naive = [[
        [images[b, c, r * 2 + i, k * 2 + j].item() for i in range(2) for j in range(2) for c in range(3)]
        for r in range(2) for k in range(3)] for b in range(2)]  # fmt: skip
    assert patches.tolist() == naive
    assert torch.equal(grid.unpatchify(patches), images)


def test_numbers_of_a_grid_that_is_not_square():
    grid = Grid.of(24, 48, 8)
    assert (grid.shape, grid.count, grid.height, grid.width) == ((3, 6), 18, 24, 48)


@pytest.mark.parametrize("make", [lambda: Grid(0, 2, 8), lambda: Grid(2, 2.0, 8), lambda: Grid.of(30, 32, 8)])
def test_impossible_grids_are_refused(make):
    with pytest.raises(ValueError, match=r"must be|does not divide"):
        make()


def test_pictures_of_another_size_are_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"30 x 32.*covers 32 x 32"):
        Grid(4, 4, 8).patchify(torch.zeros(1, 3, 30, 32))
    with pytest.raises(ValueError, match="16 x 100"):
        Grid(4, 4, 8).unpatchify(torch.zeros(1, 16, 100))


def test_a_mask_of_another_grid_is_refused_even_with_as_many_patches():
    with pytest.raises(ValueError, match=r"mask has 2 x 8 patches.*4 x 4"):
        Grid(4, 4, 8).check(Mask.none(Grid(2, 8, 8)))
    assert Grid(4, 4, 8).check(Mask(torch.zeros(1, 16, dtype=torch.bool))).shape == (4, 4)
