"""Train a masked model: fit yields one Step after another, and a Run does the same in a thread of its own, to be watched."""

from .fit import fit
from .followers import Event
from .guards import TrainingWarning, Warned
from .health import Health
from .held_out import Validation
from .history import History
from .leak import Leak, leaks
from .loop import Step
from .run import Run

__all__ = [
    "Event", "Health", "History", "Leak", "Run", "Step", "TrainingWarning", "Validation", "Warned", "fit", "leaks",
]  # fmt: skip
