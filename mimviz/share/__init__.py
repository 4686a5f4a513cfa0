"""Pages that need no kernel, models that need no Python, figures that can be made again."""

from .baked import Baked, Group
from .notebook import export
from .page import widget_page
from .rerun import Verdict, receipt_of, rerun

__all__ = ["Baked", "Group", "Verdict", "export", "receipt_of", "rerun", "widget_page"]
