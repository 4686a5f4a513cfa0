import numpy as np
import pytest

from mimviz.core import Grid
from mimviz.data import planted


@pytest.mark.parametrize("patch", [0, 4, 11])
def test_one_patch_alone_has_the_colour(patch):
    grid = Grid(3, 4, 5)
    picture = planted(grid, patch, color=(0, 1, 0.5))
    assert picture == planted(grid, patch, color=(0, 1, 0.5))
    assert picture.array.shape == (15, 20, 3)
    patches = picture.array.reshape(3, 5, 4, 5, 3).transpose(0, 2, 1, 3, 4).reshape(12, 25, 3)
    np.testing.assert_array_equal(patches[patch], np.broadcast_to(np.float32((0, 1, 0.5)), (25, 3)))
    assert np.abs(np.delete(patches, patch, 0) - 0.5).max() <= 0.051


def test_outside_the_grid():
    with pytest.raises(ValueError, match=r"patch=12, but 0..11 is needed"):
        planted(Grid(3, 4, 5), 12)
