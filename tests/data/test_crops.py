"""Crops of the bundled photographs."""

import torch

from mimviz.data import crops, images


def test_so_many_of_each_picture_and_always_the_same():
    cut = crops(24, 32, each=2, seed=1)
    assert cut.shape == (2 * len(images()), 3, 24, 32) and cut.dtype == torch.uint8
    crops.cache_clear()
    assert torch.equal(crops(24, 32, each=2, seed=1), cut)
    assert not torch.equal(crops(24, 32, each=2, seed=2), cut)


def test_they_are_pictures_and_differ():
    cut = crops(24, 32, each=2, seed=1).float()
    assert (cut.flatten(1).std(1) > 1).float().mean() > 0.9
    first, second = cut[0::2], cut[1::2]
    assert ((first - second).abs().flatten(1).mean(1) > 1).all()
