"""What README and docs promise is there: links, commands, and the code of the README."""

import re
from pathlib import Path

import numpy as np
import pytest

from mimviz.lab.cli import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    for link in (link for link in links if "://" not in link):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_exist(page):
    named = re.findall(r"`mimviz ([a-z]+)", page.read_text("utf-8"))
    assert set(named) <= set(COMMANDS)


def test_readme_commands_are_well_formed():
    """Each line of a shell block that begins with `mimviz` is understood by its parser."""
    lines = re.findall(r"^mimviz (.+?)(?:\s+#.*)?$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        words = line.split()
        assert build_parser(words).parse_args(words).command in COMMANDS


# What stands in a page for what a reader has: a name that would be downloaded, steps that would take hours. Each must be found.
INSTEAD = {
    "README.md": {
        "batches, steps=500": 'mv.data.dataset("photos", size=64).batches(4, recipe), steps=2',
        'positions="sincos"': 'positions="sincos", embed_dim=24, depth=1, num_heads=2',
        "mv.lenses.IntegratedGradients()(scene)": "mv.lenses.IntegratedGradients(steps=4)(scene)",
        "mv.judges.Deletion()(scene, heat)": "mv.judges.Deletion(steps=4)(scene, heat)",
    },
    "models.md": {
        '"vit_base_patch16_224.mae"': '"vit_tiny_patch16_224", pretrained=False',
        '"timm/vit_small_patch14_reg4_dinov2.lvd142m"': '"vit_small_patch14_reg4_dinov2", pretrained=False',
        '"probe.pth", architecture="vit_small_patch16_224"': '"probe.pth", architecture="vit_tiny_patch16_224"',
    },
}


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with what pages speak of: a picture, photos by class, a checkpoint."""
    import timm
    import torch

    import mimviz as mv

    monkeypatch.chdir(tmp_path)
    mv.image("cat").save("holiday.jpg")
    mv.image("cat").save("photo.jpg")
    noise = np.random.default_rng(0)
    for kind in ("cat", "rocket"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(6):
            mv.image(np.kron(noise.random((4, 4, 3)), np.ones((10, 10, 1)))).save(
                tmp_path / "photos" / kind / f"{i}.png"
            )
    torch.save(timm.create_model("vit_tiny_patch16_224").state_dict(), "probe.pth")
    return tmp_path


def close_all(*, but=()):
    """Widgets of a block that are shown and not named would work on beside the next one."""
    from ipywidgets.widgets import widget

    for each in list(widget._instances.values()):
        if hasattr(each, "wait") and not any(each is one for one in but):
            each.close()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore")
def test_every_block_of_code_runs(page, desk):
    """In order and with one set of names, as a reader would."""
    import mimviz as mv

    names: dict = {"mv": mv}
    missing = dict(INSTEAD.get(page.name, {}))
    for block in blocks(page):
        for said, instead in INSTEAD.get(page.name, {}).items():
            if said in block:
                block = block.replace(said, instead)
                missing.pop(said, None)
        exec(compile(block, page.name, "exec"), names)
        close_all(but=names.values())
    assert not missing, f"{page.name} no longer says {list(missing)}"
    close_all()


def test_the_readme_says_what_the_mask_is(desk):
    """The first block ends with the mask inverted."""
    code = blocks(ROOT / "README.md")[0]
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["painter"].mask.ratio == 0.25  # inverted
    said = re.search(r"painter\.mask +# (Mask.*)", code)[1]
    names["painter"].mask = ~names["painter"].mask
    assert repr(names["painter"].mask) == said
    names["painter"].close()


def test_the_code_about_exact_attention_says_what_the_page_says(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "exact-attention.md").read_text("utf-8"), re.DOTALL)
    exec(compile(code[1], "exact-attention.md", "exec"), {})
    correlation, certificate = capsys.readouterr().out.splitlines()
    assert abs(float(re.search(r"map: ([+-][\d.]+)", correlation)[1])) < 0.3  # what circulates is not the map
    assert certificate.startswith("exact")
