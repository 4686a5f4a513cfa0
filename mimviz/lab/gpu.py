"""Why torch sees no GPU, in plain words."""

import os
import shutil
import subprocess
import sys
import warnings


def explain_no_gpu(torch) -> tuple[str, str]:
    """(cause, what to do) when `torch.cuda.is_available()` is false; the second is empty where nothing needs doing."""
    card = nvidia_card()
    if sys.platform == "darwin":
        return "this torch finds no Apple GPU", ""
    if torch.version.hip:
        return "this torch is built for AMD (ROCm) and finds no such card", ""
    if torch.version.cuda is None:
        if not card:
            return "no NVIDIA card here, and this torch is the processor-only build", ""
        return (
            f"there is {card}, but torch {torch.__version__} is the processor-only build",
            f"{sys.executable} -m pip install --upgrade --force-reinstall torch torchvision (with CUDA)",
        )
    if os.environ.get("CUDA_VISIBLE_DEVICES", "unset") in ("", "-1", "none"):
        return (
            f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']!r} hides every card",
            "unset CUDA_VISIBLE_DEVICES",
        )
    if not card:
        return "no NVIDIA driver or card found (no nvidia-smi that answers, no /dev/nvidia0)", ""
    return (
        f"there is {card}, but torch for CUDA {torch.version.cuda} cannot use it: {complaint(torch)}",
        driver_advice(),
    )


def nvidia_card() -> str:
    """Name and driver of the first card; empty when there is none."""
    tool = shutil.which("nvidia-smi")
    if tool:
        ask = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        said = subprocess.run(ask, capture_output=True, text=True, timeout=20)
        if said.returncode == 0 and said.stdout.strip():
            name, _, driver = said.stdout.strip().splitlines()[0].partition(", ")
            return f"{name} with driver {driver}"
    return "an NVIDIA card without a driver that answers" if os.path.exists("/dev/nvidia0") else ""


def complaint(torch) -> str:
    """What CUDA itself says, on one line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            torch.cuda.init()
        except Exception as error:
            return " ".join(str(error).split())[:200]
    return " ".join(str(caught[0].message).split())[:200] if caught else "no reason given"


def driver_advice() -> str:
    return "update the NVIDIA driver, or install a torch for the CUDA that the driver knows: https://pytorch.org/get-started"
