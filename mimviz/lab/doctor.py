"""`mimviz doctor`: what works on this machine, what does not, and why."""

import argparse
import json
import os
import sys
import warnings

from .probes import PROBES, Check

MARKS = {"ok": "✓", "note": "·", "warn": "!", "fail": "✗"}


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the same for programs: a list of checks")


def run_doctor(args: argparse.Namespace) -> int:
    """Run every probe; 0 when all that is needed works, else 1."""
    checks = []
    for probe in PROBES:
        check = guarded(probe)
        checks.append(check)
        if not args.json:
            tell(check)
    failed = [check for check in checks if check.state == "fail"]
    if args.json:
        print(json.dumps({"works": not failed, "checks": [vars(check) for check in checks]}, indent=2))
    elif failed:
        print(f"\n{len(failed)} of {len(checks)} checks failed: {', '.join(check.name for check in failed)}.")
    else:
        print("\nAll that mimviz needs works here. Begin with: mimviz lab")
    return 1 if failed else 0


def guarded(probe) -> Check:
    """What the probe found; a probe that breaks is a finding too, never the end of the visit."""
    name = probe.__name__.replace("_", " ")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return probe()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # importing a broken package may raise anything, SystemExit included
        text = " ".join(str(error).split()) or "no message"
        return Check(name, "fail", f"{type(error).__name__}: {text[:300]}", hint=advice(error))


def advice(error: BaseException) -> str:
    """What usually helps."""
    if isinstance(error, ModuleNotFoundError):
        return f"install it for this Python: {sys.executable} -m pip install {error.name or ''}".rstrip()
    if isinstance(error, ImportError | OSError) and not isinstance(error, FileNotFoundError):
        return (
            "a package is there but broken; a fresh environment is the sure way: python3 -m venv, then install mimviz"
        )
    return ""


def tell(check: Check) -> None:
    mark = MARKS[check.state]
    if not can_print(mark):
        mark = check.state
    print(f"{mark} {check.name:<20} {check.text}", flush=True)
    if check.hint:
        print(f"  {'':<20} → {check.hint}" if can_print("→") else f"  {'':<20} > {check.hint}", flush=True)


def can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return os.environ.get("TERM") != "dumb"
