"""A real JupyterLab with nobody's settings but ours, and a notebook in it, driven through Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mimviz

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none", "recordTiming": True},
    "docmanager-extension/plugin": {"autosave": False},
}


def chromium(playwright) -> str:
    """Where Chromium is: MIMVIZ_CHROMIUM, the PATH, or Playwright's own. RuntimeError that says how to get one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    own = playwright.chromium.executable_path
    for path in (os.environ.get("MIMVIZ_CHROMIUM"), *map(shutil.which, names), own):
        if path and Path(path).is_file():
            return path
    raise RuntimeError(
        f"no Chromium: neither MIMVIZ_CHROMIUM, nor {', '.join(names)} on the PATH, nor Playwright's own at {own}. "
        "On Debian: apt-get install chromium. Elsewhere: python -m playwright install --with-deps chromium"
    )


class JupyterLab:
    """The server, on the loopback interface, with a token; its files, settings and runtime all below `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.token = secrets.token_hex(16)
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self._settings()

    def __enter__(self) -> JupyterLab:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self._log = (self.folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            self._command(), cwd=self.work, env=self._environment(), stdout=self._log, stderr=self._log
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._log.close()

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook; the address that opens it."""
        code = [{"cell_type": "code", "id": f"cell{i}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
                for i, source in enumerate(cells)]  # fmt: skip
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        book = {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        (self.work / name).write_text(json.dumps(book))
        return f"{self.url}/doc/tree/{name}?token={self.token}"

    def _settings(self) -> None:
        for name, values in SETTINGS.items():
            path = self.folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def _environment(self) -> dict[str, str]:
        places = {
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "MPLCONFIGDIR": "matplotlib",
        }  # fmt: skip
        own = {key: str(self.folder / place) for key, place in places.items()}
        above = [str(Path(mimviz.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        path = os.pathsep.join(filter(None, above))
        return {**os.environ, **own, "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": path, "PYTHONSAFEPATH": ""}

    def _command(self) -> list[str]:
        port = self.url.rsplit(":", 1)[1]
        return [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.work}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None",
            "--LabApp.extension_manager=readonly",
        ]  # fmt: skip

    def _wait(self, limit: float = 60) -> None:
        end = time.monotonic() + limit
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/api/status?token={self.token}", timeout=2).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self._log.flush()
        raise RuntimeError(f"JupyterLab did not start:\n{(self.folder / 'server.log').read_text()[-3000:]}")


class Notebook:
    """An open notebook whose kernel is connected."""

    def __init__(self, page, url: str):
        self.page = page
        page.goto(url)
        # "idle" shows before the kernel is connected, so the status bar is not what to wait for.
        page.wait_for_function(
            """() => {
              const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
              return session?.isReady && session.session?.kernel?.connectionStatus === 'connected';
            }""",
            timeout=60_000,
        )

    def run(self, code: str, timeout: float = 60) -> str:
        """Run `code` in a new cell at the end; what it printed or returned. AssertionError with the traceback if it raised."""
        index = self.page.evaluate(
            """code => {
              const { content } = window.jupyterapp.shell.currentWidget;
              content.model.sharedModel.addCell({ cell_type: 'code', source: code });
              content.activeCellIndex = content.widgets.length - 1;
              content.deselectAll();
              void window.jupyterapp.commands.execute('notebook:run-cell');  // its promise may never settle
              return content.activeCellIndex;
            }""",
            code,
        )
        done = self.page.wait_for_function(
            """index => {
              const { model } = window.jupyterapp.shell.currentWidget.content.widgets[index];
              if (model.executionCount === null || model.executionState === 'running') return false;
              return { outputs: model.outputs.toJSON() };
            }""",
            arg=index,
            timeout=timeout * 1000,
        ).json_value()
        return _text(done["outputs"])

    def ask(self, code: str) -> str:
        """What `code` prints, run in the kernel without a cell: quick, and the focus stays where it is."""
        outputs = self.page.evaluate(
            """async code => {
              const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
              const future = kernel.requestExecute({ code, store_history: false });
              const outputs = [];
              future.onIOPub = ({ header, content }) => outputs.push({ output_type: header.msg_type, ...content });
              await future.done;
              return outputs.filter(({ output_type }) => output_type === 'stream' || output_type === 'error');
            }""",
            code,
        )
        return _text(outputs)

    def theme(self, name: str) -> None:
        """Switch to "JupyterLab Light" or "JupyterLab Dark" and wait until it is there."""
        self.page.evaluate("theme => void window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name)
        light = "true" if name.endswith("Light") else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")


def _text(outputs: list[dict]) -> str:
    words = []
    for output in outputs:
        if output["output_type"] == "error":
            raise AssertionError("\n".join(output["traceback"]))
        text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
        words.append("".join(text))
    return "".join(words).strip()
