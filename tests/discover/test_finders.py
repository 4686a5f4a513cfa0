"""LOST, TokenCut and PCA against slow twins from the papers, on random features and on features with two regions."""

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Grid
from mimviz.discover import LOST, PCA, TokenCut
from mimviz.discover.pca import principal

from .planted import picture, register_vit, scene, state

GRID = Grid(9, 12, 4)


def two_regions(noise=0.1, seed=0):
    """(108, 16), and where the smaller region, rows 2..4 and columns 3..6, is."""
    draw = torch.Generator().manual_seed(seed)
    inside = torch.zeros(9, 12, dtype=torch.bool)
    inside[2:5, 3:7] = True
    a, b = torch.zeros(16), torch.zeros(16)
    a[0], b[1], b[0] = 3.0, 3.0, -0.5
    x = torch.where(inside.flatten()[:, None], a, b) + noise * torch.randn(108, 16, generator=draw)
    return x, inside.numpy()


def region_of(inside, seed):
    """Flood fill by hand: patches that share an edge."""
    todo, seen = [tuple(int(i) for i in np.unravel_index(seed, inside.shape))], set()
    while todo:
        r, c = todo.pop()
        if (r, c) in seen or not (0 <= r < inside.shape[0] and 0 <= c < inside.shape[1]) or not inside[r, c]:
            continue
        seen.add((r, c))
        todo += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
    return seen


def naive_lost(x, grid, k):
    """Section 3.2 of the paper, number by number."""
    N = len(x)
    A = [[float(x[p] @ x[q]) for q in range(N)] for p in range(N)]
    degree = [sum(A[p][q] > 0 for q in range(N) if q != p) for p in range(N)]
    order = sorted(range(N), key=lambda p: degree[p])
    seed = order[0]
    joined = [q for q in order[:k] if A[seed][q] > 0]
    alike = np.array([sum(A[s][p] for s in joined) for p in range(N)]).reshape(grid.shape)
    return seed, region_of(alike > 0, seed)


def naive_tokencut(x, grid, tau, eps):
    """The generalised problem as an ordinary one, D^-1/2 (D − E) D^-1/2 z = λ z with y = D^-1/2 z, for all of its solutions."""
    unit = (x / x.norm(dim=1, keepdim=True)).double().numpy()
    E = np.array([[1.0 if float(a @ b) > tau else eps for b in unit] for a in unit])
    d = E.sum(1)
    values, z = np.linalg.eigh(np.diag(d**-0.5) @ (np.diag(d) - E) @ np.diag(d**-0.5))
    y = d**-0.5 * z[:, values.argsort()[1]]
    seed = int(np.abs(y).argmax())
    y = y if y[seed] > 0 else -y
    return seed, region_of((y > y.mean()).reshape(grid.shape), seed), y


def box_of(cells, grid):
    rows, cols = zip(*cells, strict=True)
    return min(cols) * grid.patch, min(rows) * grid.patch, (max(cols) + 1) * grid.patch, (max(rows) + 1) * grid.patch


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [5, 100])
def test_lost_is_its_naive_twin(seed, k):
    x = torch.randn(108, 8, generator=torch.Generator().manual_seed(seed))
    found = LOST(k=k).find(x, GRID)
    want, cells = naive_lost(x, GRID, k)
    assert found.seed == want
    assert set(zip(*np.where(found.mask), strict=True)) == cells
    assert found.box == box_of(cells, GRID)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tau", [0.0, 0.2])
def test_tokencut_is_its_naive_twin(seed, tau):
    x = torch.randn(108, 8, generator=torch.Generator().manual_seed(seed)) + 0.2
    found = TokenCut(tau=tau).find(x, GRID)
    want, cells, y = naive_tokencut(x, GRID, tau, 1e-5)
    assert found.seed == want
    assert found.map.ravel() / np.abs(found.map).max() == pytest.approx(y / np.abs(y).max(), abs=1e-6)
    assert set(zip(*np.where(found.mask), strict=True)) == cells
    assert found.box == box_of(cells, GRID)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("finder", [LOST(), TokenCut()])
def test_the_smaller_of_two_regions_is_the_object(finder, seed):
    x, inside = two_regions(seed=seed)
    found = finder.find(x, GRID)
    assert (found.mask == inside).all()
    assert found.box == (12, 8, 28, 20)
    assert found.by == finder and "12 patches" in repr(found)


def test_finders_read_a_scene():
    each = scene(None, picture(9, 10, 17, 18), picture(36, 37, 44, 45, seed=1))
    for finder in (LOST(feature="tokens"), TokenCut(feature="tokens"), LOST(), TokenCut(feature="queries", layer=0)):
        first, second = finder(each)
        assert first.mask.shape == (8, 8) and 0 <= first.box[0] < first.box[2] <= 64 and second.by == finder
    found = TokenCut(feature="tokens")(each)
    assert found[0].box == (8, 8, 24, 24) and found[1].box == (32, 32, 48, 48)
    keys = each.trace.layers[-1].mixing.k[0].transpose(0, 1).flatten(1)[1:]
    assert LOST()(each)[0].box == LOST().find(keys, each.grid).box  # keys without the class token, unnormalized


def test_normalize_and_bias_of_lost():
    x = torch.randn(108, 8, generator=torch.Generator().manual_seed(9)) + 1.0
    unit = torch.nn.functional.normalize(x, dim=-1)
    assert LOST(normalize=True).find(x, GRID).seed == naive_lost(unit, GRID, 100)[0]
    assert LOST(bias=-2.0).find(x, GRID).mask.sum() <= LOST().find(x, GRID).mask.sum()
    with pytest.raises(ValueError, match="not even like itself"):
        LOST(bias=-1e6).find(x, GRID)
    with pytest.raises(ValueError, match="k is 0"):
        LOST(k=0).find(x, GRID)
    with pytest.raises(ValueError, match=r"eps is 0"):
        TokenCut(eps=0).find(x, GRID)


def test_features_that_are_not_there_say_so():
    with pytest.raises(IndexError, match="layer is 9, but there are 4"):
        LOST(layer=9)(scene())
    swin = mv.vit.Scene(__import__("timm").create_model("swin_tiny_patch4_window7_224").eval(), torch.rand(1, 3, 224, 224))
    with pytest.raises(ValueError, match="Take feature='tokens'"):
        LOST()(swin)
    assert LOST(feature="tokens", layer=0)(swin)[0].mask.shape == (56, 56)
    assert LOST(feature="tokens", layer=0)(swin)[0].box[2] <= 224


# --- components ---


def test_components_are_the_eigenvectors_of_the_covariance():
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.tensor([5.0, 3, 2, 1, 1, 1])) + 4
    axes, mean, explained = principal(x, 3)
    values, vectors = np.linalg.eigh(np.cov(x.numpy().T))
    for i, axis in enumerate(axes.numpy()):
        assert abs(axis @ vectors[:, -1 - i]) == pytest.approx(1, abs=1e-5)
        assert (axis**3).sum() > 0
    assert explained.numpy() == pytest.approx(values[::-1][:3] / values.sum(), abs=1e-5)
    assert mean.numpy() == pytest.approx(x.mean(0).numpy(), abs=1e-6)


def test_signs_are_the_same_for_other_pictures_and_runs():
    """A common direction with one large loading: halves of the data, their order and a mirrored solver agree."""
    draw = torch.Generator().manual_seed(1)
    base = torch.linalg.qr(torch.randn(16, 16, generator=draw))[0]
    base[:, 0] = 0.1
    base[3, 0] = 1.0
    x = torch.randn(600, 16, generator=draw) * torch.tensor([9.0, 4, 2] + [0.2] * 13) @ base.T
    whole = principal(x, 3)[0]
    for part in (x[:300], x[300:], x[torch.randperm(600, generator=draw)], -x, x[::7]):
        axes = principal(part, 3)[0]
        assert ((axes * whole).sum(1) > 0.9).all()


def test_pca_is_fitted_over_all_pictures_at_once():
    model = register_vit()
    before = state(model)
    both = scene(model, picture(9, 10), picture(40, 50, seed=1))
    found = PCA(count=3)(both)
    assert state(model) == before
    assert found.values.shape == (2, 8, 8, 3) and found.axes.shape == (3, 32)
    tokens = both.trace.tokens[-1][:, 1:]
    by_hand = (tokens.reshape(128, 32) - tokens.reshape(128, 32).mean(0)) @ found.axes.T
    assert torch.allclose(found.values.reshape(128, 3), by_hand, atol=1e-4)
    colours = found.colours
    assert colours.shape == (2, 8, 8, 3) and colours.amin() == 0 and colours.amax() == 1
    assert float(found.explained.sum()) <= 1
    twice = PCA(count=3)(scene(model, picture(9, 10), picture(40, 50, seed=1)))
    assert torch.equal(twice.values, found.values)


def test_foreground_is_the_side_that_the_rim_is_not():
    each = scene(None, picture(27, 28, 35, 36), picture(18, 19, seed=1))
    found = PCA(count=2, foreground="first", layer=1)(each)
    assert set(found.foreground[0].flatten().nonzero()[:, 0].tolist()) == {27, 28, 35, 36}
    assert found.foreground[1].sum() == 2
    assert torch.isnan(found.values[0, 0, 0]).all() and torch.isfinite(found.values[0, 3, 3]).all()
    assert not found.colours[0, 0, 0].any()
    for wrong, message in ((PCA(count=99), "have 1..32"), (PCA(foreground="front"), "'all' or 'first'")):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=message):
            wrong(each)
