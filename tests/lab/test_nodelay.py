"""The server extension: a kernel's websocket sends at once."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from mimviz.lab import nodelay


class Socket:
    """The handler's side of a websocket."""

    nodelay = False

    def set_nodelay(self, value: bool) -> None:
        self.nodelay = value


class Connection:
    connected = False

    def __init__(self):
        self.websocket_handler = Socket()

    def connect(self):
        self.connected = True
        return "future"


def test_the_socket_is_set_before_the_connection_is_made():
    connection = nodelay.prompt(Connection)()
    assert not connection.websocket_handler.nodelay
    assert connection.connect() == "future"
    assert connection.connected and connection.websocket_handler.nodelay


def test_the_extension_keeps_the_server_s_own_class():
    settings = {"kernel_websocket_connection_class": ZMQChannelsWebsocketConnection}
    nodelay._load_jupyter_server_extension(SimpleNamespace(web_app=SimpleNamespace(settings=settings)))
    assert issubclass(settings["kernel_websocket_connection_class"], ZMQChannelsWebsocketConnection)
    assert settings["kernel_websocket_connection_class"] is not ZMQChannelsWebsocketConnection


def test_installing_mimviz_switches_it_on():
    config = json.loads((Path(sys.prefix) / "etc/jupyter/jupyter_server_config.d/mimviz.json").read_text())
    (name,) = config["ServerApp"]["jpserver_extensions"]
    assert [{"module": name}] == nodelay._jupyter_server_extension_points()


def test_a_real_server_sets_the_option(tmp_path, monkeypatch):
    """TCP_NODELAY on the very socket, seen from inside a server with a websocket handler of tornado."""
    import asyncio

    from tornado import httpserver, netutil, web, websocket

    seen = []

    class Handler(websocket.WebSocketHandler):
        def open(self):
            self.connection = nodelay.prompt(Connection)()
            self.connection.websocket_handler = self
            self.connection.connect()
            option = self.ws_connection.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            seen.append(option)
            self.close()

    async def talk():
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        server = httpserver.HTTPServer(web.Application([("/", Handler)]))
        server.add_sockets(sockets)
        client = await websocket.websocket_connect(f"ws://127.0.0.1:{sockets[0].getsockname()[1]}/")
        assert await client.read_message() is None
        server.stop()
        await server.close_all_connections()

    asyncio.run(talk())
    assert seen and all(seen)
