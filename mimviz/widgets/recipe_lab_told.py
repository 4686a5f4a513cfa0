"""What a recipe lab tells its browser: menus, controls, papers, and panels packed into one run of bytes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .. import recipes
from ..core import Mask
from .recipe_lab_masks import LENS
from .recipe_lab_sentence import GIVEN, OWN, TEACHERS, Sentence, encoders
from .recipe_lab_views import Panel
from .recipe_lab_words import SLOTS, bundled_recipes, controls, describe, paper, words


def catalogue(given: bool, studies: list[dict]) -> dict[str, Any]:
    """What the menus offer, whatever is chosen."""
    return {
        "recipes": [{"name": name, "title": paper(name).title} for name in bundled_recipes()],
        "compose": OWN,
        "encoders": ([GIVEN] if given else []) + list(encoders()),
        "studies": studies,
        "lens": LENS,
    }


def forms(sentences: list[Sentence], refused: list[dict]) -> list[dict[str, Any]]:
    """For each sentence its paper and its controls; `refused` {slot: {word: why}} for those of words.

    `hint` says what a recipe says of its options, or which single words would go with the others.
    """
    return [_form(each, refused[i] if i < len(refused) else {}) for i, each in enumerate(sentences)]


def _form(sentence: Sentence, refused: dict[str, dict[str, str]]) -> dict[str, Any]:
    if sentence.recipe != OWN:
        made = getattr(recipes, sentence.recipe)
        hint = describe(made)
        return {
            "paper": asdict(paper(sentence.recipe)),
            "hint": hint,
            "options": controls(made, sentence.options),
            "slots": [],
        }
    slots = [_slot(slot, sentence.words[slot], refused.get(slot, {})) for slot in SLOTS]
    if "teacher" in sentence.words:
        choices = [{"name": name, "hint": "", "refused": ""} for name in TEACHERS]
        slots.append({"slot": "teacher", "word": sentence.words["teacher"]["word"], "choices": choices, "options": []})
    mends = [
        f"{slot} {name}"
        for slot, found in refused.items()
        for name in words(slot)
        if name not in {*found, sentence.words[slot]["word"]}
    ]
    return {"paper": {}, "hint": ", ".join(mends), "options": [], "slots": slots}


def _slot(slot: str, said: dict[str, Any], refused: dict[str, str]) -> dict[str, Any]:
    able = words(slot)
    choices = [{"name": name, "hint": describe(word), "refused": refused.get(name, "")} for name, word in able.items()]
    options = (
        controls(able[said["word"]], said["options"]) if slot != "loss" or isinstance(able[said["word"]], type) else []
    )
    return {"slot": slot, "word": said["word"], "choices": choices, "options": options}


def packed(panels: list[tuple[int, Panel]]) -> tuple[bytes, list[dict[str, Any]]]:
    """(place, panel) … → their bytes one after another, and for each what it is and where its bytes are."""
    data, told, start = [], [], 0
    for place, panel in panels:
        about = {name: value for name, value in vars(panel).items() if name not in ("data", "blank")}
        about |= {"place": place, "start": start, "size": len(panel.data), "blank": len(panel.blank)}
        data += [panel.data, panel.blank]
        start += len(panel.data) + len(panel.blank)
        told.append(about)
    return b"".join(data), told


def codes(sentences: list[Sentence], bench: Any, picture: str | None, mask: Mask) -> list[str]:
    """Every sentence as Python, as it was built."""
    sides = [*bench.sides[: len(sentences)]]
    return [
        (side.sentence if side else said).python(
            trained=bool(side and side.trained), picture=picture, mask=mask.to_rle()
        )
        for side, said in zip(sides, sentences, strict=True)
    ]


def reported(question: Any, shown: Any, engine: Any) -> dict[str, Any]:
    """About the panels on display; `sides` holds the facts of each, `reading` is said of the mask."""
    facts = shown.facts if shown else []
    return {
        "stroke": question.stroke, "exact": question.exact, "sides": facts, "ms": shown.ms if shown else 0.0,
        "events": engine.events, "runs": engine.runs,
        "reading": shown.reading if shown else "",
        "device": next((each["device"] for each in facts if "device" in each), ""),
    }  # fmt: skip
