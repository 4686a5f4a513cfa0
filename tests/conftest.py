"""One thread for torch: the tests are tiny, and more threads only wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_configure(config):
    import torch

    torch.set_num_threads(1)
