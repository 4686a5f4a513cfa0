"""One hover and one choice over several widgets: what the pointer is on in one picture is marked in all."""

from __future__ import annotations

import secrets

from .live import LiveWidget


class Link:
    """Widgets that share one hover; `unlink()` parts them. Where the pointer is goes from view to view without the kernel."""

    def __init__(self, views: tuple[LiveWidget, ...]):
        self.views = views
        self.group = secrets.token_hex(8)
        for view in views:
            view.linked = self.group

    def unlink(self) -> None:
        """Each for itself again. A view that has joined another group since stays there."""
        for view in self.views:
            if view.linked == self.group:
                view.linked = ""

    def __repr__(self) -> str:
        return f"Link({', '.join(type(view).__name__ for view in self.views)})"


def link(*views: LiveWidget) -> Link:
    """Let views feel each other's pointer: hover and click at a place of the picture in one, and it is marked in all.

    Places are shares of the picture, so the models' grids may differ. A view that was linked before changes over.
    Raises TypeError for what is no widget of mimviz, ValueError for fewer than two.
    """
    for view in views:
        if not isinstance(view, LiveWidget):
            raise TypeError(f"link takes widgets of mimviz, such as AttentionExplorer, but got {type(view).__name__}")
    if len(set(map(id, views))) < 2:
        raise ValueError(f"there is {len(views)} view, but a link needs at least two different ones")
    return Link(views)
