"""What `mimviz doctor` looks at: one function, one question, one `Check`.

Each imports what it needs by name and late, since it may be the very thing that is broken. `doctor.guarded` catches
the rest.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

from .gpu import explain_no_gpu

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Check:
    """One finding. `state` is "ok", "note" (fine, worth knowing), "warn" (works, but) or "fail" (needed and broken)."""

    name: str
    state: str
    text: str
    hint: str = ""


def python() -> Check:
    text = f"{platform.python_version()} at {sys.executable}, {platform.system()} {platform.machine()}"
    if sys.prefix == sys.base_prefix and not os.environ.get("CONDA_PREFIX"):
        return Check("Python", "note", text + ", no virtual environment")
    return Check("Python", "ok", text)


def mimviz() -> Check:
    try:
        version = metadata.version("mimviz")
    except metadata.PackageNotFoundError:
        return Check("mimviz", "warn", f"run from {PACKAGE}, not installed", "install it: python -m pip install .")
    return Check("mimviz", "ok", f"{version} in {PACKAGE}")


def torch_pair() -> Check:
    """torch and torchvision must come from one build: its C++ operators are compiled against that very torch."""
    torch = import_module("torch")
    have = f"torch {torch.__version__}"
    try:
        torchvision = import_module("torchvision")
        import_module("torchvision.ops").nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except ModuleNotFoundError:
        return Check("torch", "fail", f"{have}, but no torchvision", f"{sys.executable} -m pip install torchvision")
    except Exception as error:
        other = metadata.version("torchvision")
        cause = f"{have} does not fit torchvision {other}: {' '.join(str(error).split())[:120]}"
        return Check("torch", "fail", cause, pair_advice(torch.__version__, other))
    return Check("torch", "ok", f"{have} with torchvision {torchvision.__version__}")


def pair_advice(torch: str, torchvision: str) -> str:
    """Why the two do not fit, and the one command that mends it."""
    builds = [version.partition("+")[2] or "default" for version in (torch, torchvision)]
    why = f"one is the {builds[0]} build, the other the {builds[1]} build; " if builds[0] != builds[1] else ""
    return f"{why}install both in one go from one index: {sys.executable} -m pip install --upgrade torch torchvision"


def packages() -> Check:
    """Are the other packages there, new enough and importable?"""
    good, bad = [], []
    for name, module in (
        ("timm", "timm"), ("captum", "captum"), ("numpy", "numpy"), ("Pillow", "PIL"), ("safetensors", "safetensors"),
        ("scikit-image", "skimage"), ("matplotlib", "matplotlib"), ("plotly", "plotly"), ("pyarrow", "pyarrow"),
        ("anywidget", "anywidget"), ("ipywidgets", "ipywidgets"), ("jupyterlab", "jupyterlab"),
        ("ipykernel", "ipykernel"),
    ):  # fmt: skip
        try:
            import_module(module)
            good.append(f"{name} {metadata.version(name)}")
        except Exception as error:
            bad.append(f"{name} ({type(error).__name__}: {' '.join(str(error).split())[:100]})")
    if bad:
        names = " ".join(line.split()[0] for line in bad)
        return Check("packages", "fail", "; ".join(bad), f"{sys.executable} -m pip install --upgrade {names}")
    return Check("packages", "ok", ", ".join(good))


def requirements() -> Check:
    """Do the installed versions satisfy what mimviz asks for?"""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("mimviz") or []
    except metadata.PackageNotFoundError:
        return Check("requirements", "note", "not known, because mimviz is not installed")
    every = [Requirement(line) for line in lines]
    wanted = [need for need in every if need.marker is None or need.marker.evaluate({"extra": ""})]
    old = []
    for need in wanted:
        try:
            have = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            have = "none"
        if have == "none" or not need.specifier.contains(have, prereleases=True):
            old.append((need, f"{need.name} {have}, wanted {need.specifier}"))
    if old:
        mend = " ".join(f'"{need.name}{need.specifier}"' for need, _ in old)
        return Check(
            "requirements", "fail", "; ".join(text for _, text in old), f"{sys.executable} -m pip install {mend}"
        )
    return Check("requirements", "ok", f"all {len(wanted)} are met")


def widget_bundles() -> Check:
    """The browser halves of the widgets: built when mimviz is installed, empty or absent in a bare checkout."""
    static = PACKAGE / "widgets" / "static"
    found = {path.name: path.stat().st_size for path in sorted(static.glob("*.[jc]s*"))}
    text = ", ".join(f"{name} {size / 1000:.0f} kB" for name, size in found.items())
    if not found.get("mask_painter.js"):
        hint = "in a checkout: python -m pip install -e . (it brings its own Node); else install mimviz again"
        return Check("widget bundles", "fail", f"mask_painter.js is not in {static}", hint)
    return Check("widget bundles", "ok", text)


def bundled_model() -> Check:
    """Load the tiny model and reconstruct a bundled picture with it."""
    mv = import_module("mimviz")
    start = time.perf_counter()
    model = mv.load_mim("tiny")
    loaded = time.perf_counter()
    picture = mv.image(mv.images()[0])
    mask = mv.Mask.random(model.grid, ratio=0.75, seed=0)
    model.reconstruct(picture, mask)  # the first run warms up
    middle = time.perf_counter()
    outcome = model.reconstruct(picture, mask)
    ms = 1000 * (time.perf_counter() - middle)
    text = f"tiny loads in {loaded - start:.1f} s and reconstructs in {ms:.0f} ms ({outcome.psnr:.1f} dB)"
    return Check("bundled model", "ok", text)


def gpu() -> Check:
    torch = import_module("torch")
    if torch.cuda.is_available():
        name, (free, total) = torch.cuda.get_device_name(0), torch.cuda.mem_get_info(0)
        torch.ones(8, 8, device="cuda").mm(torch.ones(8, 8, device="cuda")).sum().item()
        others = f" and {torch.cuda.device_count() - 1} more" if torch.cuda.device_count() > 1 else ""
        return Check("GPU", "ok", f"{name}{others}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    if torch.backends.mps.is_available():
        return Check("GPU", "ok", "Apple MPS")
    text, hint = explain_no_gpu(torch)
    return Check("GPU", "note", f"none: {text}. Everything works on the processor, training is slower", hint)


def processor() -> Check:
    torch = import_module("torch")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads, limit = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    text = f"{usable} cores, torch uses {threads} threads" + (f" (OMP_NUM_THREADS={limit})" if limit else "")
    if threads > usable:
        return Check("processor", "warn", text, "more threads than cores slow everything: set OMP_NUM_THREADS")
    return Check("processor", "ok", text)


def notebook_kernel() -> Check:
    """A notebook must run in this Python. `mimviz lab` sees to that; another Jupyter may not."""
    manager = import_module("jupyter_client.kernelspec").KernelSpecManager()
    first = manager.get_kernel_spec("python3").argv[0]
    if (Path(first).name.startswith("python") and os.sep not in first) or Path(first) == Path(sys.executable):
        return Check("notebook kernel", "ok", "python3 is this Python")
    hint = "mimviz lab uses the right one; for another Jupyter choose the kernel of this environment"
    return Check("notebook kernel", "note", f"the kernel named python3 is {first}, not this Python", hint)


def lessons() -> Check:
    from .lessons import lessons_source

    source = lessons_source()
    return Check("lessons", "ok", f"{len(list(source.glob('*.ipynb')))} in {source}")


def disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    state, hint = ("warn", "less than 1 GiB: checkpoints and notebooks need room") if free < 1 else ("ok", "")
    return Check("disk", state, f"{free:.1f} GiB free in {Path.cwd()}", hint)


def chromium() -> Check:
    """Only the browser tests of a checkout need it."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        return Check(
            "Chromium", "note", "none: only the browser tests of a checkout need it", "Debian: apt install chromium"
        )
    return Check("Chromium", "ok", f"{found} (only for browser tests)")


def node() -> Check:
    """Only work on the front end needs it; building an install brings its own."""
    found = shutil.which("node")
    if found is None:
        return Check("Node", "note", "none: only work on the front end needs it, an install brings its own")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10).stdout.strip()
    return Check("Node", "ok", f"{version} (only for work on the front end)")


PROBES = (
    python, mimviz, torch_pair, packages, requirements, widget_bundles, bundled_model, gpu, processor, notebook_kernel,
    lessons, disk, chromium, node,
)  # fmt: skip
