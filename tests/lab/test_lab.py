"""`mimviz lab`, started for real."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
import websocket  # comes with jupyter_server

from mimviz.lab import lab
from mimviz.lab.lessons import FIRST

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str):
    with DIRECT.open(url, timeout=20) as answer:
        return answer.geturl(), answer.read().decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A running `mimviz lab`: (its folder, base address, token). Beside a broken `python3` kernel of the user."""
    home = tmp_path_factory.mktemp("home")
    wrong = home / "share" / "jupyter" / "kernels" / "python3"
    wrong.mkdir(parents=True)
    (wrong / "kernel.json").write_text(
        json.dumps({"argv": ["/nowhere/python"], "display_name": "wrong", "language": "python"})
    )
    words = [sys.executable, "-m", "mimviz.lab", "lab", str(home / "lessons"), "--no-browser", f"--port={free_port()}"]
    theirs = str(home / "share" / "jupyter")
    surroundings = os.environ | {"JUPYTER_DATA_DIR": theirs, "JUPYTER_PATH": theirs}
    log = home / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr, text=True, env=surroundings) as server,
    ):
        said = ""
        while (found := re.search(r"(http://127\.0\.0\.1:\d+)/lab/tree/(\S+)\?token=(\w+)", said)) is None:
            line = server.stdout.readline()
            assert line, f"mimviz lab ended without an address: {said}"
            said += line
        assert found[2] == FIRST
        yield home / "lessons", found[1], found[3]
        assert log.read_text() == ""  # a newcomer sees no warnings
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 143
    with pytest.raises(urllib.error.URLError):  # JupyterLab has ended with it
        ask(f"{found[1]}/api")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_it_opens_lesson_01(running):
    folder, base, token = running
    url, page = ask(f"{base}/lab/tree/{FIRST}?token={token}")
    assert url.startswith(f"{base}/lab/tree/{FIRST}")
    assert "<title>JupyterLab" in page
    assert (folder / FIRST).is_file()
    assert json.loads(ask(f"{base}/api/contents/{FIRST}?token={token}")[1])["writable"]


def test_it_wants_the_token(running):
    _, base, _ = running
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(f"{base}/api/contents?token=wrong")


def test_its_kernel_is_this_python(running):
    """Also when the user has another kernel of the name `python3`."""
    _, base, token = running
    specs = json.loads(ask(f"{base}/api/kernelspecs?token={token}")[1])
    assert specs["default"] == "python3"
    assert specs["kernelspecs"]["python3"]["spec"]["argv"][0] == sys.executable


def test_its_kernel_runs_mimviz(running):
    """Started as a notebook starts it, and asked over the same wire."""
    _, base, token = running
    headers = {"Authorization": f"token {token}"}
    with DIRECT.open(urllib.request.Request(f"{base}/api/kernels", b"{}", headers), timeout=20) as answer:
        kernel = f"{base}/api/kernels/{json.loads(answer.read())['id']}"
    wire = websocket.create_connection(
        f"ws{kernel[4:]}/channels?token={token}", timeout=60, http_no_proxy=["127.0.0.1"]
    )
    header = {
        "msg_id": "1",
        "msg_type": "execute_request",
        "session": "1",
        "username": "",
        "version": "5.3",
        "date": "",
    }
    content = {"code": "import sys, mimviz; print(sys.executable)", "silent": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    wire.send(json.dumps(message))
    while (heard := json.loads(wire.recv()))["header"]["msg_type"] not in ("stream", "error"):
        pass
    assert heard["content"].get("text", heard["content"]) == sys.executable + "\n"
    wire.close()
    DIRECT.open(urllib.request.Request(kernel, headers=headers, method="DELETE"), timeout=30).close()


def test_it_asks_nobody_for_news(running):
    _, base, token = running
    page = ask(f"{base}/lab?token={token}")[1]
    assert "@jupyterlab/apputils-extension:announcements" in page[page.index("disabledExtensions") :][:300]


def test_only_this_machine_can_reach_it(running):
    _, base, _ = running
    port = int(base.rpartition(":")[2])
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)} - {
        "127.0.0.1",
        "127.0.1.1",
    }
    for address in own:
        with socket.socket() as visitor:
            visitor.settimeout(3)
            assert visitor.connect_ex((address, port)) != 0
    assert f"--ServerApp.ip={lab.HOST}" in lab.command(lab.Path(), port)
    assert lab.HOST == "127.0.0.1"


def test_a_taken_port_is_an_error(mimviz, running, tmp_path):
    port = running[1].rpartition(":")[2]
    code, _, err = mimviz("lab", tmp_path, "--no-browser", "--port", port)
    assert code == 2
    assert f"port {port} is taken" in err
    assert err.count("\n") == 1


def test_without_a_wish_a_free_port_is_found(monkeypatch):
    monkeypatch.setattr(lab, "is_free", lambda port: port == lab.PORT + 3)
    assert lab.choose_port(None) == lab.PORT + 3
    monkeypatch.setattr(lab, "is_free", lambda port: False)
    with pytest.raises(OSError, match="no free port from 8888 to 8987"):
        lab.choose_port(None)


@pytest.mark.parametrize("port", [0, -1, 70000])
def test_an_impossible_port(mimviz, tmp_path, port):
    code, _, err = mimviz("lab", tmp_path, f"--port={port}")
    assert (code, err) == (2, f"mimviz lab: error: --port is {port}, but a port is a number from 1 to 65535\n")


def test_without_jupyterlab(mimviz, monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    code, _, err = mimviz("lab", tmp_path)
    assert code == 2
    assert f"Install it there: {sys.executable} -m pip install jupyterlab" in err


def test_a_folder_that_cannot_be_written(mimviz, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = mimviz("lab", tmp_path / "file")
    assert code == 2
    assert "the lessons cannot be written to" in err


def test_a_server_that_dies_is_an_error(mimviz, monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "command", lambda folder, port: [sys.executable, "-c", "raise SystemExit(7)"])
    code, _, err = mimviz("lab", tmp_path, "--no-browser")
    assert code == 2
    assert "JupyterLab ended at once with exit code 7" in err


def test_a_browser_is_opened_only_where_there_is_a_screen(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(lab.webbrowser, "open", lambda url: opened.append(url) or True)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    for screen in (True, False):
        monkeypatch.setattr(lab, "has_screen", lambda screen=screen: screen)
        lab.tell_address("http://127.0.0.1:8888/lab", browser=True)
        lab.tell_address("http://127.0.0.1:8888/lab", browser=False)
    assert opened == ["http://127.0.0.1:8888/lab"]
    assert capsys.readouterr().out.count("open the address above") == 1


def test_over_ssh_it_says_how_to_reach_it(monkeypatch, capsys):
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    lab.tell_address("http://127.0.0.1:8890/lab?token=x", browser=True)
    assert "ssh -L 8890:127.0.0.1:8890" in capsys.readouterr().out
