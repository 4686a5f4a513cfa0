"""A board without a kernel: the whole table, curves and films of cells, and its exports."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image

from ...widgets.judge_board import _Work
from ..baked import Baked, Group, Traits, state_of

LIMIT = 4 * 2**20  # bytes of films


def board(widget: Any) -> Baked:
    """See the module's first line."""
    made = widget.board
    done = [(m, j, p) for m, j, p in made.cells if not made.cells[m, j, p].error]
    wanted = sorted(done, key=lambda cell: (cell[2], list(made.judges).index(cell[1])))
    here = [(m, j, int(p)) for m, j, p in [tuple(widget.selected)] if (m, j, int(p)) in done] if widget.selected else []
    answers, used, films = [], 0, 0
    for method, judge, picture in dict.fromkeys([*here, *wanted]):
        has_film = hasattr(made.judges[judge], "frames")
        if has_film and (used > LIMIT or picture > 0) and (method, judge, picture) not in here:
            continue
        traits = _looked(made, method, judge, picture)
        used += len(traits["pictures_data"])
        films += has_film
        answers.append(([[method, judge, str(picture)]], [traits]))
    stopped = state_of(widget) | {"stopped": True, "wanted": "", "file": {}}
    if stopped["known"].get("done") != stopped["known"].get("of"):
        stopped["known"] = stopped["known"] | {"of": stopped["known"]["done"]}
    files = {
        "csv": {"name": "board.csv", "text": widget.csv()}, "latex": {"name": "board.tex", "text": widget.latex()},
        "manifest": {"name": "board.json", "text": json.dumps(widget.manifest(), indent=1)},
    }  # fmt: skip
    missing = {
        "title": "This film is not on the page",
        "text": f"A page carries {films} films, about {LIMIT // 2**20} MiB; the number in the table is whole.",
        "hint": "Choose the first picture, or another cell; or run the notebook.",
    }
    return Baked(
        stopped,
        free=("title",),
        groups=[
            Group(("selected",), ("selected",), [([[]], [{"detail": {}}]), *answers], otherwise=missing),
            Group(("wanted",), ("wanted",), [([kind], [{"file": file}, {"wanted": ""}]) for kind, file in files.items()]),
        ],
        needs={"[data-action=stop]": "judging more cells"},
        can=["the table with its intervals, sorting, where judges disagree, CSV, LaTeX, manifest",
             f"what is behind {len(answers)} cells, {films} of them with films"],
    )  # fmt: skip


def _looked(made: Any, method: str, judge: str, picture: int) -> Traits:
    """A cell as the widget tells it, its films as JPEG."""
    found = _Work(made, (method, judge, str(picture)), True)._looked(method, judge, picture)
    data, films = b"", []
    for film in found.detail["films"]:
        frames = []
        for frame in film["frames"]:
            small = _jpeg(found.data[frame["start"] : frame["start"] + frame["size"]])
            frames.append({**frame, "start": len(data), "size": len(small)})
            data += small
        films.append({**film, "frames": frames})
    return {"pictures_data": data, "detail": {**found.detail, "films": films}}


def _jpeg(png: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
