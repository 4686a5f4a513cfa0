"""Names of classes, readable and unique."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path


def read_classes(path: str | Path) -> list[str]:
    """The names in a JSON file, in the order of the labels.

    The file is a list of names, or of objects such as {"label": 0, "name": "goldfish, Carassius auratus"}. Of several
    names the first that no other class shares is taken; the whole text where all are shared.
    Raises ValueError where labels do not count from 0 or a name appears twice.
    """
    try:
        rows = json.loads(Path(path).read_text("utf-8"))
        if rows and all(isinstance(row, dict) for row in rows):
            rows = sorted(rows, key=lambda row: row["label"])
            if [row["label"] for row in rows] != list(range(len(rows))):
                raise ValueError(f"labels do not count from 0 to {len(rows) - 1}")
            rows = [row["name"] for row in rows]
        if not isinstance(rows, list) or not rows or not all(isinstance(row, str) for row in rows):
            raise ValueError("no list of names")
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as err:
        raise ValueError(
            f"{path} holds no class names ({err}): a JSON list of names is wanted, "
            'or of {"label": 0, "name": "goldfish, Carassius auratus"}'
        ) from err
    return _short(rows, path)


def _short(rows: list[str], path: str | Path) -> list[str]:
    synonyms = [[word.strip() for word in row.split(",")] for row in rows]
    shared = Counter(word for words in synonyms for word in set(words))
    names = [next((w for w in words if shared[w] == 1), row) for words, row in zip(synonyms, rows, strict=True)]
    if double := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{path} names two classes {double[0]!r}, but names must differ")
    return names
