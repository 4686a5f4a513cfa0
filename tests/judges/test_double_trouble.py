"""In-painting as the removal operator, and what it does to attributions and to their judges."""

import pytest
import torch

import mimviz as mv
from mimviz.judges import Deletion, DoubleTrouble, RemovalAttribution
from mimviz.judges.removal import Fill, Inpaint, Linear
from mimviz.vit.planted import TARGET

from .maps import GRID, perfect, scene


class Copies(torch.nn.Module):
    """A masked model for pictures whose right half repeats the left one: it paints a hidden patch with its visible copy."""

    def __init__(self, like: mv.Scene):
        super().__init__()
        self.grid, self.encoder = GRID, like.anatomy
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images, mask):
        patches = GRID.patchify(images)
        twin = torch.arange(16).reshape(4, 4).roll(2, 1).flatten()
        filled = torch.where(mask.hidden[..., None], patches[:, twin], patches)
        return type("Outcome", (), {"filled": GRID.unpatchify(filled)})()


def twins() -> mv.Scene:
    """Grey pictures with a red patch and its copy two columns on; the model reads the reddest."""
    asked = scene()
    patches = torch.randn(1, 16, 8 * 8 * 3, generator=torch.Generator().manual_seed(0)) * 0.02
    red = torch.tensor([1.0, -1, -1]).repeat(64)
    patches[0, [5, 7]] = red
    patches[0, 8:] = patches[0, :8].reshape(2, 4, -1)[:, [2, 3, 0, 1]].reshape(8, -1) * 0
    return mv.Scene(asked.model, GRID.unpatchify(patches), target=TARGET)


def test_a_patch_that_its_copy_predicts_gets_nothing_from_marginalization():
    """P114's exact case: |IM| < 0.05 |LOO| for a decisive patch that the masked model restores."""
    asked = twins()
    grey = RemovalAttribution(Fill())(asked).values[0].flatten()
    filled = RemovalAttribution(Inpaint(Copies(asked)))(asked).values[0].flatten()
    assert grey[5].abs() > 0.05 and filled[5].abs() < 0.05 * grey[5].abs()


def test_removal_attribution_is_leave_one_out_in_log_odds():
    asked = scene()
    found = RemovalAttribution(Fill())(asked).values

    def odds(images):
        p = asked.model(images).softmax(-1)[:, TARGET].double()
        return (p / (1 - p)).log()

    with torch.no_grad():
        for patch in (0, 6, 9):
            row, col = divmod(patch, 4)
            less = asked.images.clone()
            less[..., row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] = 0
            want = odds(asked.images) - odds(less)
            torch.testing.assert_close(found[:, row, col].double(), want, atol=1e-4, rtol=1e-4)


def test_samples_are_averaged_as_probabilities():
    asked = scene()
    one, many = RemovalAttribution(Fill())(asked).values, RemovalAttribution((Fill(), Fill()))(asked).values
    torch.testing.assert_close(one, many, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def tiny():
    return mv.load_mim("tiny")


def test_the_bundled_masked_model_fills_holes_of_a_classifier(tiny):
    asked = mv.Scene(mv.load_vit("tiny-classifier"), ["cat", "astronaut"])
    rows, cols = asked.grid.shape
    hidden = torch.zeros(2, 2, rows, cols, dtype=torch.bool)
    hidden[0, :, 2:4, 2:4] = True
    hidden[1, 0] = torch.rand(rows, cols, generator=torch.Generator().manual_seed(0)) < 0.6
    pictures = Inpaint(tiny).pictures(asked, hidden).reshape(2, 2, *asked.images.shape[1:])
    size = asked.grid.patch
    over = hidden.repeat_interleave(size, 2).repeat_interleave(size, 3)[:, :, None].expand_as(pictures)
    whole = asked.images.expand_as(pictures)
    assert torch.equal(pictures[~over], whole[~over]), "what is not hidden is left bit for bit"
    grey = (whole[over] - 0).square().mean()
    assert (pictures[over] - whole[over]).square().mean() < 0.7 * grey, "and the guess is nearer than grey"


def test_no_hidden_pixel_reaches_the_painter(tiny):
    asked = mv.Scene(mv.load_vit("tiny-classifier"), ["cat"])
    hidden = torch.zeros(1, 1, *asked.grid.shape, dtype=torch.bool)
    hidden[..., 1:5, 2:6] = True
    size = asked.grid.patch
    over = hidden.repeat_interleave(size, 2).repeat_interleave(size, 3)[0]
    other = mv.Scene(asked.model, torch.where(over, torch.randn_like(asked.images) * 2, asked.images))
    a, b = (Inpaint(tiny).pictures(each, hidden) for each in (asked, other))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_everything_hidden_leaves_the_mean_colour(tiny):
    asked = mv.Scene(mv.load_vit("tiny-classifier"), ["cat"])
    pictures = Inpaint(tiny).pictures(asked, torch.ones(1, 1, *asked.grid.shape, dtype=torch.bool))
    assert (pictures == 0).all()


def test_context_samples_differ_by_seed(tiny):
    asked = mv.Scene(mv.load_vit("tiny-classifier"), ["cat"])
    hidden = torch.zeros(1, 1, *asked.grid.shape, dtype=torch.bool)
    hidden[..., 1:3, 1:3] = True
    a, b, again = (Inpaint(tiny, context=0.5, seed=s).pictures(asked, hidden) for s in (0, 1, 0))
    assert torch.equal(a, again) and not torch.equal(a, b)


def test_every_cell_is_there_and_the_diagonal_agrees():
    asked = scene()
    cells = DoubleTrouble({"grey": Fill(), "neighbours": Linear(noise=0)}, steps=8)(asked)
    assert set(cells.values) == {"grey", "neighbours"} and len(cells.values["grey"]) == 4
    assert cells.disagreement["deletion grey", "deletion grey"] == 0
    own = Deletion(Fill(), steps=8)(asked, RemovalAttribution(Fill())(asked)).mean
    assert cells.values["grey"]["deletion grey"] == pytest.approx(own)
    with_maps = DoubleTrouble({"grey": Fill()}, steps=8)(asked, {"perfect": perfect()})
    assert with_maps.rank["deletion grey"] == ["perfect"]
