"""A training to be watched, paused, rewound and branched; two of them side by side."""

from __future__ import annotations

import threading
import time
from typing import Any

import traitlets as t

from .. import lenses as known
from ..data import image
from ..train import Event, Run
from ..train.pace import Pace
from .engine import Answer, Engine, Turn
from .given import lens_of, many
from .live import LiveWidget
from .recipe_lab_told import packed
from .reconstruction import problem
from .training_monitor_told import curve, report
from .training_monitor_views import Frame, Gallery, Look

LIVE = -1
TELL, LOOK = 0.003, 0.012  # shares of the time that go into numbers and into pictures
BEAT = 0.25  # seconds between two tellings, at least


class TrainingMonitor(LiveWidget, bundle="training_monitor"):
    """Curves, health and pictures of a training, as it goes and as it went.

    Parameters
    ----------
    run : a `mimviz.Run`, new, running or opened from disk.
    other : a second one, to be compared with it.
    pictures : anything `mimviz.image` takes, or a list of such: what is watched. The run's own `watch` unless given.
    lenses : names from `mimviz.lenses.__all__` whose maps are shown beside.
    ratio : how much of the pictures a masked model does not see, 0..1.
    title : a caption.

    `monitor.moment = 120` shows the last kept moment up to that step, -1 the newest state. `monitor.runs` are the runs on display,
    a branch made on the page among them. A run with `validation` has that curve beside its loss. The pictures are made from copies
    of the model, in a thread, in a share of the time; `monitor.wait()` blocks until those asked for are there. `monitor.close()`
    stops the training, too, and says what was kept.
    """

    title = t.Unicode("Training").tag(sync=True)
    report = t.Dict().tag(sync=True)
    """{"runs": [...], "points": [...]}: what is known of each run, and how many rows of `curves` are its own."""
    curves = t.Bytes().tag(sync=True)
    """float32, little-endian, six numbers a row: step, loss, least, most, learning rate, norm of the gradient."""
    frame = t.Dict().tag(sync=True)
    """{"steps", "exact", "places", "panels", "asked", "ms"}: what `pictures` holds."""
    pictures = t.Bytes().tag(sync=True)
    methods = t.List(t.Unicode()).tag(sync=True)
    """All lenses that can be chosen."""
    chosen = t.List(t.Unicode()).tag(sync=True)
    moment = t.Int(LIVE).tag(sync=True)
    """A step to look at, or -1: the newest."""
    command = t.Dict().tag(sync=True)
    """What was asked on the page: {"do": "start" | "pause" | "stop" | "lr" | "branch", "run", "value", "lr", "count"}."""
    branching = t.Bool(False).tag(sync=True)
    problem = t.Dict().tag(sync=True)

    def __init__(
        self,
        run: Run,
        other: Run | None = None,
        *,
        pictures: Any = None,
        lenses: Any = ("Attention", "TokenNorm"),
        ratio: float = 0.75,
        **options: Any,
    ):
        self.runs = [run] if other is None else [run, other]
        for each in self.runs:
            if not isinstance(each, Run):
                raise TypeError(
                    f"run is {type(each).__name__}, but a mimviz.Run is wanted: TrainingMonitor(mimviz.Run(model, batches))"
                )
        watched = pictures if pictures is not None else run.watch
        self._gallery: Gallery | None = Gallery(self.runs, [image(each) for each in many(watched)], ratio)
        chosen = [lens_of(each).__class__.__name__ for each in many(lenses)]
        self._teller = Engine(self._told)
        self._telling, self._looking = Pace(TELL, guess=0.005), Pace(LOOK, guess=0.02)
        self._beat = self._last = time.monotonic()
        self._ends: list[Any] = []
        super().__init__(methods=list(known.__all__), chosen=chosen, **options)
        self._attend()

    def close(self) -> None:
        """Stop watching and stop the training, which is kept; what was kept is printed. A second call does nothing."""
        going = [run for run in getattr(self, "runs", []) if run.state == "running"]
        for run in going:
            run.stop()
        for end in getattr(self, "_ends", []):
            end()
        if hasattr(self, "_teller"):
            self._teller.close()
        super().close()
        self._gallery, self._ends = None, []
        for run in going:
            run._driver.join(10)
            print(f"{run.name}: {run.message}")

    def __repr__(self) -> str:
        return f"TrainingMonitor({', '.join(map(repr, self.runs))})"

    # --- asking ---

    def _attend(self) -> None:
        """Runs have come or gone: hear of those on display, and tell all."""
        for end in self._ends:
            end()
        self._ends = [run.follow(self._heard) for run in self.runs]
        self._tell()
        self._look()

    def _heard(self, event: Event) -> None:
        """In the thread that trains: be quick."""
        now = time.monotonic()
        if event.kind == "step":
            if now - self._beat < BEAT:
                return
            self._telling.tick(now - self._beat)
            self._looking.tick(now - self._beat)
            self._beat = now
            if self._telling.due():
                self._tell()
            if self.moment == LIVE and self._looking.due():
                self._looking.spent += self._looking.cost  # until it is known better: no second one meanwhile
                self._look()
            return
        if event.kind == "moment" and now - self._last < BEAT:
            return
        self._tell()
        if event.kind == "state" and self.moment == LIVE:
            self._look()

    def _tell(self) -> None:
        self._last = time.monotonic()
        if not self._teller.closed:
            self._teller.ask(self._numbers)

    def _numbers(self, turn: Turn) -> tuple[dict, bytes]:
        with self._telling.timed():
            curves = [curve(run.history) for run in self.runs]
            told = {"runs": [report(run) for run in self.runs], "points": [len(each) for each in curves]}
            return told, b"".join(each.tobytes() for each in curves)

    @t.observe("moment", "chosen")
    def _changed(self, change: Any) -> None:
        self._look()

    def _look(self) -> None:
        gallery = self._gallery
        if gallery is None or self.engine.closed or self.comm is None:
            return
        step = None if self.moment == LIVE else self.moment
        if step is None and all(run.loop is None for run in self.runs):
            step = max((len(run.history) for run in self.runs), default=0)
        self.engine.ask(Look(gallery, step, tuple(self.chosen)))

    @t.validate("chosen")
    def _known(self, proposal: Any) -> list[str]:
        unknown = [name for name in proposal["value"] if name not in known.__all__]
        if unknown:
            raise t.TraitError(f"chosen names {unknown[0]!r}, but there are {', '.join(known.__all__)}")
        return proposal["value"]

    @t.observe("command")
    def _commanded(self, change: Any) -> None:
        said = self.command
        number, do = int(said.get("run", 0)), said.get("do")
        if not 0 <= number < len(self.runs):
            return
        run = self.runs[number]
        try:
            if do in ("start", "pause", "stop"):
                getattr(run, do)()
            elif do == "lr":
                run.lr = float(said["value"])
            elif do == "branch" and not self.branching:
                self.branching = True
                threading.Thread(target=self._branch, args=(run, said), name="mimviz-branch", daemon=True).start()
            self.problem = {}
        except Exception as error:
            self._refuse(f"{run.name} could not {do}", error)
        self._tell()

    def _branch(self, run: Run, said: dict) -> None:
        try:
            step, lr = int(said["value"]), said.get("lr")
            made = run.branch(step, lr=float(lr)) if lr else run.branch(step)
        except Exception as error:
            self._refuse("No branch was made", error)
        else:
            self.show(run, made)
        finally:
            self.branching = False

    def show(self, run: Run, other: Run | None = None) -> None:
        """Put other runs on display. A run that is no longer on display goes on in its thread."""
        with self._lock:
            if self._gallery is None:
                return
            self.runs = [run] if other is None else [run, other]
            self._gallery = Gallery(self.runs, self._gallery.pictures, self._gallery.ratio)
        self._attend()

    def _refuse(self, title: str, error: Exception) -> None:
        self.problem = problem(title, error, "The runs are as they were.")

    # --- answering ---

    def _told(self, answer: Answer) -> None:
        """In the teller's thread."""
        if self.comm is None:
            return
        with self.together():
            if answer.error:
                self.problem = problem("The curves could not be told", answer.error, "")
            else:
                self.report, self.curves = answer.value

    def answered(self, answer: Answer) -> None:
        if answer.job.gallery is not self._gallery:
            return
        if answer.error:
            self.problem = problem("The pictures could not be made", answer.error, "The training goes on.")
            return
        frame: Frame = answer.value
        self._looking.cost = frame.seconds
        data, panels = packed([(i, panel) for i, place in enumerate(frame.places) for panel in place.panels])
        places = [
            {"run": each.run, "picture": each.picture, "classes": each.classes, "problems": each.problems}
            for each in frame.places
        ]
        self.pictures = data
        self.frame = {
            "steps": frame.steps, "exact": frame.exact, "places": places, "panels": panels, "ms": 1000 * frame.seconds,
            "asked": LIVE if answer.job.step is None else answer.job.step,
        }  # fmt: skip
