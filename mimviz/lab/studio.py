"""`mimviz studio`: the studio as a page without a notebook, by Voilà, on this machine only."""

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from .lab import HOST, attend, choose_port, environment

PAGE = "studio.ipynb"


def add_studio_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", nargs="?", default="cat", help="a file, or a bundled picture (default: %(default)s)")
    parser.add_argument("--model", default="tiny-classifier", help="for `mimviz.load_vit` (default: %(default)s)")
    parser.add_argument("--mim", default="tiny", help="for `mimviz.load_mim` (default: %(default)s)")
    parser.add_argument("--show", nargs="+", default=["paint", "attention"], help="parts that are open at first")
    parser.add_argument("--port", type=int, help="port on this machine (default: 8888 or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run_studio(args: argparse.Namespace) -> int:
    """Serve the page until it ends; Ctrl-C ends it. Every visitor with the address has a kernel, and so a studio, of their own."""
    if find_spec("voila") is None:
        raise ModuleNotFoundError(
            f"Voilà is not installed for {sys.executable}: {sys.executable} -m pip install 'mimviz[studio]'"
        )
    _check(args)
    port = choose_port(args.port)
    with tempfile.TemporaryDirectory(prefix="mimviz-studio-") as folder:
        private, token = Path(folder), secrets.token_hex(24)
        page = private / "page" / PAGE
        page.parent.mkdir()
        page.write_text(json.dumps(notebook(args.picture, args.model, args.mim, args.show)), "utf-8")
        # not on the command line, where other users could read it
        (private / "voila.json").write_text(json.dumps({"Voila": {"token": token}}), "utf-8")
        server = subprocess.Popen(command(page, port), env=environment(private, token))
        address, farewell = f"http://{HOST}:{port}/?token={token}", "mimviz studio: closed."
        return attend(server, address, browser=not args.no_browser, farewell=farewell, what="Voilà", ends="the studio")


def _check(args: argparse.Namespace) -> None:
    """What is wrong is said here, and not on a page."""
    from ..data import image
    from ..widgets.studio import PARTS

    if wrong := [name for name in args.show if name not in PARTS or name == "training"]:
        raise ValueError(
            f"--show names {wrong[0]!r}, but there are {', '.join(name for name in PARTS if name != 'training')}"
        )
    image(args.picture)
    if Path(args.picture).exists():
        args.picture = str(Path(args.picture).absolute())


def notebook(picture: str, model: str, mim: str, show: list[str]) -> dict:
    """The page's one cell; what was given stands in it as text, never as code."""
    code = f"import mimviz as mv\n\nmv.Studio({picture!r}, {model!r}, mim={mim!r}, show={list(show)!r})"
    cell = {"cell_type": "code", "id": "studio", "metadata": {}, "execution_count": None, "outputs": [], "source": code}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": kernel, "title": "mimviz studio"},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def command(page: Path, port: int) -> list[str]:
    """The call that starts Voilà: loopback only, this page alone, no source of it."""
    words = [sys.executable, "-m", "voila", str(page), f"--Voila.ip={HOST}", f"--port={port}", "--no-browser"]
    words += [
        "--Voila.port_retries=0",
        "--strip_sources=True",
        "--show_tracebacks=True",
        "--Application.log_level=ERROR",
    ]
    return [*words, "--VoilaConfiguration.preheat_kernel=False"]
