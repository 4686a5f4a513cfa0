"""P021's promises, on timm's own ResNets with random weights."""

import pytest
import timm
import torch

import mimviz as mv
from mimviz.cnn import masked_outputs
from mimviz.judges import Deletion
from mimviz.judges.removal import Layers


def net(name: str):
    torch.manual_seed(0)
    made = timm.create_model(name, num_classes=5)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return made.eval()


def hole(size: int = 64) -> torch.Tensor:
    visible = torch.ones(1, 1, size, size)
    visible[..., 8:40, 16:56] = 0
    return visible


every = pytest.mark.parametrize("name", ["resnet18", "resnet26", "resnet26d"])


@every
@torch.no_grad()
def test_all_visible_is_the_net_itself(name):
    model, images = net(name), torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(
        masked_outputs(model, images, torch.ones(2, 1, 64, 64)), model(images), atol=1e-5, rtol=1e-5
    )


@every
@torch.no_grad()
def test_what_is_hidden_cannot_be_seen_bit_for_bit(name):
    model, images, visible = net(name), torch.randn(1, 3, 64, 64), hole()
    other = torch.where(visible > 0, images, 100 * torch.randn_like(images))
    assert not torch.equal(other, images)
    assert torch.equal(masked_outputs(model, images, visible), masked_outputs(model, other, visible))
    assert not torch.equal(masked_outputs(model, images, visible), model(images))


@torch.no_grad()
def test_a_constant_picture_looks_the_same_behind_a_hole():
    """No edge appears: inside the visible part, far from the picture's border, one layer says what it says of the whole picture."""
    model, constant, visible = net("resnet18"), torch.full((1, 3, 64, 64), 0.7), hole()
    from mimviz.cnn.layer_masking import _through

    whole, _ = _through(model.conv1, constant, torch.ones_like(visible))
    masked, m = _through(model.conv1, constant * visible, visible)
    inside = (m > 0).expand_as(masked).clone()
    inside[..., :4, :] = inside[..., -4:, :] = inside[..., :4] = inside[..., -4:] = False
    torch.testing.assert_close(masked[inside], whole[inside], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_naive_twin_of_neighbour_padding():
    """By the paper's sentence: k times, each hidden place beside visible ones takes the mean of these."""
    from mimviz.cnn.layer_masking import _padded

    conv = torch.nn.Conv2d(2, 2, 5, padding=2)
    x, m = torch.randn(1, 2, 7, 9), (torch.rand(1, 1, 7, 9) < 0.3).float()
    want, seen = (x * m).clone(), m.clone()
    for _ in range(5):
        next_want, next_seen = want.clone(), seen.clone()
        for i in range(7):
            for j in range(9):
                if seen[0, 0, i, j] == 0:
                    near = [
                        (a, b) for a in range(max(i - 1, 0), min(i + 2, 7)) for b in range(max(j - 1, 0), min(j + 2, 9))
                    ]
                    near = [(a, b) for a, b in near if seen[0, 0, a, b]]
                    if near:
                        next_want[0, :, i, j] = torch.stack([want[0, :, a, b] for a, b in near]).mean(0)
                        next_seen[0, 0, i, j] = 1
        want, seen = next_want, next_seen
    torch.testing.assert_close(_padded(x * m, m, conv), want, atol=1e-5, rtol=1e-5)


def test_as_a_removal_operator():
    scene = mv.Scene(net("resnet18"), torch.randn(2, 3, 64, 64), target=1)
    heat = mv.lenses.GradCAM()(scene)
    score = Deletion(Layers(), steps=4)(scene, heat)
    torch.testing.assert_close(score.curve.y[:, 0], scene.logits.softmax(-1)[:, 1], atol=1e-5, rtol=1e-5)
    vit = mv.Scene(
        timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, num_classes=3), torch.randn(1, 3, 32, 32)
    )
    with pytest.raises(TypeError, match="written for timm's ResNets"):
        Layers().outputs(vit, torch.zeros(1, 1, 4, 4, dtype=torch.bool))
