"""What mkdocs calls while it builds the site: the gallery is made from the code, links that leave docs/ go where they lead."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import warnings
from pathlib import Path
from typing import Any

from cards import ROOT, SHELVES, Card, cards, gallery_page, markdown, shelf_page
from mkdocs.structure.files import File
from pictures import draw

log = logging.getLogger("mkdocs.mimviz")
KEPT = ROOT / "build" / "gallery"  # pictures of an earlier build, by the code that they show
COPIED = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Any, config: Any) -> Any:
    """Pages that are not written by hand: the gallery, the API of each package, and those that lie beside docs/."""

    def add(name: str, content: str | bytes) -> None:
        files.append(File.generated(config, name, content=content))

    for there, name in COPIED.items():
        add(name, (ROOT / there).read_text("utf-8"))
    for package in PACKAGES:
        add(f"api/{package}.md", f"# mimviz.{package}\n\n::: mimviz.{package}\n")
    every = cards()
    drawn: dict[str, tuple[bytes, str]] = {}
    for card in every:
        drawn[card.page] = _picture(card)
        add(card.image, drawn[card.page][0])
        add(card.page, markdown(card, picture=True, cost=drawn[card.page][1]))
    add("gallery/index.md", gallery_page(every))
    for shelf in SHELVES:
        add(
            f"gallery/{shelf}/index.md",
            shelf_page(shelf, [c for c in every if c.shelf == shelf], {c.image for c in every}),
        )
    return files


PACKAGES = (
    "core",
    "data",
    "vit",
    "lenses",
    "judges",
    "discover",
    "grammar",
    "recipes",
    "tune",
    "train",
    "studies",
    "zoo",
    "plot",
    "widgets",
    "share",
)


def _picture(card: Card) -> tuple[bytes, str]:
    """Drawn anew only where the method's own file, or how it is drawn, has changed since."""
    import mimviz

    about = [
        ROOT / card.file,
        Path(__file__).parent / "pictures.py",
        Path(mimviz.__file__).parent / "core" / "heatmap.py",
    ]
    key = hashlib.blake2b(b"".join(each.read_bytes() for each in about), digest_size=8).hexdigest()
    kept = KEPT / f"{card.shelf}-{card.name}-{key}.png"
    words = kept.with_suffix(".txt")
    if not words.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a method warns of stands in its map's description
            png, cost = draw(card)
        KEPT.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(png)
        words.write_text(cost, "utf-8")
        log.info("drew %s", card.page)
    return kept.read_bytes(), words.read_text("utf-8")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """A link that leaves docs/ leads to the page here, where there is one; else the file is named."""
    here = Path(config["docs_dir"]) / page.file.src_uri

    def target(match: re.Match) -> str:
        link, anchor = match[2], match[3] or ""
        if "://" in link or link.startswith(("#", "mailto:")):
            return match[0]
        base = ROOT if page.file.src_uri in COPIED.values() else here.parent
        path = Path(os.path.normpath(base / link))
        for there, name in COPIED.items():
            if path == ROOT / there:
                return f"{match[1]}({os.path.relpath(name, Path(page.file.src_uri).parent)}{anchor})"
        if path.is_relative_to(ROOT / "docs"):
            return f"{match[1]}({os.path.relpath(path, here.parent)}{anchor})"
        if path.is_relative_to(ROOT) and path.exists():
            return f"{match[1][1:-1]} (`{path.relative_to(ROOT)}`)"
        return match[0]

    return re.sub(r"(\[[^\]]*\])\(([^)#\s]+)(#[^)\s]*)?\)", target, markdown)
