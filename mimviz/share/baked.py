"""What a page without a kernel carries of a widget: its traits, and answers to what nobody can ask Python any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Traits = dict[str, Any]
HOST = {"layout", "tabbable", "tooltip"}  # ipywidgets' own


@dataclass(frozen=True)
class Group:
    """Answers to what a change of the traits `on` asks, by the values of the traits `by` (bytes as hexadecimal text).

    Each is a list of steps, {trait: value}, told one after another. nearest: those of `by` that are numbers, where the next one
    will do. keep: what a person has set stays although there is no answer. otherwise: title, text and hint where there is none.
    """

    on: tuple[str, ...]
    by: tuple[str, ...]
    answers: list[tuple[list[Any], list[Traits]]]
    nearest: tuple[str, ...] = ()
    keep: bool = False
    otherwise: dict[str, str] | None = None

    def told(self) -> dict[str, Any]:
        """As the page's script reads it."""
        return {
            "on": list(self.on), "by": list(self.by), "nearest": list(self.nearest), "keep": self.keep,
            "otherwise": self.otherwise, "answers": [[key, steps] for key, steps in self.answers],
        }  # fmt: skip


@dataclass
class Baked:
    """A widget without its kernel.

    free: traits that a view changes and nobody need answer. needs: CSS selectors of controls that do nothing without the kernel,
    and why. can: what works, in words. brain: what `think` of the page's model runtime takes, where the model is on the page.
    """

    state: Traits
    free: tuple[str, ...] = ()
    groups: list[Group] = field(default_factory=list)
    needs: dict[str, str] = field(default_factory=dict)
    can: list[str] = field(default_factory=list)
    brain: dict[str, Any] | None = None

    def told(self) -> dict[str, Any]:
        """As the page's script reads it."""
        return {
            "state": self.state, "free": list(self.free), "groups": [group.told() for group in self.groups],
            "needs": [{"select": select, "why": why} for select, why in self.needs.items()], "can": self.can,
            **({"brain": self.brain} if self.brain else {}),
        }  # fmt: skip


def state_of(widget: Any, *, without: Iterable[str] = ()) -> Traits:
    """The traits that widget and browser share, as they are now."""
    names = [name for name in widget.traits(sync=True) if not name.startswith("_")]
    return {name: getattr(widget, name) for name in names if name not in HOST and name not in set(without)}


class Asked:
    """A turn of nobody's engine: what a job shares is kept in order. It is never stale, for nobody asks anything newer."""

    def __init__(self) -> None:
        self.shared: list[Any] = []

    def share(self, value: Any) -> None:
        self.shared.append(value)

    def stale(self) -> bool:
        return False

    def ms(self) -> float:
        return 0.0


def asked(job: Any) -> list[Any]:
    """All that a job for an engine shares and returns."""
    turn = Asked()
    last = job(turn)
    return [*turn.shared, *([] if last is None else [last])]
