"""A server extension that sends what a kernel says at once.

Jupyter's server leaves Nagle's algorithm on for the websocket of a kernel: a small message that follows another waits until the
browser has confirmed the first, and browsers delay that by 40 ms. A widget that answers a hand moves in such small messages; with
this the end of a drag was drawn 20 to 40 ms earlier. `pip install mimviz` switches it on for the servers of its environment
(`etc/jupyter/jupyter_server_config.d/mimviz.json`); `jupyter server extension disable mimviz.lab.nodelay` switches it off.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    settings = app.web_app.settings
    settings["kernel_websocket_connection_class"] = prompt(settings["kernel_websocket_connection_class"])


def prompt(connection: type) -> type:
    """The same connection between a kernel and a browser, with TCP_NODELAY on the browser's side."""

    class PromptConnection(connection):
        def connect(self) -> Any:
            self.websocket_handler.set_nodelay(True)
            return super().connect()

    return PromptConnection
