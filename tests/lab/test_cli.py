"""The command line itself: help, wrong words, errors on one line."""

import argparse
import subprocess
import sys
from importlib import import_module

import pytest

from mimviz.lab import cli


def test_help_names_every_command(mimviz):
    code, out, _ = mimviz("--help")
    assert code == 0
    assert all(name in out for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_there(mimviz, name):
    code, out, _ = mimviz(name, "--help")
    assert code == 0
    assert f"mimviz {name}" in out
    assert callable(getattr(import_module(f"mimviz.lab.{name}"), f"run_{name}"))


def test_version(mimviz):
    import mimviz as mv

    assert mimviz("--version")[1].split() == ["mimviz", mv.__version__]


@pytest.mark.parametrize("words", [[], ["painter"], ["doctor", "--loud"]])
def test_wrong_words_end_with_2(mimviz, words):
    code, out, err = mimviz(*words)
    assert (code, out) == (2, "")
    assert "error" in err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("ratio is 2,\n but 0..1 is wanted"), 2, "error: ratio is 2, but 0..1 is wanted\n"),
        (KeyError("no such picture"), 2, "error: no such picture\n"),
        (RuntimeError("boom"), 1, "error: RuntimeError: boom (MIMVIZ_DEBUG=1 shows where)\n"),
        (AssertionError(), 1, "error: AssertionError: no message (MIMVIZ_DEBUG=1 shows where)\n"),
    ],
)
def test_errors_are_one_line(mimviz, monkeypatch, error, code, text):
    def fail(args: argparse.Namespace):
        raise error

    monkeypatch.setattr("mimviz.lab.doctor.run_doctor", fail)
    monkeypatch.delenv("MIMVIZ_DEBUG", raising=False)
    assert mimviz("doctor") == (code, "", f"mimviz doctor: {text}")
    monkeypatch.setenv("MIMVIZ_DEBUG", "1")
    with pytest.raises(type(error)):
        mimviz("doctor")


def test_a_reader_that_leaves_is_no_error():
    """`mimviz doctor | head -1`."""
    code = "import sys; from mimviz.lab import main, doctor\n"
    code += (
        "doctor.run_doctor = lambda args: [print(n, flush=True) for n in range(9**6)] and 0\nsys.exit(main(['doctor']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        writer.stdout.readline()
        writer.stdout.close()
        assert writer.wait(30) == 0
        assert writer.stderr.read() == b""


def test_module_is_the_command():
    words = [sys.executable, "-m", "mimviz.lab", "--version"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.startswith("mimviz ")
