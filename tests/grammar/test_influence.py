"""Which visible patch paints this one: leave-one-out against one pass at a time, against the gradient, and where it is known."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.influence import by_gradient, leave_one_out
from mimviz.plot import show_influence

PATCHES = [40, 100, 133, 200]


@pytest.fixture(scope="module")
def tiny():
    return mv.load_mim("tiny")


@pytest.fixture(scope="module")
def mask(tiny):
    mask = Mask.random(tiny.grid, ratio=0.75, seed=0)
    hidden = mask.hidden.clone()
    hidden[0, PATCHES] = True
    return Mask(hidden, shape=tiny.grid.shape)


def test_leave_one_out_is_one_pass_after_the_other(tiny, mask):
    found = leave_one_out(tiny, "cat", mask, batch=7)
    before = tiny.reconstruct("cat", mask)
    for i in (0, 9, len(found.visible) - 1):
        hidden = mask.hidden.clone()
        hidden[0, found.visible[i]] = True
        after = tiny.reconstruct("cat", Mask(hidden, shape=mask.shape))
        change = (after.guess - before.guess)[0, found.hidden].square().mean(-1).sqrt()
        torch.testing.assert_close(found.values[:, i], change, atol=1e-5, rtol=1e-3)
        torch.testing.assert_close(
            found.helps[:, i], (after.patch_loss - before.patch_loss)[0, found.hidden], atol=1e-5, rtol=1e-3
        )


def test_the_gradient_agrees_with_leaving_out(tiny, mask):
    """Both rank the visible patches alike, for hidden patches all over the picture; against other patches they do not."""
    left_out = leave_one_out(tiny, "cat", mask)
    slope = by_gradient(tiny, "cat", mask, patches=PATCHES, probes=2)

    def agreement(shift):
        rows = [
            spearmanr(
                slope.values[i], left_out.values[(left_out.hidden == PATCHES[(i + shift) % 4]).nonzero()[0, 0]]
            ).statistic
            for i in range(4)
        ]
        return sum(rows) / 4

    assert agreement(0) > 0.75
    assert agreement(0) > max(agreement(shift) for shift in (1, 2, 3)) + 0.2


def test_near_patches_paint_more(tiny, mask):
    found = leave_one_out(tiny, "cat", mask)
    far = torch.cdist(*((torch.stack([each // 16, each % 16], -1).float()) for each in (found.hidden, found.visible)))
    assert found.values[far < 2].mean() > 3 * found.values[far > 8].mean()


def test_a_decoder_that_copies_one_patch_is_found_out():
    """Closed form: every guess is what is seen of patch 5, so patch 5 has all the influence, by either method."""
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=3)
    model = mv.recipes.simmim(encoder)

    class Copy(nn.Module):
        def forward(self, seen, mask):
            return content[0][:, 5:6, :1].expand(-1, 16, 192)

    content = [None]
    plain = model.how

    class Noting(nn.Module):
        def forward(self, rows, mask):
            content[0], _ = plain(rows, mask)
            return content[0], None

    model.how, model.decoder = Noting(), Copy()
    mask = Mask.random(model.grid, ratio=0.5, seed=3)
    hidden = mask.hidden.clone()
    hidden[0, 5] = False
    mask = Mask(hidden, shape=mask.shape)
    for found in (leave_one_out(model, "cat", mask), by_gradient(model, "cat", mask, probes=1)):
        at = int((found.visible == 5).nonzero())
        others = torch.arange(len(found.visible)) != at
        assert (found.values[:, at] > 0).all() and (found.values[:, others] == 0).all()


def test_maps_and_figures(tiny, mask, tmp_path):
    found = leave_one_out(tiny, "cat", mask)
    heat = found.on(100)
    assert heat.values.shape == (1, 16, 16) and not heat.signed and found.on(100, helps=True).signed
    assert (heat.values.flatten()[mask.hidden[0]] == 0).all() and found.of().values.max() > 0
    show_influence(mv.image("cat"), found, PATCHES[:2]).savefig(tmp_path / "influence.png")
    with pytest.raises(KeyError, match="was not asked for"):
        found.on(int(found.visible[0]))
    slope = by_gradient(tiny, "cat", mask, patches=[100], probes=1)
    with pytest.raises(ValueError, match="does not say what helps"):
        slope.on(100, helps=True)
    with pytest.raises(ValueError, match="are visible"):
        by_gradient(tiny, "cat", mask, patches=[int(found.visible[0])])
    with pytest.raises(ValueError, match="at least two visible"):
        leave_one_out(tiny, "cat", Mask.random(tiny.grid, ratio=0.999))
