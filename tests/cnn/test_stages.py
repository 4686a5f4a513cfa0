"""Stages of conv nets, compared with what a pass leaves behind."""

import pytest
import timm
import torch

from mimviz import Grid
from mimviz.cnn import FAMILIES, stages

SMALL = {"depths": (1, 1, 2, 1), "dims": (8, 16, 24, 32)}
NETS = {
    "ResNet-18": ("resnet18", {}, 8),
    "ResNet-26, deep stem": ("resnet26d", {}, 8),
    "ResNet, no down-sampling at the end": ("resnet18", {"output_stride": 16}, 8),
    "ResNet, no first pooling": ("resnet18", {"stem_type": "deep", "replace_stem_pool": True}, 8),
    "Res2Net": ("res2net50d", {"layers": (1, 1, 1, 1)}, 4),
    "ConvNeXt": ("convnext_atto", SMALL, 5),
    "ConvNeXt, overlapping stem": ("convnext_atto_ols", SMALL, 5),
    "ConvNeXt v2": ("convnextv2_atto", SMALL, 5),
    "ConvNeXt, dilated": ("convnext_atto", {**SMALL, "output_stride": 16}, 5),
}


@pytest.mark.parametrize(("name", "options", "count"), NETS.values(), ids=NETS)
def test_grids_and_widths_are_those_of_a_pass(name, options, count):
    net = timm.create_model(name, **options).eval()
    assert isinstance(net, FAMILIES)
    found, seen = stages(net, 64, 96), {}
    for module in (*found.modules, *found.blocks):
        net.get_submodule(module).register_forward_hook(
            lambda _, args, out, at=module: seen.update({at: tuple(out.shape[1:])})
        )
    with torch.no_grad():
        features = net.forward_features(torch.randn(1, 3, 64, 96))
    shapes = [(width, *grid.shape) for width, grid in zip(found.widths, found.grids, strict=True)]
    assert [seen[module] for module in found.modules] == shapes
    assert [seen[block] for block in found.blocks] == [shapes[stage] for stage in found.stage_of]
    assert tuple(features.shape[1:]) == shapes[-1]
    assert len(found.blocks) == count and found.pool == "avg"
    assert all(
        block.startswith(found.modules[stage] + ".") for block, stage in zip(found.blocks, found.stage_of, strict=True)
    )


def test_numbers_by_hand():
    found = stages(timm.create_model("convnextv2_atto", **SMALL), 64, 32)
    assert found.grids == (Grid(16, 8, 4), Grid(8, 4, 8), Grid(4, 2, 16), Grid(2, 1, 32))
    assert found.widths == (8, 16, 24, 32)
    assert found.modules == ("stages.0", "stages.1", "stages.2", "stages.3")
    assert found.blocks == tuple(f"stages.{s}.blocks.{i}" for s, i in ((0, 0), (1, 0), (2, 0), (2, 1), (3, 0)))
    assert found.stage_of == (0, 1, 2, 2, 3)


def test_other_ways_to_pool():
    assert stages(timm.create_model("resnet18", global_pool="catavgmax"), 32, 32).pool == "catavgmax"
    assert stages(timm.create_model("resnet18", num_classes=0, global_pool=""), 32, 32).pool == ""
    assert stages(timm.create_model("convnext_atto", global_pool="max", **SMALL), 32, 32).pool == "max"


def test_a_size_that_the_last_stage_does_not_divide():
    with pytest.raises(
        ValueError, match=r"48 x 64 pixels does not divide into patches of 32: crop or resize it to 32 x 64"
    ):
        stages(timm.create_model("resnet18"), 48, 64)
