"""Closed-form denoisers beside gradient descent, the paper's formulas, and masks drawn one by one."""

import numpy as np
import pytest
import scipy.linalg
import torch

from mimviz.core import Grid, seeded
from mimviz.data import crops
from mimviz.grammar.where import Blocks, Highest
from mimviz.studies import Drawn, Dropout, Gaussian, Masked, PCACut, alignment, denoiser
from mimviz.studies._rows import moments, rows_of

GRID = Grid(2, 2, 2)


@pytest.fixture(scope="module")
def photographs():
    return crops(4, 4, each=60)  # D = 48


@pytest.fixture(scope="module")
def labels(photographs):
    return torch.arange(13).repeat_interleave(60)


def degrees(a, b):
    """The largest angle between the spaces of the rows of a and b."""
    return float(np.degrees(scipy.linalg.subspace_angles(a.T.numpy(), b.T.numpy()).max()))


def test_closed_forms_are_the_paper_s(photographs):
    _, C = moments(rows_of(photographs))
    eye, p = torch.eye(48).double(), 0.3
    noise = 0.5**2 * C.trace() / 48
    gauss = C @ torch.linalg.inv(C + noise * eye)
    torch.testing.assert_close(denoiser(photographs, Gaussian(0.5)).matrix(), gauss)
    dropped = p * C @ torch.linalg.inv(p**2 * C + p * (1 - p) * C.diagonal().diag())
    torch.testing.assert_close(denoiser(photographs, Dropout(p)).matrix(), dropped)


@pytest.mark.parametrize("noise", ["gaussian", "masked", "dropout"])
def test_gradient_descent_ends_at_the_closed_form(noise):
    """A linear autoencoder with a code of 2 numbers, fresh noise in every step: the spaces of encoder and decoder."""
    generator = seeded(0)
    mixing = torch.linalg.qr(torch.randn(12, 12, generator=generator))[0] * torch.tensor([3.0, 2, 1] + [0.5] * 9)
    x = torch.randn(2000, 12, generator=generator) @ mixing.T
    images = x.reshape(-1, 3, 2, 2)
    grid = Grid(2, 2, 1)
    word = {"gaussian": Gaussian(0.5), "masked": Masked(grid, 0.4), "dropout": Dropout(0.7)}[noise]
    exact = denoiser(images, word)
    x = x - x.mean(0)
    encoder, decoder = (torch.nn.Parameter(0.3 * torch.randn(2, 12, generator=generator)) for _ in range(2))
    steps = 900
    optimizer = torch.optim.Adam([encoder, decoder], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        if noise == "gaussian":
            seen = x + 0.5 * x.square().mean().sqrt() * torch.randn(x.shape, generator=generator)
        elif noise == "masked":
            seen = x * (torch.rand(len(x), 1, 4, generator=generator) > 0.4).expand(-1, 3, -1).flatten(1)
        else:
            seen = x * (torch.rand(x.shape, generator=generator) < 0.7)
        loss = (seen @ encoder.T @ decoder - x).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    assert degrees(encoder.detach().double(), exact.encoder[:2]) < 1
    assert degrees(decoder.detach().double(), exact.decoder[:2]) < 1


def test_gaussian_noise_keeps_the_axes_and_masking_does_not(photographs):
    axes, k = PCACut.of(photographs).axes, 6
    for sigma in (0.0, 0.3, 1.0):
        assert degrees(denoiser(photographs, Gaussian(sigma)).encoder[:k], axes[:k]) < 1e-4
    assert degrees(denoiser(photographs, Masked(GRID, 0.75)).encoder[:k], axes[:k]) > 5
    nothing = denoiser(photographs, Masked(GRID, 0.0))
    assert degrees(nothing.encoder[:k], axes[:k]) < 1e-4
    torch.testing.assert_close(nothing.recovered.sum(), torch.tensor(1.0).double())


def test_what_is_recovered_is_what_a_picture_wins_back(photographs):
    """1 − the mean squared error of the guess, over thousands of masks drawn one by one, for a code of every size."""
    learnt = denoiser(photographs, Masked(GRID, 0.5))
    rows = rows_of(photographs) - learnt.mean
    generator, total, errors = seeded(1), rows.square().sum(1).mean(), torch.zeros(3).double()
    patch = torch.arange(4).reshape(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1).flatten().repeat(3)
    for _ in range(60):
        seen = rows * (torch.rand(len(rows), 4, generator=generator) >= 0.5)[:, patch]
        errors += torch.stack([(seen @ learnt.matrix(k).T - rows).square().sum(1).mean() for k in (1, 5, 48)]) / 60
    wanted = torch.stack([learnt.recovered[:k].sum() for k in (1, 5, 48)])
    torch.testing.assert_close(1 - errors / total, wanted, atol=0.01, rtol=0)


def test_a_code_is_white_and_the_guess_follows_from_it(photographs):
    learnt = denoiser(photographs, Gaussian(0.0))
    codes = learnt.codes(photographs, 10)
    torch.testing.assert_close(codes.T @ codes / len(codes), torch.eye(10).double(), atol=1e-6, rtol=0)
    cut = PCACut.of(photographs)
    torch.testing.assert_close(learnt.denoised(photographs, 10).float(), cut.top(photographs, 10), atol=1e-5, rtol=0)


def test_drawn_masks_have_the_moments_of_their_word(photographs):
    """Exactly one of four patches stays: chance 1/4 of each, 0 of two."""
    _, C = moments(rows_of(photographs))
    A, B = Drawn(GRID, Highest(0.75), masks=20000)(C)
    torch.testing.assert_close(A / C, torch.full_like(C, 0.25), atol=0.02, rtol=0)
    patch = torch.arange(4).reshape(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1).flatten().repeat(3)
    assert (B[patch[:, None] != patch] == 0).all()
    many = Drawn(Grid(4, 4, 1), Blocks(0.5, smallest=2))
    assert torch.isfinite(denoiser(photographs, many).recovered).all()


def test_the_mask_s_shape_changes_what_is_learnt(photographs):
    fine, coarse = (denoiser(photographs, Masked(grid, 0.5)) for grid in (Grid(4, 4, 1), Grid(2, 2, 2)))
    assert degrees(fine.encoder[:6], coarse.encoder[:6]) > 5
    assert fine.recovered.sum() > coarse.recovered.sum(), "a larger hole is harder to fill"


def test_alignment_is_the_authors_(photographs, labels):
    """As `Xy_to_errors`: QR of the codes, Y Yᵀ Q, squares summed over rows, cumulated, root, over the last."""
    learnt = denoiser(photographs, Masked(GRID, 0.5))
    found = alignment(learnt, photographs, labels)
    X = rows_of(photographs).numpy() - learnt.mean.numpy()
    Q = np.linalg.qr(X @ learnt.encoder.numpy().T)[0]
    Y = np.eye(13)[labels]
    numer = np.sqrt(np.cumsum(np.square(Y @ (Y.T @ Q)).sum(0)))
    np.testing.assert_allclose(found.values, numer / numer[-1], atol=1e-9)
    assert (found.values.diff() >= -1e-12).all() and found.values[-1] == 1


def test_overlap_is_with_least_squares_scores(photographs, labels):
    learnt = denoiser(photographs)
    found = alignment(learnt, photographs, labels).overlap
    X = rows_of(photographs).numpy() - learnt.mean.numpy()
    scores = X @ np.linalg.lstsq(X, np.eye(13)[labels], rcond=None)[0]
    for k in (3, 20):
        angles = scipy.linalg.subspace_angles(X @ learnt.encoder[:k].numpy().T, scipy.linalg.orth(scores, rcond=1e-8))
        assert float(found[k - 1]) == pytest.approx((np.cos(angles) ** 2).sum() / 12, abs=1e-6)
    assert float(found[-1]) == pytest.approx(1)


def test_gaussian_noise_never_helps_and_masks_may(photographs, labels):
    plain, gauss, masked = (
        alignment(denoiser(photographs, noise), photographs, labels).values
        for noise in (Gaussian(0), Gaussian(0.7), Masked(Grid(4, 4, 1), 0.75))
    )
    torch.testing.assert_close(plain, gauss, atol=1e-5, rtol=0)
    assert (masked - plain).abs().max() > 0.01


def test_fewer_pictures_than_pixels(labels):
    few = crops(8, 8, each=3)
    learnt = denoiser(few, Masked(Grid(2, 2, 4), 0.5))
    found = alignment(learnt, few, torch.arange(13).repeat_interleave(3))
    assert torch.isfinite(learnt.recovered).all() and torch.isfinite(found.values).all()
    assert float(learnt.recovered.sum()) <= 1 + 1e-9


def test_refusals(photographs, labels):
    with pytest.raises(ValueError, match="the grid is of 8 × 8 pixels"):
        denoiser(photographs, Masked(Grid(4, 4, 2)))
    with pytest.raises(ValueError, match="780 pictures have 3 labels"):
        alignment(denoiser(photographs), photographs, labels[:3])
    with pytest.raises(ValueError, match="at least two classes"):
        alignment(denoiser(photographs), photographs, torch.zeros_like(labels))
