"""What README and docs promise is there: links, commands, and the code of the README."""

import re
from pathlib import Path

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


def test_readme_code_runs(tmp_path, monkeypatch):
    """The first Python block, with a picture of ours instead of the reader's."""
    import mimviz as mv

    monkeypatch.chdir(tmp_path)
    mv.image("cat").save("holiday.jpg")
    code = re.search(r"```python\n(import mimviz.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    names: dict = {}
    exec(compile(code[1], "README.md", "exec"), names)
    assert names["painter"].mask.ratio == 0.25  # inverted
    said = re.search(r"painter\.mask +# (Mask.*)", code[1])[1]
    names["painter"].mask = ~names["painter"].mask
    assert repr(names["painter"].mask) == said
    names["painter"].close()


def test_the_code_about_exact_attention_says_what_the_page_says(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "exact-attention.md").read_text("utf-8"), re.DOTALL)
    exec(compile(code[1], "exact-attention.md", "exec"), {})
    correlation, certificate = capsys.readouterr().out.splitlines()
    assert abs(float(re.search(r"map: ([+-][\d.]+)", correlation)[1])) < 0.3  # what circulates is not the map
    assert certificate.startswith("exact")
