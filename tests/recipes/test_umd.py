"""UMD: MAE at time 0, plain diffusion with nothing hidden, a naive twin in between; its schedule and its samples."""

import math

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.noising import Cosine

from .small import GRID, made


@pytest.fixture(scope="module")
def model():
    return made("umd").eval()


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def mae_like(model):
    """MAE of the same weights: the half of the head that says the picture."""
    mae = mv.recipes.mae(model.encoder, dim=32, depth=1, normalize=False).eval()
    state = model.decoder.state_dict()
    mae.decoder.load_state_dict({k: v[: len(v) // 2] if k.startswith("head") else v for k, v in state.items()})
    return mae


def test_without_noise_it_is_mae(model):
    mask = Mask.random(GRID, seed=1, batch=2)
    ours, theirs = model(images(), mask), mae_like(model)(images(), mask)
    torch.testing.assert_close(ours.loss, theirs.loss, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.guess, theirs.guess, atol=1e-6, rtol=0)
    assert not ours.terms


def test_steps_are_of_both_kinds_by_chance(model):
    torch.manual_seed(0)
    seen = [(bool(outcome.terms), outcome.mask.count) for outcome in (model(images()) for _ in range(60))]
    assert {count for noisy, count in seen if noisy} == {16 - int(16 * (1 - 0.375))}
    assert {count for noisy, count in seen if not noisy} == {12}
    assert 15 < sum(noisy for noisy, _ in seen) < 45
    model.clean = 1.0
    assert not any(model(images()).terms for _ in range(8))
    model.clean = 0.5


def test_a_noisy_step_is_that_of_a_naive_twin(model):
    """After train_ae.py: half the error of the noise where visible, half that of the picture where hidden."""
    mask, t, noise = Mask.random(GRID, ratio=0.4, seed=1, batch=2), torch.tensor([3, 700]), torch.randn(2, 3, 32, 32)
    kept = [model.schedule.kept(t)[b].item() for b in range(2)]
    spoilt = torch.stack([math.sqrt(kept[b]) * images()[b] + math.sqrt(1 - kept[b]) * noise[b] for b in range(2)])
    with torch.no_grad():
        x0, eps = (GRID.unpatchify(each) for each in model.both(spoilt, mask, t))
    seen = (
        (~mask.hidden).reshape(2, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3).float().expand(-1, 3, -1, -1)
    )
    eps_loss = ((eps - noise).square() * seen).mean() / seen.mean()
    x0_loss = ((x0 - images()).square() * (1 - seen)).mean() / (1 - seen).mean()
    outcome = model.denoise(images(), noise, t, mask)
    torch.testing.assert_close(outcome.loss.detach(), (eps_loss + x0_loss) / 2)
    torch.testing.assert_close(outcome.terms["noise"].detach(), eps_loss / 2)


def test_with_nothing_hidden_it_is_plain_diffusion(model):
    t, noise, nothing = torch.tensor([3, 700]), torch.randn(2, 3, 32, 32), Mask.none(GRID)
    x0, eps = (
        GRID.unpatchify(each) for each in model.both(model.schedule.noised(images(), noise, t), nothing.expand(2), t)
    )
    wanted = ((eps - noise).square().mean() + (x0 - images()).square().mean()) / 2
    torch.testing.assert_close(model.denoise(images(), noise, t, nothing).loss, wanted, atol=1e-6, rtol=0)


def test_hidden_patches_have_no_influence_at_any_time(model):
    mask, t, noise = Mask.random(GRID, ratio=0.4, seed=1, batch=2), torch.tensor([3, 700]), torch.randn(2, 3, 32, 32)
    other = GRID.unpatchify(torch.where(mask.hidden[..., None], torch.randn(2, 16, 192), GRID.patchify(images())))
    a, b = (model.both(model.schedule.noised(each, noise, t), mask, t) for each in (images(), other))
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_the_time_is_told_and_time_0_adds_nothing(model):
    mask = Mask.random(GRID, seed=1, batch=2)
    plain = model.both(images(), mask)[0]
    assert torch.equal(model.both(images(), mask, torch.zeros(2, dtype=torch.long))[0], plain)
    assert not torch.allclose(model.both(images(), mask, torch.tensor([1, 900]))[0], plain)


def test_the_schedule_is_the_papers():
    schedule = Cosine(100)
    kept = schedule.kept(torch.arange(101)).double()
    assert kept[0] == 1 and kept[-1] < 1e-4 and (kept.diff() < 0).all()
    f = [math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(100)]
    torch.testing.assert_close(kept[:100], torch.tensor([each / f[0] for each in f]).double(), atol=1e-6, rtol=1e-5)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(schedule.noised(x, torch.randn_like(x), torch.tensor([0, 0])), x)


def test_both_losses_fall_together():
    model = made("umd")
    mask, noise, t = (
        Mask.random(GRID, ratio=0.375, seed=1, batch=2),
        torch.randn(2, 3, 32, 32),
        torch.tensor([300, 600]),
    )
    before = model(images(), mask).loss, model.denoise(images(), noise, t, mask).loss
    for _ in mv.fit(model, [images()], steps=60, lr=3e-3):
        pass
    after = model(images(), mask).loss, model.denoise(images(), noise, t, mask).loss
    assert after[0] < 0.8 * before[0] and after[1] < 0.8 * before[1]


def test_samples_are_repeated_by_their_seed(model):
    one, again, other = model.sample(2, steps=3), model.sample(2, steps=3), model.sample(2, steps=3, seed=1)
    assert one.shape == (2, 3, 32, 32) and one.isfinite().all()
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_ddim_finds_the_picture_where_the_noise_is_known(model, monkeypatch):
    """With the true noise in the place of the guess every step lands on the picture's own path."""
    truth = images()
    schedule, grid = model.schedule, model.grid

    def both(x, mask, t):
        kept = schedule.kept(t[:1])
        noise = (x - kept.sqrt() * truth) / (1 - kept).sqrt()
        return grid.patchify(truth), grid.patchify(noise)

    monkeypatch.setattr(model, "both", both)
    torch.testing.assert_close(model.sample(2, steps=20), truth, atol=2e-2, rtol=0)
