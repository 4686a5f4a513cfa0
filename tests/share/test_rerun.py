"""Figures that are made again: identical here, and the reason where they are not."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import mimviz as mv
from mimviz.lab.cli import main
from mimviz.plot.receipt import KEY
from mimviz.share import receipt_of, rerun
from mimviz.share.rerun import method


@pytest.fixture(scope="module")
def tiny():
    return mv.load_mim("tiny")


@pytest.fixture
def outcome(tiny):
    return tiny.reconstruct("coffee", mv.Mask.random(tiny.grid, ratio=0.6, seed=4))


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_reconstruction_says_how_it_was_made_and_is_made_again(kind, outcome, tiny, tmp_path, capsys):
    path = tmp_path / f"figure.{kind}"
    outcome.plot().savefig(path, dpi=80)
    told = receipt_of(path)
    assert told["mask"] == outcome.mask.to_rle() and told["name"] == "tiny" and told["statistics"] == "visible"
    assert told["model"] == mv.vit.fingerprint.fingerprint(tiny) and told["versions"]["torch"] == torch.__version__
    assert main(["rerun", str(path), "-o", str(tmp_path / f"again.{kind}")]) == 0
    assert "\nidentical\n" in capsys.readouterr().out
    assert receipt_of(tmp_path / f"again.{kind}")["answer"] == told["answer"]


def test_a_drawn_mask_carries_its_seed(tiny, tmp_path):
    tiny.reconstruct("cat", ratio=0.5, seed=7).plot().savefig(path := tmp_path / "a.png", bbox_inches="tight")
    assert receipt_of(path)["seed"] == 7
    assert rerun(path).identical


def test_it_says_why_not(outcome, tmp_path, capsys):
    outcome.plot().savefig(path := tmp_path / "figure.png", dpi=60)
    verdict = rerun(path, model="tiny-registers")
    assert not verdict.identical
    assert any(reason.startswith("the model answers otherwise: loss ") for reason in verdict.why)
    assert any("another model: weights" in reason for reason in verdict.why)
    with Image.open(path) as picture:
        told, pixels = json.loads(picture.info[KEY]), np.array(picture)
    pixels[3, 5, 0] ^= 255
    told["versions"]["torch"] = "1.0"
    info = PngInfo()
    info.add_text(KEY, json.dumps(told))
    Image.fromarray(pixels).save(path, pnginfo=info)
    assert main(["rerun", str(path)]) == 1
    said = capsys.readouterr().out
    assert "not identical" in said and "1 of " in said and f"torch {torch.__version__}, was 1.0" in said


def test_a_heatmap_with_its_scene_is_made_again(tmp_path):
    scene = mv.Scene(mv.load_vit("tiny-classifier"), "cat", target=3)
    heat = mv.lenses.Rollout()(scene)
    heat.plot("cat", scene=scene).savefig(path := tmp_path / "map.png", dpi=70)
    assert rerun(path).identical
    heat.plot("cat").savefig(path)
    assert receipt_of(path)["method"].startswith("Rollout(")
    with pytest.raises(ValueError, match=r"heat.plot\(picture, scene=scene\)"):
        rerun(path)


def test_a_model_that_is_gone_or_was_trained_on_is_not_named(tmp_path):
    vit = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=2)
    mim = mv.recipes.mae(vit, dim=16, depth=1).eval()
    outcome = mim.reconstruct("cat")
    with torch.no_grad():
        mim.encoder.vit.patch_embed.proj.weight.mul_(3)
    outcome.plot().savefig(path := tmp_path / "a.png", dpi=50)
    assert receipt_of(path)["model"] is None
    with pytest.raises(ValueError, match="does not say which model"):
        rerun(path)
    assert rerun(path, model=mim).identical is False


def test_a_painters_page_is_made_again(tmp_path):
    painter = mv.MaskPainter("astronaut", strategies=["random"])
    painter.to_html(tmp_path / "page.html")
    painter.close()
    assert rerun(tmp_path / "page.html").identical
    explorer = mv.AttentionExplorer("tiny", "cat")
    page = explorer.to_html(tmp_path / "other.html")
    explorer.save(tmp_path / "heads.svg")
    explorer.close()
    assert receipt_of(tmp_path / "heads.svg")["query"] == "CLS"
    assert re.search(r"page of an? AttentionExplorer", page)
    assert len(receipt_of(tmp_path / "other.html")["models"]) == 1
    with pytest.raises(ValueError, match="carries its answers"):
        rerun(tmp_path / "other.html")


def test_files_that_say_nothing_and_methods_that_are_none(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    for path in (tmp_path / "plain.png", tmp_path / "text.svg"):
        path.exists() or path.write_text("<svg/>")
        with pytest.raises(ValueError, match="does not say how it was made"):
            receipt_of(path)
    with pytest.raises(FileNotFoundError):
        receipt_of(tmp_path / "none.png")
    assert method("Rollout()") == mv.lenses.Rollout()
    for said in ("__import__('os').system('x')", "Rollout(print(1))", "Nothing()", "an error", "Rollout(fusion=open)"):
        with pytest.raises(ValueError, match="no lens of mimviz"):
            method(said)
