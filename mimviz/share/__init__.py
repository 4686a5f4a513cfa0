"""Pages that need no kernel, models that need no Python, figures that can be made again."""

from .answers import bake
from .baked import Baked, Group
from .page import assemble, widget_page

__all__ = ["Baked", "Group", "assemble", "bake", "widget_page"]
