import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from timm_families import GLOBAL, IMAGENET, WIDE, Case

from mimviz import Grid
from mimviz.vit import anatomy
from mimviz.vit.anatomies import READERS
from mimviz.vit.anatomies.refused import CONV_NETS, REASONS

SMALL_SWIN = {"img_size": (32, 64), "depths": (2, 2, 2), "num_heads": (1, 2, 4), "embed_dim": 16, "window_size": 4}


@pytest.mark.parametrize("case", GLOBAL.values(), ids=GLOBAL)
def test_a_vit_is_described_exactly(case: Case):
    model = case.build()
    found = anatomy(model, size=case.size)
    assert found.family == type(model).__name__
    assert (found.grid, found.stages) == (case.grid, (case.grid,))
    assert (found.prefix, found.class_tokens, found.registers) == case.tokens
    assert (found.positions, found.pool, found.reach) == (case.positions, case.pool, "global")
    assert (found.mean, found.std) == case.colours
    assert found.width == 48
    depth = len(model.blocks)
    assert found.blocks == tuple(f"blocks.{i}" for i in range(depth)) and found.stage_of == (0,) * depth
    assert found.attentions == case.more.get("attentions", tuple(f"blocks.{i}.attn" for i in range(depth)))
    assert found.size == case.more.get("size", (case.grid.height, case.grid.width))
    assert found.prefix_from == case.more.get("prefix_from", 0)


@pytest.mark.parametrize("case", GLOBAL.values(), ids=GLOBAL)
def test_the_numbers_are_those_of_a_pass(case: Case):
    """The grid, the prefix and the size are what timm makes of a picture of that size."""
    model, found, seen = case.build(), anatomy(case.build(), size=case.size), {}
    for name in found.blocks:
        model.get_submodule(name).register_forward_hook(
            lambda _, args, out, name=name: seen.update({name: out.shape[1]})
        )
    with torch.no_grad():
        features = model.forward_features(torch.randn(1, 3, *found.size))
    assert features.shape == (1, found.prefix + found.grid.count, found.width)
    without = [seen[name] == found.grid.count for name in found.blocks]
    assert not found.prefix or without == [i < found.prefix_from for i in range(len(found.blocks))]


STAGED = {
    "Swin": (
        "swin_tiny_patch4_window7_224", SMALL_SWIN, None, [(8, 16, 4), (4, 8, 8), (2, 4, 16)],
        [f"layers.{s}.blocks.{i}" for s in range(3) for i in range(2)], (0, 0, 1, 1, 2, 2), 64,
        "relative bias", "windows", ".attn",
    ),
    "Swin v2": (
        "swinv2_tiny_window8_256", SMALL_SWIN, None, [(8, 16, 4), (4, 8, 8), (2, 4, 16)],
        [f"layers.{s}.blocks.{i}" for s in range(3) for i in range(2)], (0, 0, 1, 1, 2, 2), 64,
        "continuous relative bias", "windows", ".attn",
    ),
    "Swin, any size": (
        "swin_tiny_patch4_window7_224", {**SMALL_SWIN, "strict_img_size": False}, (64, 64),
        [(16, 16, 4), (8, 8, 8), (4, 4, 16)],
        [f"layers.{s}.blocks.{i}" for s in range(3) for i in range(2)], (0, 0, 1, 1, 2, 2), 64,
        "relative bias", "windows", ".attn",
    ),
    "Hiera": (
        "hiera_tiny_224", {"img_size": (64, 96), "stages": (1, 2, 1, 1), "embed_dim": 16}, None,
        [(16, 24, 4), (8, 12, 8), (4, 6, 16), (2, 3, 32)],
        [f"blocks.{i}" for i in range(5)], (0, 1, 1, 2, 3), 128, "learned", "windows", ".attn",
    ),
    "Hiera, pooled twice": (
        "hiera_tiny_224", {"img_size": (64, 96), "stages": (1, 2, 1, 1), "embed_dim": 16, "q_pool": 2}, None,
        [(16, 24, 4), (8, 12, 8), (4, 6, 16)],
        [f"blocks.{i}" for i in range(5)], (0, 1, 1, 2, 2), 128, "learned", "windows", ".attn",
    ),
    "ResNet": (
        "resnet26d", {}, (64, 96), [(16, 24, 4), (8, 12, 8), (4, 6, 16), (2, 3, 32)],
        [f"layer{s}.{i}" for s in range(1, 5) for i in range(2)], (0, 0, 1, 1, 2, 2, 3, 3), 2048,
        "none", "convolutions", None,
    ),
    "ResNet, dilated": (
        "resnet18", {"output_stride": 8}, (64, 96), [(16, 24, 4), (8, 12, 8), (8, 12, 8), (8, 12, 8)],
        [f"layer{s}.{i}" for s in range(1, 5) for i in range(2)], (0, 0, 1, 1, 2, 2, 3, 3), 512,
        "none", "convolutions", None,
    ),
    "ConvNeXt": (
        "convnext_atto", {"depths": (1, 1, 2, 1)}, (64, 96), [(16, 24, 4), (8, 12, 8), (4, 6, 16), (2, 3, 32)],
        ["stages.0.blocks.0", "stages.1.blocks.0", "stages.2.blocks.0", "stages.2.blocks.1", "stages.3.blocks.0"],
        (0, 1, 2, 2, 3), 320, "none", "convolutions", None,
    ),
    "ConvNeXt v2": (
        "convnextv2_atto", {"depths": (1, 1, 2, 1)}, (64, 96), [(16, 24, 4), (8, 12, 8), (4, 6, 16), (2, 3, 32)],
        ["stages.0.blocks.0", "stages.1.blocks.0", "stages.2.blocks.0", "stages.2.blocks.1", "stages.3.blocks.0"],
        (0, 1, 2, 2, 3), 320, "none", "convolutions", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "size", "grids", "blocks", "stage_of", "width", "positions", "reach", "attention"),
    STAGED.values(), ids=STAGED,
)  # fmt: skip
def test_a_hierarchy_is_described_exactly(
    name, options, size, grids, blocks, stage_of, width, positions, reach, attention
):
    model = timm.create_model(name, **options).eval()
    found, seen = anatomy(model, size=size), []
    assert found.stages == tuple(Grid(*each) for each in grids) and found.grid == found.stages[-1]
    assert (found.blocks, found.stage_of, found.width) == (tuple(blocks), stage_of, width)
    assert (found.positions, found.reach, found.pool) == (positions, reach, "avg")
    assert found.attentions == (tuple(block + attention for block in blocks) if attention else ())
    assert (found.prefix, found.class_tokens, found.registers) == (0, 0, 0)
    assert (found.mean, found.std) == IMAGENET
    for block in found.blocks:
        model.get_submodule(block).register_forward_hook(lambda _, args, out: seen.append(out[0].numel()))
    with torch.no_grad():
        features = model.forward_features(torch.randn(1, 3, *found.size))
    assert features.numel() == found.grid.count * found.width
    widths = [numbers / found.stages[stage].count for numbers, stage in zip(seen, found.stage_of, strict=True)]
    assert all(each == int(each) for each in widths) and widths[-1] == width


def test_sizes_that_a_model_does_not_take():
    fixed = timm.create_model("vit_tiny_patch16_224", **WIDE)
    assert anatomy(fixed, size=(32, 48)).size == (32, 48)
    with pytest.raises(ValueError, match=r"takes pictures of 32 x 48 pixels, not of 32 x 32: create it with img_size="):
        anatomy(fixed, size=(32, 32))
    dynamic = timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True, **WIDE)
    with pytest.raises(ValueError, match="36 x 48 pixels does not divide into patches of 8"):
        anatomy(dynamic, size=(36, 48))
    with pytest.raises(ValueError, match="72 x 64 pixels does not divide into patches of 32"):
        anatomy(timm.create_model("resnet18"), size=(72, 64))
    with pytest.raises(ValueError, match="does not divide into patches of 32"):
        anatomy(timm.create_model("swin_tiny_patch4_window7_224", img_size=48))
    with pytest.raises(ValueError, match="numbers the patches of a square"):
        anatomy(timm.create_model("convit_tiny", img_size=(32, 48), depth=1))


def test_channels_and_patches_that_are_no_squares_of_three_colours():
    with pytest.raises(ValueError, match="1 channels, but 3"):
        anatomy(timm.create_model("vit_tiny_patch16_224", in_chans=1, **WIDE))
    with pytest.raises(ValueError, match="4 channels, but 3"):
        anatomy(timm.create_model("resnet18", in_chans=4))
    with pytest.raises(ValueError, match="8 x 16 pixels, but square ones"):
        anatomy(timm.create_model("vit_tiny_patch16_224", **{**WIDE, "patch_size": (8, 16)}))


REFUSED = {
    "xcit_nano_12_p16_224": ({"depth": 1}, "Xcit: its attention is between channels"),
    "cait_xxs24_224": ({"depth": 1}, "Cait: its heads are mixed before and after the softmax"),
    "maxvit_tiny_tf_224": ({}, "MaxxVit: convolutions take turns with attention in windows"),
    "coatnet_nano_rw_224": ({}, "MaxxVit: convolutions take turns"),
    "levit_128s": ({}, "LevitDistilled: its patches come out of a stem of overlapping convolutions"),
    "vit_tiny_r_s16_p8_224": ({}, "VisionTransformer: its patches come out of a stem .*Sequential"),
    "vitamin_small_224": ({"depth": 1}, "VisionTransformer: its patches come out of a stem .*MbConvStages"),
    "crossvit_9_240": ({}, "CrossVit: it sees the picture twice"),
    "mixer_s32_224": ({}, "MlpMixer: it has no attention"),
    "pvt_v2_b0": ({}, "PyramidVisionTransformerV2: its patches overlap"),
    "samvit_base_patch16": ({"depth": 1}, "VisionTransformerSAM: it is the eye of Segment Anything"),
    "swinv2_cr_tiny_224": ({}, "SwinTransformerV2Cr: it is another implementation of Swin v2"),
    "mobilevit_xxs": ({}, "ByobNet: it is a conv net, in some variants with attention"),
    "efficientnet_b0": (
        {},
        "EfficientNet: it is a conv net of another kind; of conv nets, ResNet and ConvNeXt are read",
    ),
    "qwen3_vit_88m": ({}, "Qwen3VitClassifier: it is the image encoder of a language model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_families_are_refused_by_name_with_the_reason(name):
    options, reason = REFUSED[name]
    with torch.device("meta"):
        model = timm.create_model(name, **options)
    with pytest.raises(TypeError, match=f"mimviz cannot read {reason}"):
        anatomy(model)


def test_every_family_of_timm_is_read_or_refused_with_a_reason():
    """By the modules in which timm keeps them, so that a new version's new families are noticed."""
    elsewhere = {
        "byoanet",
        "deit",
        "hardcorenas",
        "mobilevit",
        "res2net",
        "resnest",
        "sknet",
        "vision_transformer_hybrid",
        "vitamin",
    }
    homes = {
        timm.models.model_entrypoint(name).__module__.rpartition(".")[2] for name in timm.list_models()
    } - elsewhere
    read = {each.__module__.rpartition(".")[2] for classes, _ in READERS for each in classes}
    assert not read & {*REASONS, *CONV_NETS} and not {*REASONS} & {*CONV_NETS}
    unknown = homes - read - {*REASONS, *CONV_NETS}
    assert not unknown, f"timm {timm.__version__} has families that mimviz says nothing about: {sorted(unknown)}"


def test_anything_else_is_refused_too():
    with pytest.raises(TypeError, match=r"cannot read Linear: it is no timm model of the classes Beit, ConVit,"):
        anatomy(torch.nn.Linear(2, 2))


def test_a_conv_net_whose_own_size_its_last_stage_does_not_divide():
    """timm trains it at 176 pixels; the next size up is 192."""
    found = anatomy(timm.create_model("resnet10t"))
    assert (found.size, found.grid) == ((192, 192), Grid(6, 6, 32))


def test_classes_made_from_those_of_timm():
    class Headed(VisionTransformer):
        def forward_head(self, x, pre_logits=False):
            return x.mean(1)

    class Shuffled(VisionTransformer):
        def _pos_embed(self, x):
            return super()._pos_embed(x.flip(1))

    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
    found = anatomy(Headed(**options))
    assert (found.family, found.grid) == ("Headed", Grid(2, 2, 8))
    with pytest.raises(TypeError, match="cannot read Shuffled: it is a VisionTransformer with a _pos_embed of its own"):
        anatomy(Shuffled(**options))
