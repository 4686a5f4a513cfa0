"""A model and a wire that are small enough to see through."""

import comm
import numpy as np
import pytest
import torch
from comm.base_comm import BaseComm

from mimviz.core import Grid, Outcome, Picture
from mimviz.core.outcome import View
from mimviz.widgets import MaskPainter

GRID = Grid(8, 8, 8)
ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class Grey:
    """A masked model that guesses mid-grey. `before(call)` runs first: it may sleep, raise, or hold the worker up."""

    name, normalized, device = "grey", False, torch.device("cpu")
    shade = 0.5

    def __init__(self, grid=GRID, before=lambda call: None):
        self.grid, self.before, self.calls = grid, before, 0

    def reconstruct(self, picture, mask, *, statistics="visible"):
        self.calls += 1
        self.before(self.calls)
        truth = self.grid.patchify(images := picture.tensor(mean=ZERO, std=ONE))
        guess = torch.full_like(truth, self.shade)
        where = torch.arange(self.grid.count)[None]
        leaks = statistics == "true"
        view = View(
            images, self.grid, ZERO, ONE, pixels=lambda guess: guess, note=f"{statistics} statistics", leaks=leaks
        )
        return Outcome(mask, guess, truth, (guess - truth).square().mean(-1), where, view)


class Wire(BaseComm):
    """A comm that keeps what was sent."""

    def __init__(self, *args, **keywords):
        self.sent = []
        super().__init__(*args, **keywords)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.sent.append((msg_type, data, buffers or []))

    def updates(self, name):
        """How often the trait was sent since it was opened (echoes of the browser's own messages do not count)."""
        states = [data for kind, data, _ in self.sent if kind == "comm_msg" and data.get("method") == "update"]
        return sum(name in s["state"] or [name] in s["buffer_paths"] for s in states)


@pytest.fixture(autouse=True)
def wire(monkeypatch):
    monkeypatch.setattr(comm, "create_comm", Wire)
    if not MaskPainter._esm:  # these tests draw nothing: they also run where the front end was not built
        monkeypatch.setattr(MaskPainter, "_esm", "export default {}")


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return Picture(rng.random((64, 64, 3), np.float32))


@pytest.fixture
def paint(photo):
    """Makes painters and closes them after the test."""
    made = []

    def make(mim=None, **options):
        made.append(MaskPainter(photo, mim or Grey(), **options))
        return made[-1]

    yield make
    for painter in made:
        painter.close()


@pytest.fixture
def browser():
    """Sends state as the browser does: bytes arrive as memoryviews, inside a comm message."""

    def send(widget, **state):
        binary = {k: v for k, v in state.items() if isinstance(v, bytes)}
        plain = {k: v for k, v in state.items() if k not in binary}
        data = {"method": "update", "state": plain, "buffer_paths": [[k] for k in binary]}
        widget._handle_msg({"content": {"data": data}, "buffers": [memoryview(v) for v in binary.values()]})

    return send
