"""SparK's checkpoints: the net and the decoder of a file, weight for weight, against what the file's layout says it computes."""

import published
import pytest
import timm
import torch
from timm.models.resnet import BasicBlock, Bottleneck, ResNet

import mimviz as mv
from mimviz.cnn import pyramid
from mimviz.core import Mask
from mimviz.zoo.load import inspect, load_encoder

HIDDEN = torch.tensor([[[True, False], [False, True]], [[False, False], [True, False]]])
CONVNEXT = published.spark(published.spark_convnext(), batch=False)


def written(path, state, arch, **config):
    """As SparK's `save_checkpoint_with_meta_info_and_opt_state` does: the configuration lies among the tensors."""
    beside = {"args": "{}", "input_size": 64, "arch": arch, "epoch": 0, "performance_desc": "", "is_pretrain": True}
    torch.save(
        {
            **beside,
            "module": state | {"config": {"sbn": False, **config}},
            "optimizer": {"state": {}, "param_groups": []},
        },
        path,
    )
    return path


def guess_of(model, images):
    with torch.no_grad():
        return model(images, Mask(HIDDEN)).guess


@pytest.mark.parametrize("dim", [64, 32])
def test_the_convnext_of_spark(tmp_path, dim):
    """Also where the decoder is as wide as the last stage: then nothing projects it."""
    state = published.spark(published.spark_convnext(), dim=dim, batch=False)
    model = mv.load_mim(written(tmp_path / "spark.pth", state, "convnext_small", mask_ratio=0.67))
    images, active = torch.randn(2, 3, 64, 64), ~HIDDEN[:, None]
    expected = published.spark_picture(state, published.spark_maps(state, images, active), active)
    assert expected.std() > 0.05
    torch.testing.assert_close(guess_of(model, images), model.grid.patchify(expected), atol=1e-5, rtol=1e-4)
    assert model.grid == mv.Grid(2, 2, 32) and model.normalized and model.where.ratio == 0.67
    told = str(model.found)
    assert (
        "SparK with a ConvNeXt (convnext_small)" in told and f"width {dim}" in told and "the norm before a head" in told
    )
    assert model.reconstruct("astronaut").view is not None


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_the_resnet_of_spark(tmp_path, block):
    """`sp_cnn` is a timm ResNet without a head."""
    torch.manual_seed(0)
    theirs = ResNet(block, (2, 1, 1, 1), num_classes=0).eval()
    for kept in theirs.buffers():
        kept.copy_(torch.rand_like(kept) + 0.5 if kept.is_floating_point() else kept)
    widths = tuple(each * block.expansion for each in (64, 128, 256, 512))
    state = published.spark(theirs.state_dict(), widths, batch=True)
    path = written(tmp_path / "spark.pth", state, "resnet50")
    images, active = torch.randn(2, 3, 64, 64), ~HIDDEN[:, None]
    with torch.no_grad():
        maps = pyramid(theirs, images, active[:, 0])[::-1]
        features = theirs.forward_features(images).flatten(2).transpose(1, 2)
    model, made = mv.load_mim(path), load_encoder(path)
    expected = model.grid.patchify(published.spark_picture(state, maps, active))
    torch.testing.assert_close(guess_of(model, images), expected, atol=1e-5, rtol=1e-4)
    assert made.grid == mv.Grid(2, 2, 32) and model.where.ratio == 0.6
    with torch.no_grad():
        torch.testing.assert_close(made(made.embed(images)), features, atol=1e-5, rtol=1e-5)


def test_its_convnext_is_one_of_timm(tmp_path):
    """timm renames ConvNeXt's tensors too, on its own: both ways lead to the same net."""
    net = published.spark_convnext()
    vit = mv.load_vit(written(tmp_path / "spark.pth", CONVNEXT, "convnext_small"))
    other = timm.create_model("convnext_atto", depths=(1, 2, 1, 1), dims=(8, 16, 24, 32), conv_mlp=False, num_classes=0)
    from timm.models.convnext import checkpoint_filter_fn

    left = other.load_state_dict(checkpoint_filter_fn(net, other), strict=False)
    assert not left.unexpected_keys and all(key.startswith("head.norm") for key in left.missing_keys)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(vit(images), other.eval()(images))
    assert vit.pretrained_cfg["input_size"] == (3, 64, 64)


def test_a_file_that_is_cut_or_of_a_net_of_ones_own(tmp_path):
    short = {k: v for k, v in CONVNEXT.items() if not k.startswith("densify_norms.0.")}
    with pytest.raises(ValueError, match=r"misses decoder\.norms\.3\.bias, decoder\.norms\.3\.weight"):
        mv.load_mim(written(tmp_path / "cut.pth", short, "convnext_small"))
    with pytest.raises(ValueError, match=r"does not want, decoder\.dense_decoder\.more"):
        mv.load_mim(written(tmp_path / "more.pth", CONVNEXT | {"dense_decoder.more": torch.zeros(1)}, "convnext_small"))
    custom = {k.replace("sp_cnn.downsample_layers", "sp_cnn.convolutions"): v for k, v in CONVNEXT.items()}
    path = written(tmp_path / "custom.pth", custom, "your_convnet")
    with pytest.raises(
        ValueError, match=r"neither a ResNet nor a ConvNeXt.*sp_cnn.*SparK with a conv net \(your_convnet\)"
    ):
        mv.load_mim(path)
    with pytest.raises(ValueError, match="the encoder cannot be read"):
        load_encoder(path)
    assert "neither a ResNet" in inspect(path).obstacle
