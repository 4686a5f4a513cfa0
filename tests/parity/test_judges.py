"""Judges against public implementations, on the same numbers."""

import numpy as np
import pytest
import torch
from lenses.small import small_scene

from mimviz.core import Heatmap
from mimviz.judges import ROAD, Infidelity, MaxSensitivity, PerformanceInformation
from mimviz.judges.removal import Linear


def noise(shape, seed=0):
    return Heatmap(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), by="noise", signed=True)


def test_linear_imputation_is_grad_cams():
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    scene = small_scene(batch=1)
    hidden = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1)) < 0.6
    mine = Linear(noise=0).pictures(scene, hidden)[0]
    theirs = NoisyLinearImputer(noise=0)(scene.images[0], (~hidden[0, 0]).float())
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_road_is_grad_cams():
    from pytorch_grad_cam.metrics import road
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    scene = small_scene()
    heat = noise((2, 32, 32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(road.NoisyLinearImputer.__init__, "__defaults__", (0.0, road.neighbors_weights))
        theirs = road.ROADCombined(percentiles=[70, 50])(
            scene.images, heat.values.numpy(), [ClassifierOutputSoftmaxTarget(1)] * 2, scene.model
        )
    mine = ROAD(shares=(0.3, 0.5), unit="pixel", removal=Linear(noise=0))(scene, heat)
    np.testing.assert_allclose(mine.value.numpy(), theirs, atol=2e-5)


def test_infidelity_is_captums():
    from captum.metrics import infidelity

    scene, judge = small_scene(), Infidelity(samples=7, normalize=False)
    heat = noise((2, 4, 4), seed=2)
    hidden = judge.hidden(heat.values)  # (K, B, 4, 4)
    big = hidden.repeat_interleave(8, 2).repeat_interleave(8, 3)
    spread = heat.values.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None] / 64 / 3  # shares of a patch's number
    drawn = iter(big)

    def perturb(inputs):
        over = next(drawn)[:, None].expand_as(inputs)
        return over.float(), inputs.masked_fill(over, 0)

    theirs = infidelity(
        scene.model,
        perturb,
        scene.images,
        spread.expand(-1, 3, -1, -1),
        target=1,
        n_perturb_samples=7,
        max_examples_per_batch=2,
    )
    torch.testing.assert_close(judge(scene, heat).value, theirs, atol=1e-4, rtol=1e-4)


def test_infidelity_with_the_best_factor_is_captums():
    from captum.metrics import infidelity

    scene = small_scene(batch=1)
    judge = Infidelity(samples=9)
    hidden = judge.hidden(torch.zeros(1, 4, 4))
    with torch.no_grad():
        patch_falls = [
            scene.model(scene.images)[0, 1] - scene.model(scene.images.masked_fill(_patch(i), 0))[0, 1]
            for i in range(16)
        ]
    heat = Heatmap(torch.stack(patch_falls).reshape(1, 4, 4), by="leave one out", signed=True)
    drawn = iter(hidden.repeat_interleave(8, 2).repeat_interleave(8, 3))

    def perturb(inputs):
        over = next(drawn)[:, None].expand_as(inputs)
        return over.float(), inputs.masked_fill(over, 0)

    spread = (heat.values.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None] / 192).expand(-1, 3, -1, -1)
    theirs = infidelity(
        scene.model,
        perturb,
        scene.images,
        spread,
        target=1,
        n_perturb_samples=9,
        max_examples_per_batch=1,
        normalize=True,
    )
    whole = scene.logits[0, 1]
    with torch.no_grad():
        lost = torch.stack([
            whole - scene.model(scene.images.masked_fill(h.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None], 0))[0, 1]
            for h in hidden
        ])  # fmt: skip
    assert float(judge(scene, heat).value) == pytest.approx(float(theirs / lost.square().mean()), rel=1e-3)


def _patch(index):
    over = torch.zeros(16, dtype=torch.bool)
    over[index] = True
    return over.reshape(4, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)


def test_max_sensitivity_is_captums():
    from captum.metrics import sensitivity_max

    from mimviz.core import seeded
    from mimviz.lenses import InputXGradient

    scene, judge = small_scene(), MaxSensitivity(samples=4, radius=0.1, seed=3)
    heat = InputXGradient()(scene)
    generator = seeded(3)

    def explain(inputs):
        x = (inputs[0] if isinstance(inputs, tuple) else inputs).detach().requires_grad_()
        with torch.enable_grad():
            (grad,) = torch.autograd.grad(scene.model(x)[:, 1].sum(), x)
        return ((x * grad).sum(1, keepdim=True).detach(),)

    def perturb(inputs):
        x = inputs[0] if isinstance(inputs, tuple) else inputs
        return (x + (torch.rand(x.shape, generator=generator) * 2 - 1) * 0.1,)

    theirs = sensitivity_max(
        explain, scene.images, perturb_func=perturb, n_perturb_samples=4, norm_ord=2, max_examples_per_batch=2
    )
    torch.testing.assert_close(judge(scene, heat).value, theirs, atol=1e-5, rtol=1e-4)


def test_performance_information_is_the_authors(monkeypatch):
    if not hasattr(np, "trapz"):
        monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    from saliency.metrics import pic

    import mimviz as mv

    scene = mv.Scene(mv.load_vit("tiny-classifier"), ["cat"])
    picture = (scene.pictures[0].array * 255).round().astype(np.uint8)
    judge = PerformanceInformation(points=200)
    heat = Heatmap(torch.rand(1, *picture.shape[:2], generator=torch.Generator().manual_seed(4)), by="noise")
    first = np.zeros(picture.shape[:2], bool)
    chosen = np.random.default_rng(0).choice(first.size, int(first.size * judge.kept), replace=False)
    first.flat[chosen] = True
    best = int(scene.logits.argmax())

    def predict(batch):
        parts = scene.anatomy
        tensors = torch.cat([mv.Picture(each / 255.0).tensor(mean=parts.mean, std=parts.std) for each in batch])
        with torch.no_grad():
            return scene.model(tensors).softmax(-1)[:, best].numpy()

    theirs = pic.compute_pic_metric(
        picture, heat.values[0].numpy(), first, predict, list(judge.shares), min_pred_value=0.0, num_data_points=200
    )
    score = judge(scene, heat)
    assert float(score.value) == pytest.approx(theirs.auc, abs=5e-3)
    np.testing.assert_allclose(score.curve.y[0].numpy(), theirs.curve_y, atol=0.03)
