"""The command line. A subcommand's file is imported only when it is asked for, so that `mimviz --help` is instant."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .. import __version__

COMMANDS = {
    "lab": "open JupyterLab on the lessons, in a folder of your own",
    "studio": "open all views over one picture as a page of its own, without a notebook",
    "doctor": "say what works on this machine, what does not, and why",
    "reconstruct": "hide patches of a photo and draw what the model makes of it",
    "rerun": "make a saved figure again and say whether it is identical",
    "train": "train a masked model on your own pictures",
    "export": "write a notebook as one page in which every widget stays alive",
    "tune": "make a classifier of a masked model, with labelled pictures",
    "inspect": "ask a model about every picture of a dataset, and keep the answers",
}
# What a wrong file, value or environment raises; everything else is a fault of the program.
EXPECTED = (ValueError, TypeError, OSError, LookupError, ImportError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 (well), 1 (something does not work) or 2 (asked for in a wrong way).

    Errors are one line. `MIMVIZ_DEBUG=1` in the environment shows the whole traceback instead.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    args = build_parser(words).parse_args(words)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, for example `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("MIMVIZ_DEBUG"):
            raise
        print(f"mimviz {args.command}: error: {one_line(error)}", file=sys.stderr)
        return 2 if isinstance(error, EXPECTED) else 1


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all commands; only the one named in `words` gets its arguments (and so its imports)."""
    parser = argparse.ArgumentParser(prog="mimviz", description="See what a masked image model makes of your pictures.")
    parser.add_argument("--version", action="version", version=f"mimviz {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        if name == asked:
            module = import_module(f".{name}", __package__)
            getattr(module, f"add_{name}_arguments")(command)
            command.set_defaults(run=getattr(module, f"run_{name}"))
    return parser


def one_line(error: BaseException) -> str:
    """The message of an error on one line; the type as well where the message alone would say little."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):  # str(KeyError) is a repr
        text = " ".join(str(error.args[0]).split()) if error.args else ""
    if isinstance(error, EXPECTED) and text:
        return text
    return f"{type(error).__name__}: {text or 'no message'} (MIMVIZ_DEBUG=1 shows where)"
