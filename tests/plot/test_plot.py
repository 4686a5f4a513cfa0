import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Heatmap, Mask
from mimviz.plot import show_heatmap


@pytest.fixture(scope="module")
def mim():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=(16, 32), patch_size=8, embed_dim=24, depth=1, num_heads=2)
    return mv.recipes.mae(encoder, dim=16, depth=1)


def test_five_panels_with_true_ranges_and_hatches(mim):
    outcome = mim.reconstruct("astronaut", Mask.from_array([[1, 0, 0, 1], [0, 1, 0, 0]]))
    figure = outcome.plot()
    panels = [axis for axis in figure.axes if axis.get_title(loc="left")]
    titles = [axis.get_title(loc="left") for axis in panels]
    assert titles == ["original", "masked", "reconstruction", "pasted", "error per patch"]
    assert len([p for p in panels[1].patches if p.get_hatch()]) == 3
    corners = sorted(p.get_xy() for p in panels[1].patches)
    assert corners == [(0, 0), (8, 8), (24, 0)], "x is the column, y the row, in pixels"
    assert len(panels[2].patches) == 5, "what no loss looked at is blank"
    assert not outcome.plot(everywhere=True).axes[2].patches
    np.testing.assert_allclose(panels[3].images[0].get_array(), outcome.pasted.array)
    assert panels[4].images[0].get_clim() == (outcome.error.min, pytest.approx(outcome.error.max))
    assert "3 of 8 patches hidden" in figure.get_suptitle()
    assert "estimated from the visible" in figure.get_suptitle()


def test_a_leaking_figure_says_so(mim):
    figure = mim.reconstruct("astronaut", Mask.random(mim.grid), statistics="true").plot()
    assert "uses the hidden pixels" in figure.get_suptitle()
    assert figure._suptitle.get_color() == "#b00020"


def test_signed_maps_are_symmetric_and_others_keep_their_range():
    values = torch.tensor([[[-1.0, 0.5], [0.25, 0]]])
    signed = show_heatmap(Heatmap(values, by="test", signed=True)).axes[0].images[0]
    assert signed.get_clim() == (-1, 1)
    plain = Heatmap(values.abs(), by="test").plot(mv.image("cat", size=16)).axes[0].images[1]
    assert plain.get_clim() == (0, 1)
    with pytest.raises(ValueError, match="2 pictures"):
        show_heatmap(Heatmap(torch.zeros(2, 3, 3), by="test"))


def test_a_picture_plots_itself():
    assert mv.image("cat", size=16).plot().axes[0].images[0].get_array().shape == (16, 16, 3)


def test_a_map_lies_on_the_part_of_the_picture_that_the_model_saw():
    """A wide picture is cut at its centre; anything that opens will do."""
    wide = np.zeros((40, 80, 3))
    wide[:, 20:60, 0] = 1.0  # its middle square is red
    figure = mv.Heatmap(torch.rand(1, 4, 4), by="x").plot(wide)
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape[:2] == (40, 40) and (shown[..., 0] > 0.99).all()
    same = mv.Heatmap(torch.rand(1, 2, 4), by="x").plot(mv.image(wide)).axes[0].images[0].get_array()
    assert same.shape[:2] == (40, 80)
