import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mimviz.data import Batches

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (10, 3, 8, 12), np.uint8))


def batches(images=IMAGES, batch_size=3, **options):
    return Batches(images, batch_size, **{"mean": MEAN, "std": STD, **options})


def test_without_augmentation_the_exact_normalized_pixels():
    plain = batches(augment=False)
    for step in range(7):
        expected = IMAGES[plain.ids(step)].float() / 255
        for channel in range(3):
            expected[:, channel] = (expected[:, channel] - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(plain.at(step), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("augment", [True, False])
def test_a_batch_is_a_function_of_seed_and_step(augment):
    steps = [0, 5, 2, 1000]
    first, second = batches(augment=augment), batches(augment=augment)
    going_on = [second.at(step) for step in steps]
    assert all(torch.equal(first.at(step), each) for step, each in zip(steps, going_on, strict=True))
    assert not torch.equal(first.at(0), batches(augment=augment, seed=1).at(0))
    assert not torch.equal(first.at(0), first.at(3))


def test_iterating_is_counting_and_leaves_the_global_generators_alone():
    numbers = torch.rand(1), np.random.get_state()[1].copy()  # noqa: NPY002
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    ours = batches()
    for step, images in zip(range(8), ours, strict=False):
        assert torch.equal(images, ours.at(step))
    for step, images in zip(range(4, 8), ours.starting(4), strict=False):
        assert torch.equal(images, ours.at(step))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(numbers[1], np.random.get_state()[1])  # noqa: NPY002


def test_each_epoch_shows_each_image_at_most_once_in_another_order():
    ours = batches()
    assert len(ours) == 3
    epochs = [torch.cat([ours.ids(epoch * 3 + step) for step in range(3)]) for epoch in range(20)]
    assert all(len(epoch.unique()) == 9 for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) > 15
    assert torch.cat(epochs).unique().numel() == 10  # the one left out changes


def test_crops_have_the_promised_areas_ratios_and_places():
    y, x = torch.meshgrid(torch.linspace(0, 255, 64), torch.linspace(0, 255, 64), indexing="ij")
    ramp = torch.stack([y, x, x]).round().to(torch.uint8).repeat(400, 1, 1, 1)
    crops = Batches(ramp, 400, mean=(0, 0, 0), std=(1, 1, 1)).at(0)
    height = crops[:, 0, -8, 8] - crops[:, 0, 8, 8]  # of 48 pixels in the crop
    width = crops[:, 1, 8, -8] - crops[:, 1, 8, 8]
    area = (height * width.abs()) * (63 / 48) ** 2  # 64 pixels are 63 steps of the ramp
    ratio = width.abs() / height
    assert area.min() > 0.48
    assert area.max() < 1.02
    assert area.std() > 0.1
    assert ratio.min() > 0.72
    assert ratio.max() < 1.37
    assert 120 < (width < 0).sum() < 280  # flipped
    assert crops.amin() >= 0
    assert crops.amax() <= 1
    assert (crops[:, 0, 0, 0] < 0.02).sum() > 5  # some crops touch the top edge, some the bottom edge
    assert (crops[:, 0, -1, 0] > 0.98).sum() > 5


def test_the_whole_picture_as_crop_is_the_picture_or_its_mirror():
    ours = batches(scale=(1, 1), ratio=(1.5, 1.5))  # 12 × 8
    images = IMAGES[ours.ids(0)].float() / 255
    for crop, image in zip(
        batches(scale=(1, 1), ratio=(1.5, 1.5), mean=(0, 0, 0), std=(1, 1, 1)).at(0), images, strict=True
    ):
        assert torch.allclose(crop, image, atol=1e-5) or torch.allclose(crop, image.flip(-1), atol=1e-5)


def test_a_crop_equals_the_naive_twin():
    ours = batches(mean=(0, 0, 0), std=(1, 1, 1))
    images = IMAGES[ours.ids(4)].float() / 255
    grid = ours._boxes(4, images)
    twin = torch.stack(
        [
            F.grid_sample(i[None], g[None], padding_mode="border", align_corners=False)[0]
            for i, g in zip(images, grid, strict=True)
        ]
    )
    torch.testing.assert_close(ours.at(4), twin)
    assert grid.abs().max() <= 1


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (IMAGES, {"batch_size": 11}, "batch_size=11, but 1 to 10 is possible.*smaller batches"),
        (IMAGES, {"batch_size": 0}, "batch_size=0"),
        (IMAGES[:0], {}, "there are 0 images"),
        (IMAGES.float(), {}, "float32.*uint8"),
        (IMAGES[:, :1], {}, r"\(10, 1, 8, 12\)"),
        (IMAGES, {"scale": (0.9, 0.5)}, "rising pairs"),
        (IMAGES, {"scale": (0.5, 1.5)}, "within 0..1"),
        (IMAGES, {"ratio": (0, 1)}, "rising pairs"),
        (IMAGES, {"mean": (0.5,)}, "three numbers"),
        (IMAGES, {"std": (0.5, 0, 1)}, "above 0"),
    ],
)
def test_what_cannot_be_batched_is_said(images, options, message):
    with pytest.raises(ValueError, match=message):
        batches(images, **options)


def test_labels_travel_with_their_pictures():
    labels = torch.arange(10) * 7
    both = batches(labels=labels, augment=False)
    assert len(both) == len(batches())
    for step in range(7):
        images, numbers = both.at(step)
        torch.testing.assert_close(images, batches(augment=False).at(step))
        assert torch.equal(numbers, both.ids(step) * 7)
    with pytest.raises(ValueError, match=r"labels have shape \(9,\), but \(10,\) is needed"):
        batches(labels=labels[:9])


def test_steps_count_from_zero():
    with pytest.raises(ValueError, match="step=-1"):
        batches().at(-1)
