import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

import mimviz as mv
from mimviz.data.duplicates import exact_groups, near_groups, perceptual_hashes


def photographs(size=64):
    return [Image.fromarray((mv.image(name, size).array * 255).round().astype(np.uint8)) for name in mv.images()]


def tensor(pictures):
    return torch.from_numpy(np.stack([np.asarray(each) for each in pictures])).permute(0, 3, 1, 2).contiguous()


def test_hashes_equal_those_of_imagehash():
    imagehash = pytest.importorskip("imagehash")
    pictures = photographs()
    for ours, picture in zip(perceptual_hashes(tensor(pictures)), pictures, strict=True):
        theirs = imagehash.phash(picture).hash.reshape(64)
        assert np.array_equal(np.unpackbits(np.array([ours]).astype(">u8").view(np.uint8)).astype(bool), theirs)


def test_changed_copies_are_found_and_others_are_not():
    pictures = photographs()
    brighter = [ImageEnhance.Brightness(each).enhance(1.1) for each in pictures]
    smaller = [each.resize((40, 40)).resize((64, 64)) for each in pictures]
    count = len(pictures)
    groups = near_groups(tensor(pictures + brighter + smaller), 8)
    assert sorted(map(sorted, groups)) == [[i, i + count, i + 2 * count] for i in range(count)]
    assert near_groups(tensor(pictures)) == [] and exact_groups(tensor(pictures)) == []
    assert exact_groups(tensor(pictures + pictures[2:4])) == [[2, count], [3, count + 1]]


def test_plain_pictures_of_other_colours_are_not_alike():
    """Their hashes hold no more than rounding."""
    plain = torch.stack([torch.full((3, 16, 16), value, dtype=torch.uint8) for value in (0, 60, 120, 255)])
    assert near_groups(plain) == []


def test_more_bits_than_make_sense():
    with pytest.raises(ValueError, match="0 to 32"):
        near_groups(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), 40)
