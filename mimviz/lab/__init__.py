"""The `mimviz` command: `lab`, `doctor`, `reconstruct`, `train`. One file per subcommand."""

from .cli import main

__all__ = ["main"]
