"""`import mimviz` and `mimviz --help` are instant: nothing heavy is imported before it is used."""

import statistics
import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "timm", "captum", "matplotlib", "anywidget", "ipywidgets", "numpy", "PIL", "skimage"}


def fresh(code: str) -> list[str]:
    """Words that `code` prints in a Python of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_import_takes_under_300_ms():
    code = "import time; t = time.perf_counter(); import mimviz; print(time.perf_counter() - t)"
    seconds = statistics.median(float(fresh(code)[0]) for _ in range(5))
    assert seconds < 0.3


@pytest.mark.parametrize(
    "code",
    [
        "import mimviz",
        "import mimviz; dir(mimviz)",
        "import mimviz.lab",
        "import sys, mimviz.lab\ntry: mimviz.lab.main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_imported(code):
    loaded = fresh(code + "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})")
    assert not HEAVY.intersection(loaded)


def test_every_public_name_is_there():
    fresh("import mimviz; [getattr(mimviz, name) for name in mimviz.__all__]")


def test_a_wrong_name_says_what_there_is():
    import mimviz

    with pytest.raises(AttributeError, match=r"mimviz has no 'load_min'; it has .*load_mim"):
        _ = mimviz.load_min
