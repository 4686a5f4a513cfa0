"""The cards of the documentation's gallery say what is so."""

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site():
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        import cards
        import pictures

        yield cards, pictures
    finally:
        sys.path.pop(0)


def test_every_method_has_a_card_with_a_paper_and_tests(site):
    cards, _ = site
    every = {(card.shelf, card.name): card for card in cards.cards()}
    assert {("recipes", "mae"), ("lenses", "Rollout"), ("judges", "Deletion"), ("discover", "LOST")} <= set(every)
    assert ("judges", "Cells") not in every, "a value is no method"
    for card in every.values():
        title, source, url = cards.paper(card)
        assert title and source and url.startswith("https://"), card
        assert cards.tests(card), f"no test names {card.name}"


def test_a_card_reads_off_the_code(site):
    cards, _ = site
    card = next(card for card in cards.cards() if card.name == "Deletion")
    text = cards.markdown(card, picture=True, cost="little")
    assert "arxiv.org/abs/1806.07421" in text and "| `steps` | `32` |" in text and "](Deletion.png)" in text
    assert cards.call(card) == "mv.judges.Deletion()(scene, heat)"
    assert any("insertion" in sentence or "deletion" in sentence for each in cards.tests(card).values() for sentence in each)


@pytest.mark.parametrize("name", ["mae", "spark", "Rollout", "Deletion", "LOST", "Outliers", "TextSpan"])
def test_a_picture_shows_something(site, name):
    cards, pictures = site
    png, cost = pictures.draw(next(card for card in cards.cards() if card.name == name))
    shown = Image.open(io.BytesIO(png)).convert("RGB")
    assert min(shown.size) > 80 and len(shown.getcolors(1 << 20)) > 8
    assert " s when this page was built" in cost
