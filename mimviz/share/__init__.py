"""Pages that need no kernel, models that need no Python, figures that can be made again."""

from .baked import Baked, Group
from .notebook import export
from .page import widget_page

__all__ = ["Baked", "Group", "export", "widget_page"]
