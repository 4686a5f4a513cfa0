"""Judges that ask the method again, or the picture's compressed size."""

import numpy as np
import pytest
import timm
import torch
from lenses.small import small_scene

import mimviz as mv
from mimviz.core import Heatmap
from mimviz.judges import (
    ROAR,
    ClassSensitivity,
    CompletenessGap,
    ConcisenessPreciseness,
    MaxSensitivity,
    PerformanceInformation,
    Randomisation,
    disagreement,
    spearman,
)  # fmt: skip
from mimviz.vit.planted import TARGET

from .maps import GRID
from .maps import scene as planted_scene


def test_rank_correlation_is_scipys():
    from scipy.stats import spearmanr

    a, b = torch.randn(3, 4, 5), torch.randint(0, 3, (3, 4, 5)).float()
    for found, x, y in zip(spearman(a, b), a, b, strict=True):
        assert float(found) == pytest.approx(spearmanr(x.flatten(), y.flatten()).statistic, abs=1e-6)


def test_disagreement_of_rankings():
    assert disagreement([1, 2, 3], [10, 20, 30]) == 0
    assert disagreement([1, 2, 3], [3, 2, 1]) == 1
    assert disagreement([1, 2, 3, 4], [2, 1, 3, 4]) == pytest.approx(1 / 6)
    assert np.isnan(disagreement([1, float("nan")], [1, 2]))


class Edges:
    """What no model is needed for."""

    def __call__(self, scene):
        grey = scene.images.mean(1)
        return Heatmap((grey[:, :, 1:] - grey[:, :, :-1]).abs()[:, :, :31], by=self)


def test_randomisation_tells_the_picture_from_the_model():
    scene = small_scene()
    edges, gradient = (Randomisation()(scene, lens(scene)) for lens in (Edges(), mv.lenses.Gradient()))
    assert edges.value.tolist() == pytest.approx([1, 1], abs=1e-6), "an edge detector never changes"
    assert gradient.value.max() < 0.7
    assert gradient.curve.x.tolist()[-1] == 1.0


def test_randomisation_goes_from_the_head_down():
    from mimviz.judges.randomisation import _cascade

    cascade = _cascade(small_scene())
    assert all(name.startswith(("norm", "head")) for name in cascade[0])
    assert cascade[1][0].startswith("blocks.2.") and cascade[-2][0].startswith("blocks.0.")
    assert {"cls_token", "pos_embed"} <= set(cascade[-1])


@pytest.mark.filterwarnings("ignore:Setting backward hooks")
def test_guided_backprop_is_hardly_class_sensitive():
    """Nie et al., 2018: on a random conv net it recovers the picture, whatever class is asked about; the gradient does not."""
    torch.manual_seed(0)
    net = timm.create_model("resnet18", num_classes=10).eval()
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    scene = mv.Scene(net, torch.stack([torch.sin(9 * x * y), torch.cos(7 * x), y])[None])
    guided, plain = (
        ClassSensitivity()(scene, lens(channels="sum")(scene)).value
        for lens in (mv.lenses.GuidedBackprop, mv.lenses.Gradient)
    )
    assert guided > 0.6 and guided > plain.abs() + 0.3, (guided, plain)


def test_max_sensitivity_of_what_does_not_move():
    scene = small_scene()

    class Constant:
        def __call__(self, other):
            return Heatmap(torch.ones(len(other), 4, 4), by=self)

    assert MaxSensitivity()(scene, Constant()(scene)).value.tolist() == [0, 0]
    small, large = (MaxSensitivity(radius=r)(scene, mv.lenses.Gradient()(scene)).value for r in (0.01, 0.3))
    assert (small < large).all()


def test_completeness_of_integrated_gradients():
    scene = small_scene()
    full = CompletenessGap()(scene, mv.lenses.IntegratedGradients(steps=64)(scene))
    bare = CompletenessGap()(scene, mv.lenses.InputXGradient()(scene))
    assert full.value.max() < 0.02 < bare.value.max()
    assert torch.isnan(CompletenessGap()(scene, mv.lenses.Gradient()(scene)).value).all()


def test_roar_wants_the_information_gone():
    """Taking the one telling patch away leaves chance; taking others leaves nearly all. The net learns its task first."""

    class Brightest:
        def __init__(self, sign):
            self.sign = sign

        def __call__(self, scene):
            strength = scene.images.square().mean(1).reshape(-1, 4, 4, 4, 4).mean((2, 4))
            return Heatmap(self.sign * strength, by=self, signed=True)

    scene = small_scene()
    good, bad = (ROAR(shares=(0.1,))(scene, Brightest(sign)(scene)) for sign in (1, -1))
    assert good.curve.y[0, 0] > 0.9 and good.value.max() < 0.45 and bad.value.min() > 0.8


def test_performance_information_prefers_the_object():
    """The pixels of the telling patch, before noise."""
    from .maps import perfect, scene

    asked = scene()
    judge = PerformanceInformation(shares=(0.07, 0.13, 0.3))
    noise = Heatmap(torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(0)), by="noise")
    assert (judge(asked, perfect()).value > judge(asked, noise).value + 0.1).all()
    with pytest.raises(ValueError, match="'SIC' or 'AIC'"):
        PerformanceInformation(kind="PIC")(asked, noise)  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", ["l1", "entropy"])
def test_conciseness_preciseness_of_the_whole_and_of_a_half(measure):
    """The whole picture scores 1; of its left half the number is worked out once more, from pictures shown to the bare model."""
    scene = planted_scene(prefix=1)
    rows, cols = GRID.shape
    whole = ConcisenessPreciseness(measure)(scene, Heatmap(torch.ones(len(scene), rows, cols), by="whole"))
    assert torch.allclose(whole.value, torch.ones(len(scene)), atol=1e-5)
    half = torch.zeros(len(scene), rows, cols)
    half[..., : cols // 2] = 2.0  # its largest value counts as 1
    found = ConcisenessPreciseness(measure)(scene, Heatmap(half, by="half"))
    mean, std = (torch.tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
    for image, value in zip(scene.images, found.value, strict=True):
        shown = (image * std + mean).clamp(0, 1)
        kept = shown.clone()
        kept[..., GRID.width // 2 :] = 0
        with torch.no_grad():
            p, q = (scene.model(((x - mean) / std)[None]).softmax(-1)[0, TARGET] for x in (kept, shown))
        told = []
        for picture in (kept, shown):
            energy = picture.flatten().double() ** 2 / (picture.double() ** 2).sum()
            entropy = -sum(float(e) * np.log(float(e)) for e in energy if e > 0)
            told.append(float(picture.sum()) if measure == "l1" else entropy)
        assert float(value) == pytest.approx(float(p / q) / (told[0] / told[1]), rel=1e-4)
