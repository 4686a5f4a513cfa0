"""One self-contained HTML file: widgets without a kernel, the bundles that draw them, and nothing that is asked of a network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import math
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ..core import Outcome
from ..plot.receipt import KEY, Receipt, of_outcome, versions
from ..vit.fingerprint import fingerprint
from ..widgets import LiveWidget
from .answers import bake

STATIC = Path(__file__).parent / "static"


def widget_page(widget: LiveWidget, path: str | Path | None = None, *, model: bool = False) -> str:
    """The widget as a page of its own; written to `path` where one is given. See `LiveWidget.to_html`."""
    title = str(getattr(widget, "title", "") or type(widget).__name__)
    told = carried(widget, model=model)
    head = f'<meta name="{KEY}" content="{html.escape(json.dumps(_receipt(widget)))}">'
    page = assemble(title, place("w0"), {"w0": told}, head=head)
    if path is not None:
        Path(path).write_text(page, encoding="utf-8")
    return page


def carried(widget: LiveWidget, *, model: bool = False) -> dict[str, Any]:
    """All that a page needs of a widget: its bundle, and what was baked. Every page takes it from here, in whichever process."""
    bundle, code = type(widget)._bundle or type(widget).__name__, (str(widget._esm), str(getattr(widget, "_css", "")))
    return {"bundle": bundle, "esm": code[0], "css": code[1], **bake(widget, model=model).told()}


def _receipt(widget: Any) -> Receipt:
    """Of a painter, its reconstruction; of others, which model and versions made the page."""
    outcome = getattr(widget, "outcome", None)
    if isinstance(outcome, Outcome) and outcome.view is not None:
        return of_outcome(outcome)
    holders = (
        *getattr(widget, "_sides", ()),
        getattr(widget, "_lab", None),
        getattr(widget, "board", None),
        *getattr(widget, "runs", ()),
    )
    models = [*getattr(widget, "_models", ()), *(getattr(each, "model", None) for each in holders)]
    hashes = [fingerprint(each) for each in models if isinstance(each, torch.nn.Module)]
    return {"kind": f"page of a {type(widget).__name__}", "models": hashes, "versions": versions()}


def place(name: str) -> str:
    """Where a widget goes in a page's body."""
    return (
        f'<div class="mimviz-place" data-widget="{html.escape(name)}">This widget is drawn by the page\'s script.</div>'
    )


def assemble(title: str, body: str, widgets: Mapping[str, dict[str, Any]], *, head: str = "") -> str:
    """widgets: by the name of their `place`, each as `carried` tells it. `body` and `head` are markup that was made safe;
    whatever else is told (states, class names, file names) travels as base64.

    The policy lets nothing out and nothing in: no connection, no frame, no form, only scripts whose hash it names and those that
    they make from what the page carries (`blob:`, which markup cannot name).
    """
    script = _static("page.js")
    brains = [told["brain"] for told in widgets.values() if told.get("brain")]
    texts = {"mimviz-data": _pack(widgets, with_runtime=bool(brains))}
    if brains:
        texts |= {str(brain["block"]): str(brain["data"]) for brain in brains}
        texts["mimviz-runtime"] = base64.b64encode(_bytes("runtime.wasm.gz")).decode()
    blocks = [f'<script type="text/plain" id="{html.escape(name)}">{text}</script>' for name, text in texts.items()]
    policy = _policy(script, thinks=bool(brains))
    return "\n".join([
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{html.escape(title)}</title>", f"<style>{_static('page.css')}</style>", head,
        "</head>", "<body>", "<main>", body, "</main>",
        "<noscript><p>The widgets of this page are drawn by its script, which this browser does not run.</p></noscript>",
        *blocks, f"<script>{script}</script>", "</body>", "</html>", "",
    ])  # fmt: skip


def _policy(script: str, *, thinks: bool) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    wasm = " 'wasm-unsafe-eval'" if thinks else ""
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' blob:{wasm}; style-src 'unsafe-inline'; img-src data: blob:; "
        "font-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'"
    )


def _pack(widgets: Mapping[str, dict[str, Any]], *, with_runtime: bool) -> str:
    header = {
        "bundles": {told["bundle"]: {"esm": told["esm"], "css": told["css"]} for told in widgets.values()},
        "widgets": [{"id": name, **_light(told)} for name, told in widgets.items()],
        **({"brain": _static("model.js")} if with_runtime else {}),
    }
    return packed(container(header))


def _light(told: dict[str, Any]) -> dict[str, Any]:
    """Without what stands elsewhere on the page: code in bundles, the model in a block of its own."""
    light = {name: value for name, value in told.items() if name not in ("esm", "css", "brain")}
    if brain := told.get("brain"):
        light["brain"] = {name: value for name, value in brain.items() if name != "data"}
    return light


def container(value: Any) -> bytes:
    """A value with bytes in it as a header of JSON and the bytes behind it, see widgets/src/page/unpack.ts."""
    chunks: list[bytes] = []
    told = json.dumps(_sayable(value, chunks, {}), allow_nan=False).encode()
    return struct.pack("<I", len(told)) + told + b"".join(chunks)


def contained(data: bytes) -> Any:
    """The value that `container` was given."""
    (size,) = struct.unpack_from("<I", data)
    behind = memoryview(data)[4 + size :]

    def revive(value: Any) -> Any:
        if isinstance(value, dict):
            if "$bytes" in value:
                start, count = value["$bytes"]
                return bytes(behind[start : start + count])
            return {name: revive(each) for name, each in value.items()}
        return [revive(each) for each in value] if isinstance(value, list) else value

    return revive(json.loads(data[4 : 4 + size]))


def packed(data: bytes) -> str:
    """base64 of gzip."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _sayable(value: Any, chunks: list[bytes], known: dict[bytes, list[int]]) -> Any:
    """As JSON; bytes go to `chunks`, equal ones once, and NaN and infinity are null as in a live widget."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        if data not in known:
            known[data] = [sum(map(len, chunks)), len(data)]
            chunks.append(data)
        return {"$bytes": known[data]}
    if isinstance(value, Mapping):
        return {str(name): _sayable(each, chunks, known) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_sayable(each, chunks, known) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return _sayable(value.item() if hasattr(value, "item") else str(value), chunks, known)


@cache
def _static(name: str) -> str:
    text = _bytes(name).decode()
    if name.endswith(".js") and "</script" in text.lower():
        raise ValueError(f"{name} contains </script, which would end the page's script: escape it in its source")
    return text


def _bytes(name: str) -> bytes:
    path = STATIC / name
    if not path.is_file():
        raise FileNotFoundError(
            f"mimviz/share/static/{name} does not exist, but pages are made of it: the front end was not built. "
            "Run `cd widgets && npm ci && npm run build`, or install again with `pip install .`"
        )
    return path.read_bytes()
