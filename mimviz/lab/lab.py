"""`mimviz lab`: JupyterLab on lesson 01, on this machine only, with this very Python as its kernel."""

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from importlib.util import find_spec
from pathlib import Path

from .lessons import FIRST, Copied, copy_lessons

HOST = "127.0.0.1"
PORT = 8888


def add_lab_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("mimviz-lessons"),
        help="where the lessons go (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, help=f"port on this machine (default: {PORT} or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--reset", action="store_true", help="fresh lessons; changed ones are kept in before-<date>-<time>/"
    )


def run_lab(args: argparse.Namespace) -> int:
    """Copy the lessons, start JupyterLab and stay until it ends; Ctrl-C ends it."""
    if find_spec("jupyterlab") is None or find_spec("ipykernel") is None:
        raise ModuleNotFoundError(
            f"JupyterLab is not installed for {sys.executable}. "
            f"Install it there: {sys.executable} -m pip install jupyterlab"
        )
    port = choose_port(args.port)
    folder = args.folder.expanduser().absolute()
    tell_copied(copy_lessons(folder, reset=args.reset), folder)
    with tempfile.TemporaryDirectory(prefix="mimviz-lab-") as private:
        token = secrets.token_hex(24)
        server = subprocess.Popen(command(folder, port), env=environment(Path(private), token))
        address = f"http://{HOST}:{port}/lab/tree/{FIRST}?token={token}"
        farewell = f"mimviz lab: closed. Your lessons stay in {folder}"
        return attend(server, address, browser=not args.no_browser, farewell=farewell)


def attend(
    server: subprocess.Popen, address: str, *, browser: bool, farewell: str, what="JupyterLab", ends="JupyterLab"
) -> int:
    """Say where the server is once it answers, and stay until it ends; Ctrl-C ends it, as does the end of this process."""
    stop = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        wait_until_ready(server, int(address.split(":")[2].split("/")[0]), what=what)
        tell_address(address, browser=browser, what=ends)
        return server.wait()
    except KeyboardInterrupt:
        print(f"\n{farewell}")
        return 0
    finally:
        end(server)
        signal.signal(signal.SIGTERM, stop)


def command(folder: Path, port: int) -> list[str]:
    """The call that starts JupyterLab: loopback only, no look at the network for news or extensions."""
    words = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.root_dir={folder}"]
    words += [f"--ServerApp.ip={HOST}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    words += ["--LabApp.extension_manager=readonly", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    words += ["--KernelManager.transport_encryption=auto", "--Application.log_level=ERROR"]
    return [*words, "--allow-root"] if is_root() else words


def environment(private: Path, token: str) -> dict[str, str]:
    """The server's environment. The token is not on the command line, where other users could read it."""
    from ipykernel.kernelspec import get_kernel_dict

    kernel = private / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = get_kernel_dict() | {"display_name": "Python 3 (mimviz)"}  # its argv begins with sys.executable
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    page = private / "labconfig"
    page.mkdir()
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (page / "page_config.json").write_text(json.dumps(quiet), encoding="utf-8")
    alone = {
        "ServerApp": {"jpserver_extensions": {"voila.server_extension": False}}
    }  # it warns, and has a page of its own
    (private / "jupyter_server_config.json").write_text(json.dumps(alone), encoding="utf-8")
    inherited = dict(os.environ)
    return inherited | {
        "JUPYTER_TOKEN": token,
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's widgets, not those of ~/.local
        "JUPYTER_PATH": joined(str(private), inherited.get("JUPYTER_PATH")),
        "JUPYTER_CONFIG_PATH": joined(str(private), inherited.get("JUPYTER_CONFIG_PATH")),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def joined(first: str, rest: str | None) -> str:
    return os.pathsep.join([first, *([rest] if rest else [])])


def choose_port(asked: int | None) -> int:
    """`asked`, if it is free; without a wish the first free port from 8888 on."""
    if asked is not None:
        if not 1 <= asked <= 65535:
            raise ValueError(f"--port is {asked}, but a port is a number from 1 to 65535")
        if not is_free(asked):
            raise OSError(
                f"port {asked} is taken or not allowed here: probably another Jupyter runs on it. "
                "Choose another --port, or leave it out and a free one is found."
            )
        return asked
    for port in range(PORT, PORT + 100):
        if is_free(port):
            return port
    raise OSError(f"no free port from {PORT} to {PORT + 99} on {HOST}: close something, or name one with --port")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def wait_until_ready(server: subprocess.Popen, port: int, *, seconds: float = 120, what: str = "JupyterLab") -> None:
    """Return when the server answers; raise when it ended or stays silent."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.poll() is not None:
            raise OSError(f"{what} ended at once with exit code {server.returncode}; its own message is above")
        try:
            with direct.open(f"http://{HOST}:{port}/api", timeout=2):
                return
        except urllib.error.HTTPError:
            return  # it answers, that is enough
        except OSError:
            time.sleep(0.2)
    raise OSError(f"{what} did not answer on {HOST}:{port} within {seconds:.0f} seconds")


def tell_copied(copied: Copied, folder: Path) -> None:
    print("lessons in", folder)
    if copied.saved:
        print("  your changed lessons are now:", ", ".join(copied.saved))
    if copied.kept:
        print("  left as you changed them:", ", ".join(copied.kept), "(mimviz lab --reset brings fresh ones)")


def tell_address(url: str, *, browser: bool, what: str = "JupyterLab") -> None:
    print(f"\n  {url}\n\nCtrl-C ends {what}.", flush=True)
    if os.environ.get("SSH_CONNECTION"):
        port = url.split(":")[2].split("/")[0]
        print(
            f"You are on a remote machine. On your own one run: ssh -L {port}:{HOST}:{port} <this machine>", flush=True
        )
    elif browser and (not has_screen() or not webbrowser.open(url)):
        print("No browser could be opened here: open the address above in one.", flush=True)


def has_screen() -> bool:
    """Without a screen a browser of the terminal would take this window."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER"))


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def end(server: subprocess.Popen) -> None:
    """End JupyterLab and its kernels; it asks nothing when it is terminated."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
