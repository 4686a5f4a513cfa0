"""On Data Scaling in Masked Image Modeling. Xie, Zhang, Cao, Lin, Wei, Dai, Hu. CVPR 2023. arXiv 2206.04664.

SimMIM (microsoft/SimMIM) trained on more and more pictures, with wider encoders and longer, and asked for its loss on held-out
pictures under fixed masks. The paper's questions: does a large model overfit few pictures (its held-out loss turns up while that
of its training pictures falls), and does the held-out loss foretell how useful the encoder is (there fine-tuning, here a linear
probe)? The paper's are SwinV2 models of 49 million to 1 billion weights on ImageNet; these are tiny ViTs, for minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from scipy.stats import spearmanr

from ..core import drawing
from ..data import Dataset
from ..grammar import MaskedModel
from ..train import fit
from ..tune import LinearProbe
from ._held_out import MaskedLoss
from ._tiny import tiny_simmim
from ._trainings import Trained, Trainings, print_of


@dataclass(frozen=True)
class Progress:
    """Training `number` of `of` has done `step` of its steps; `trained`: what is known of it so far."""

    number: int
    of: int
    step: int
    trained: Trained


@dataclass(frozen=True, eq=False)
class DataScaling:
    """`for progress in study.run(): …`, to be left whenever you like; then `study.trainings`, `study.rank` and `study.plot()`.

    A training sees the first so many `pictures` of `train`. Every `every` steps its loss is asked on as many of them as there are
    `held` ones, and on these. labelled: pictures of `train` that the probe learns from. build: width → the model, a tiny SimMIM
    unless told. folder: where trainings are kept, finished or not; another `run`, also of a new session, goes on from there.
    """

    train: Dataset
    held: Dataset
    _: KW_ONLY
    pictures: Sequence[int] = (32, 128, 512, 2048)
    widths: Sequence[int] = (32, 64, 96)
    steps: Sequence[int] = (400, 1200)
    every: int = 50
    batch: int = 32
    lr: float = 1e-3
    seed: int = 0
    labelled: int = 1000
    build: Callable[[int], MaskedModel] | None = None
    folder: str | Path | None = None

    def __post_init__(self) -> None:
        if min(self.pictures) < 1 or max(self.pictures) > len(self.train):
            raise ValueError(f"pictures are {list(self.pictures)}, but trainings of 1 to {len(self.train)} can be made")

    @property
    def trainings(self) -> list[Trained]:
        """What is known of each training, the quickest first."""
        cells = product(sorted(self.steps), sorted(self.widths), sorted(self.pictures))
        return [self._kept.known(Trained(n, w, s)) for s, w, n in cells]

    @property
    def rank(self) -> float:
        """Spearman's correlation of final held-out loss and probe accuracy over finished trainings; NaN where there is none."""
        done = [each for each in self.trainings if each.accuracy is not None]
        if len(done) < 3 or len({t.accuracy for t in done}) == 1:
            return float("nan")
        found: Any = spearmanr([t.held[-1] for t in done], [t.accuracy for t in done])
        return float(found.statistic)

    def run(self) -> Iterator[Progress]:
        """Trains what is not finished yet; yields after each step, and once more when the probe has answered."""
        for number, cell in enumerate(cells := self.trainings, 1):
            if cell.accuracy is None:
                for step, trained in self._train(cell):
                    yield Progress(number, len(cells), step, trained)

    def plot(self) -> Any:
        """A matplotlib figure: losses over the steps, and held-out loss against accuracy; see `plot.show_scaling`."""
        from ..plot import show_scaling

        return show_scaling(self)

    @cached_property
    def _kept(self) -> Trainings:
        facts = {"every": self.every, "batch": self.batch, "lr": self.lr, "seed": self.seed, "labelled": self.labelled}
        prints = {"train": print_of(self.train.images), "held": print_of(self.held.images)}
        return Trainings(None if self.folder is None else Path(self.folder), {**facts, **prints})

    def _train(self, trained: Trained) -> Iterator[tuple[int, Trained]]:
        with drawing(self.seed):
            model = (self.build or (lambda width: tiny_simmim(width, size=self.train.images.shape[-1])))(trained.width)
        seen, steps = self.train.take(range(trained.pictures)), trained.steps
        batches = replace(seen.batches(min(self.batch, len(seen)), model, augment=False, seed=self.seed), labels=None)
        losses = [MaskedLoss(each) for each in (seen.images[: len(self.held)], self.held.images)]
        kept: dict[str, Any] = {"checkpoint": self._kept.file(trained, "safetensors"), "every": self.every}
        if self.folder is None:
            trained = Trained(trained.pictures, trained.width, steps)  # weights are gone, so it begins anew
        for step in fit(model, batches, steps=steps, lr=self.lr, seed=self.seed, facts=self._kept.facts, **kept):
            if step.index % self.every == 0 and step.index < steps:
                self._kept.keep(trained := trained.further(step.index, *(ask(model) for ask in losses)))
            yield step.index, trained
        trained = trained.further(steps, *(ask(model) for ask in losses))
        some = self.train.take(range(min(self.labelled, len(self.train))))
        probe = LinearProbe(model, pool="avg").fit(some.images, some.labels.numpy())
        trained = replace(trained, accuracy=float(probe.score(self.held.images, self.held.labels.numpy())))
        self._kept.keep(trained)
        yield steps, trained
