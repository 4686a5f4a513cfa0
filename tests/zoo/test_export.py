"""A tuned classifier goes out of mimviz and answers the same elsewhere."""

import json

import pytest
import timm
import torch

import mimviz as mv
from mimviz.tune import classifier, head_only, lora, prompted, two_tokens
from mimviz.zoo import export_own, export_timm, export_transformers

CLASSES = ["red", "green", "blue"]
SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}


def masked(**options):
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", **SMALL | {"positions": "sincos"} | options)
    return mv.recipes.mae(encoder, dim=16, depth=1).eval()


def shaken(vit):
    """As if it had been tuned."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in vit.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) * 0.1)
        for module in vit.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return vit.eval()


TUNED = {
    "whole": lambda: classifier(masked(), 3),
    "token": lambda: classifier(masked(reg_tokens=2), 3, pool="token"),
    "lora": lambda: lora(masked(), 3),
    "prompts": lambda: prompted(masked(), 3, tokens=2),
    "head": lambda: head_only(masked(), 3),
    "normed head": lambda: head_only(masked(), 3, norm=True),
    "two tokens": lambda: two_tokens(masked(), 3),
}
IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("how", TUNED)
def test_timm_builds_and_loads_it(how, tmp_path):
    vit = shaken(TUNED[how]())
    out = export_timm(vit, tmp_path / "mine", classes=CLASSES, data="my photographs")
    wanted = vit(IMAGES).detach()
    config = json.loads((out / "config.json").read_text())
    file = str(out / "model.safetensors")
    alone = timm.create_model(config["architecture"], checkpoint_path=file, **config["model_args"]).eval()
    torch.testing.assert_close(alone(IMAGES), wanted, atol=1e-5, rtol=1e-5)
    folder = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
    torch.testing.assert_close(folder(IMAGES), wanted, atol=1e-5, rtol=1e-5)
    ours = mv.load_vit(str(out))
    torch.testing.assert_close(ours(IMAGES), wanted, atol=1e-5, rtol=1e-5)
    assert ours.classes == CLASSES and tuple(ours.pretrained_cfg["mean"]) == tuple(vit.pretrained_cfg["mean"])
    card = (out / "README.md").read_text()
    assert "red, green, blue" in card and "| data | my photographs |" in card


@pytest.mark.parametrize("how", TUNED)
def test_mimviz_opens_its_own_file(how, tmp_path):
    vit = shaken(TUNED[how]())
    out = export_own(vit, tmp_path / "mine", classes=CLASSES, accuracy=0.75)
    ours = mv.load_vit(str(out / "model.safetensors"))
    torch.testing.assert_close(ours(IMAGES), vit(IMAGES).detach(), atol=1e-5, rtol=1e-5)
    assert ours.classes == CLASSES and ours.card["accuracy"] == 0.75
    assert "0.75" in (out / "README.md").read_text()


@pytest.mark.parametrize("how", ["token", "lora"])
def test_transformers_loads_a_plain_vit(how, tmp_path):
    transformers = pytest.importorskip("transformers")
    vit = shaken(
        classifier(masked(), 3, pool="token") if how == "token" else lora(classifier(masked(), 3, pool="token"), 3)
    )
    out = export_transformers(vit, tmp_path / "mine", classes=CLASSES)
    theirs = transformers.ViTForImageClassification.from_pretrained(out).eval()
    torch.testing.assert_close(theirs(IMAGES).logits, vit(IMAGES), atol=1e-5, rtol=1e-5)
    assert theirs.config.id2label == dict(enumerate(CLASSES))
    processor = json.loads((out / "preprocessor_config.json").read_text())
    assert processor["image_mean"] == list(vit.pretrained_cfg["mean"])
    again = mv.load_vit(str(out))
    torch.testing.assert_close(again(IMAGES), vit(IMAGES).detach(), atol=1e-5, rtol=1e-5)


def test_what_transformers_cannot_hold_is_refused(tmp_path):
    for vit, reason in (
        (classifier(masked(), 3), "reads the avg of the patches"),
        (classifier(masked(reg_tokens=2), 3, pool="token"), "it has reg_tokens"),
        (two_tokens(masked(), 3), "it is a VisionTransformerDistilled"),
    ):
        with pytest.raises(ValueError, match=reason):
            export_transformers(vit.eval(), tmp_path / "no", classes=CLASSES)
    assert not (tmp_path / "no").exists()


def test_what_timm_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="prompts stand in 2 blocks"):
        export_timm(prompted(masked(), 3, deep=True), tmp_path / "no", classes=CLASSES)
    with pytest.raises(ValueError, match="learnable memory"):
        export_timm(mv.tune.Memory(masked(), 3), tmp_path / "no", classes=CLASSES)
