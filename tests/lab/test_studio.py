"""`mimviz studio`: its page, and the page served for real."""

import ast
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from mimviz.lab import studio
from mimviz.lab.cli import build_parser, main

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def asked(*words):
    return build_parser(["studio", *words]).parse_args(["studio", *words])


def test_what_was_given_stands_in_the_page_as_text():
    hostile = "cat'); import os; os.remove('x"
    code = studio.notebook(hostile, 'a"b', "tiny", ["paint"])["cells"][0]["source"]
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    assert len(calls) == 1, "one call, whatever was given"
    assert [ast.literal_eval(each) for each in calls[0].args] == [hostile, 'a"b']


def test_loopback_and_no_token_in_sight():
    words = studio.command("page.ipynb", 9000)
    assert "--Voila.ip=127.0.0.1" in words and not any("token" in word for word in words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--show", "sound"], "--show names 'sound'"),
        (["no such.png"], "no such.png"),
        (["--port", "99999"], "--port is 99999"),
    ],
)
def test_mistakes_are_one_line(words, said, capsys):
    assert main(["studio", "--no-browser", *words]) == 2
    assert said in capsys.readouterr().err


def test_without_voila_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(studio, "find_spec", lambda name: None)
    assert main(["studio"]) == 2
    assert "mimviz[studio]" in capsys.readouterr().err


def test_the_page_is_served_to_whom_has_the_token():
    """302 leads strangers to the question for a token."""
    words = [sys.executable, "-m", "mimviz.lab", "studio", "--no-browser", "--show", "paint"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        said = ""
        while (found := re.search(r"(http://127\.0\.0\.1:\d+)/\?token=\w+", said)) is None:
            line = server.stdout.readline()
            assert line, f"it ended without an address: {said}"
            said += line
        for closed in ("/", "/api/kernels", "/static/../../etc/passwd"):
            try:
                with DIRECT.open(found[1] + closed, timeout=60) as answer:
                    text, status = answer.read().decode(), answer.status
            except urllib.error.HTTPError as refusal:
                text, status = "", refusal.code
            assert "Studio" not in text and (status >= 400 or "password" in text.lower() or "token" in text.lower()), (
                closed
            )
        with DIRECT.open(found[0], timeout=120) as answer:
            page = answer.read().decode()
        assert "application/vnd.jupyter.widget-view+json" in page and "Traceback" not in page
        assert "mv.Studio(" not in page, "the source stays away"
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 143
