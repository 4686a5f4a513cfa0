"""Maps of many methods, classes, models and pictures side by side, on one honest scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets as t

from .. import lenses
from ..core import Heatmap, describe
from ..core.words import label
from ..data import image
from ..vit import Scene, anatomy, class_index, class_names
from .engine import Answer
from .given import lens_of, many, name_of, vit_of
from .live import LiveWidget
from .reconstruction import problem
from .survey import News, Survey, Task

DEFAULT = ("Gradient", "Rollout", "Chefer")
BEST = -1  # each picture's own best class


class SaliencyComparer(LiveWidget, bundle="saliency_comparer"):
    """Saliency maps of `model` on `picture`, side by side under one hover.

    Parameters
    ----------
    model : a timm model or a name for `load_vit` (default: the bundled "tiny-classifier"), or a list of such to compare.
    picture : anything `mimviz.image` takes, or a list of such to compare.
    methods : the lenses to begin with: names from `mimviz.lenses.__all__`, lens classes, or lenses with parameters of your own.
    target : the class or classes to ask about, by number or name; None asks for each picture's best.
    title : a caption.

    Slow methods stream in and refine; `comparer.stopped = True` holds them, False goes on where they were. `comparer.wait()` blocks
    until all maps are there; `comparer.maps` is {(method, subject): Heatmap}, raw. `comparer.region` is (top, left, bottom, right)
    as shares 0..1 of the picture, drawn in the browser or set here; `comparer.mass()` is the share of each map inside.
    """

    title = t.Unicode("Compare saliency maps").tag(sync=True)
    methods = t.List(t.Unicode()).tag(sync=True)
    """All that can be chosen, in order."""
    chosen = t.List(t.Unicode()).tag(sync=True)
    classes = t.List(t.Unicode()).tag(sync=True)
    """Names of the first model's classes, or their numbers."""
    targets = t.List(t.Int(), [BEST]).tag(sync=True)
    """Classes asked about, −1 for each picture's best."""
    subjects = t.Dict().tag(sync=True)
    """{"list": [{label, height, width, rows, cols, start, size, best}]}: the columns, and where their PNG is in `originals`."""
    originals = t.Bytes().tag(sync=True)
    stopped = t.Bool(False).tag(sync=True)
    region = t.List(t.Float(), []).tag(sync=True)
    entry = t.Dict().tag(sync=True)
    """What is known of one map: `key`, method, column, rows, cols, signed, done, passes, seconds, words, error …; or, where it is
    `kept`, only `key` and its new words."""
    part = t.Bytes().tag(sync=True)
    """Its values: float32, little-endian, row by row; empty where there are none."""
    resend = t.Int().tag(sync=True)
    """Counts the requests of a new view to be told every map again."""
    report = t.Dict().tag(sync=True)
    """{device, models, finished, all}."""
    problem = t.Dict().tag(sync=True)

    def __init__(
        self, model: Any = None, picture: Any = "cat", *, methods: Any = DEFAULT, target: Any = None, **options: Any
    ):
        self._models = [vit_of(each) for each in many(model)]
        self._pictures = [image(each) for each in many(picture)]
        given = {label(each): lens_of(each) for each in many(methods)}
        self._lenses: dict[str, Any] = {name: getattr(lenses, name)() for name in lenses.__all__} | given
        self._scenes: dict[tuple[int, int, int], Scene] = {}
        self._tasks: dict[str, Task] = {}
        first = self._models[0]
        count = int(getattr(first, "num_classes", 0))
        if not count:
            raise ValueError(
                f"{type(first).__name__} has no classes, but a saliency map is about one: load it with its head, e.g. "
                'mimviz.load_vit("tiny-classifier")'
            )
        targets = [BEST if each is None else class_index(first, each) for each in many(target)]
        super().__init__(
            methods=[*given, *(name for name in self._lenses if name not in given)],
            chosen=list(given),
            classes=class_names(first) or [f"class {i}" for i in range(count)],
            targets=targets,
            **options,
        )
        self._lay_out()

    @property
    def maps(self) -> dict[tuple[str, str], Heatmap]:
        """{(method, subject): Heatmap} of all finished maps on display; wait() waits for the rest."""
        labels = dict(zip(self._columns(), (each["label"] for each in self.subjects["list"]), strict=True))
        shown = ((self._tasks.get(key), name, column) for key, name, column in self._wanted())
        return {(name, labels[at]): task.part.heat for task, name, at in shown if task and task.finished and task.part}

    def mass(self) -> dict[tuple[str, str], float]:
        """Share 0..1 of each map's Σ|value| that lies inside `region`; ValueError where none is drawn."""
        if not self.region:
            raise ValueError("region is empty: draw one in the widget, or set comparer.region = (top, left, bottom, right) in 0..1")
        shares = {}
        for key, heat in self.maps.items():
            values = heat.values[0].abs().double().cpu().numpy()
            shares[key] = float(values[self._inside(values.shape)].sum() / max(values.sum(), np.finfo(float).tiny))
        return shares

    def close(self) -> None:
        """Stop, leave the page and let go of models, pictures and maps."""
        super().close()
        self._models, self._pictures = [], []
        self._scenes, self._tasks = {}, {}

    def __repr__(self) -> str:
        return f"SaliencyComparer({', '.join(self.chosen) or 'no method'}; {len(self.subjects.get('list', []))} columns)"

    # --- asking ---

    def _columns(self) -> list[tuple[int, int, int]]:
        """(model, picture, class) of every column."""
        pairs = ((m, p) for m in range(len(self._models)) for p in range(len(self._pictures)))
        return [(m, p, c) for m, p in pairs for c in self.targets]

    def _scene(self, column: tuple[int, int, int]) -> Scene:
        if column not in self._scenes:
            m, p, c = column
            model = self._models[m]
            by_name = m > 0 and self.classes != class_names(model) is not None  # the number means something else there
            target = None if c == BEST else self.classes[c] if by_name else c
            self._scenes[column] = Scene(model, self._pictures[p], target=target)
        return self._scenes[column]

    @staticmethod
    def _key(name: str, column: tuple[int, int, int]) -> str:
        return f"{name}|{'.'.join(map(str, column))}"

    def _lay_out(self) -> None:
        """The columns have changed: tell them, then ask for what is missing."""
        rows, data, start = [], [], 0
        for m, p, c in self._columns():
            parts = anatomy(self._models[m])
            fitted = self._pictures[p].fit(*parts.size)
            data.append(png := fitted.to_png())
            rows.append({
                "label": self._subject_label(m, p, c), "height": fitted.height, "width": fitted.width,
                "rows": parts.grid.rows, "cols": parts.grid.cols, "start": start, "size": len(png),
            })  # fmt: skip
            start += len(png)
        with self.together():
            self.originals = b"".join(data)
            self.subjects = {"list": rows, "pictures": len(self._pictures)}
        self._ask()

    def _subject_label(self, m: int, p: int, c: int) -> str:
        words = [self.classes[c] if c != BEST else "best class"]
        if len(self._models) > 1:
            words.append(self._names()[m])
        if len(self._pictures) > 1:
            words.append(f"picture {p + 1}")
        return " · ".join(words)

    def _names(self) -> list[str]:
        """Of the models; numbered where two are called the same."""
        names = [name_of(model, i) for i, model in enumerate(self._models)]
        return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]

    @t.observe("chosen", "stopped")
    def _changed(self, change: Any) -> None:
        self._ask()

    @t.observe("targets")
    def _retargeted(self, change: Any) -> None:
        if self.comm is not None and self._models and self.subjects:
            self._lay_out()

    @t.validate("chosen")
    def _known(self, proposal: Any) -> list[str]:
        unknown = [name for name in proposal["value"] if name not in self._lenses]
        if unknown:
            raise t.TraitError(f"chosen names {unknown[0]!r}, but there are {', '.join(self._lenses)}")
        return proposal["value"]

    @t.validate("targets")
    def _possible(self, proposal: Any) -> list[int]:
        for number in proposal["value"]:
            if number != BEST:
                class_index(self._models[0], number)
        return list(dict.fromkeys(proposal["value"])) or [BEST]

    @t.validate("region")
    def _within(self, proposal: Any) -> list[float]:
        value = [float(each) for each in proposal["value"]]
        right = not value or (len(value) == 4 and 0 <= value[0] < value[2] <= 1 and 0 <= value[1] < value[3] <= 1)
        if not right:
            raise t.TraitError(f"region is {value}, but (top, left, bottom, right) as shares 0..1 is wanted, or nothing")
        return value

    @t.observe("resend")
    def _told_again(self, change: Any) -> None:
        for task in list(self._tasks.values()):
            if task.part or task.error:
                self._tell(task)

    @t.observe("region")
    def _reworded(self, change: Any) -> None:
        """The maps are what they were, only the words about them change: their values stay at home."""
        for task in list(self._tasks.values()):
            if task.part and task.finished:
                self.entry = {"key": task.key, "kept": True, "words": self._words(task.part.heat)}

    def _ask(self) -> None:
        if not self._models or self.comm is None or not self.subjects:
            return
        for key, name, column in self._wanted():
            if key not in self._tasks:
                self._tasks[key] = Task(key, self._lenses[name], self._scene(column))
        self._count()
        self.engine.ask(Survey([] if self.stopped else [self._tasks[key] for key, *_ in self._wanted()]))

    # --- answering ---

    def answered(self, answer: Answer) -> None:
        if answer.error:
            self.problem = problem("The maps could not be made", answer.error, "Choose other methods, or run the cell again.")
            return
        news: News = answer.value
        if news.task is not None and news.task.key in self._tasks:
            self._tell(news.task)
        self._count()

    def _wanted(self) -> list[tuple[str, str, tuple[int, int, int]]]:
        """(key, method, column) of every map on display."""
        return [(self._key(name, column), name, column) for name in self.chosen for column in self._columns()]

    def _count(self) -> None:
        wanted = [self._tasks[key] for key, *_ in self._wanted() if key in self._tasks]
        self.report = {
            "device": str(next(self._models[0].parameters()).device),
            "models": self._names(),
            "finished": sum(task.finished for task in wanted),
            "all": len(wanted),
        }

    def _tell(self, task: Task) -> None:
        name, _, column = task.key.partition("|")
        entry: dict[str, Any] = {
            "key": task.key, "method": name, "column": column, "by": repr(task.lens),
            "finished": task.finished, "warning": task.warning, "error": {},
        }  # fmt: skip
        values = b""
        if task.part:
            heat = task.part.heat
            array = heat.values[0].float().cpu().numpy()
            values = array.astype("<f4").tobytes()
            entry |= {"rows": array.shape[0], "cols": array.shape[1], "signed": heat.signed}
            entry |= {"done": task.part.done, "passes": task.part.passes, "batch": task.part.batch, "seconds": task.part.seconds}
            entry["best"] = self._asked_about(task)
            if task.finished:
                entry["words"] = self._words(heat)
        if task.error:
            entry["error"] = problem(f"{name} gave no map", task.error, "")
        with self.together():
            self.part = values
            self.entry = entry

    def _words(self, heat: Heatmap) -> str:
        return describe(heat, region=self._inside(heat.values.shape[1:]) if self.region else None).text

    def _asked_about(self, task: Task) -> str:
        """The class that "best class" turned out to be."""
        if task.scene.target is not None:
            return ""
        index = int(task.scene.logits[0].argmax())
        names = class_names(task.scene.model)
        return names[index] if names else f"class {index}"

    def _inside(self, shape: tuple[int, ...]) -> np.ndarray:
        """Boolean (rows, cols): places whose middle lies in `region`."""
        top, left, bottom, right = self.region
        y, x = ((np.arange(n) + 0.5) / n for n in shape)
        return ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))
