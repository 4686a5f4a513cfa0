"""What is in a dataset, before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dataset import Dataset


@dataclass(frozen=True, eq=False)
class Survey:
    """exact, near: groups of numbers of pictures that are equal, or nearly so. Print it, or look at `.plot()`."""

    dataset: Dataset
    exact: list[list[int]]
    near: list[list[int]]

    @property
    def contradictions(self) -> list[list[int]]:
        """Groups of equal or nearly equal pictures that stand under different labels."""
        labels = self.dataset.labels.tolist()
        return [group for group in [*self.exact, *self.near] if len({labels[i] for i in group}) > 1]

    @property
    def imbalance(self) -> float:
        """Pictures of the largest class for one of the smallest; infinite where a class has none."""
        counts = list(self.dataset.counts.values())
        return max(counts) / min(counts) if min(counts, default=0) else float("inf")

    def __str__(self) -> str:
        data, counts = self.dataset, self.dataset.counts
        lines = [repr(data)]
        if counts:
            most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
            lines.append(f"{counts[most]} pictures of {most!r} (most) to {counts[least]} of {least!r} (least)")
        unlabelled = int((data.labels < 0).sum())
        lines += [f"{unlabelled} without a label"] if unlabelled else []
        for groups, kind in ((self.exact, "equal"), (self.near, "nearly equal")):
            extra = sum(len(group) - 1 for group in groups)
            lines.append(f"{extra} {kind} to another one" + (f", e.g. {self._told(groups[0])}" if groups else ""))
        if self.contradictions:
            lines.append(
                f"{len(self.contradictions)} groups of these stand under different labels: {self._told(self.contradictions[0])}"
            )
        lines += [f"{len(data.broken)} left out, e.g. {data.broken[0]}"] if data.broken else ["0 left out"]
        return "\n".join(lines)

    def _told(self, group: list[int]) -> str:
        return " and ".join(self.dataset.names[i] for i in group[:3]) + (" …" if len(group) > 3 else "")

    def plot(self, *, rows: int = 10, columns: int = 8) -> Any:
        """A matplotlib figure: pictures of each class with its count, and below them some duplicates; see `plot.show_survey`."""
        from ..plot import show_survey

        return show_survey(self, rows=rows, columns=columns)
