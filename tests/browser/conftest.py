"""One JupyterLab, one Chromium, one notebook for all browser tests; each test shows a widget in its own cell."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from .jupyter import FLAGS, JupyterLab, Notebook, chromium

SETUP = """
import os
os.environ["OMP_NUM_THREADS"] = "1"
import torch
torch.set_num_threads(1)
import mimviz as mv
import numpy as np

def tiny(**options):
    torch.manual_seed(0)
    vit = mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=2)
    return mv.recipes.mae(vit, dim=64, depth=1, **options).eval()

model = tiny(normalize=False)
photo = mv.image(mv.images()[0])
grid = model.grid
"""


@pytest.fixture(scope="package")
def screenshots(tmp_path_factory):
    """The folder for pictures of what was tested: MIMVIZ_SCREENSHOTS, or a temporary one."""
    named = os.environ.get("MIMVIZ_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="package")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def notebook(browser, tmp_path_factory):
    with JupyterLab(tmp_path_factory.mktemp("jupyter")) as lab:
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
        page = context.new_page()
        page.set_default_timeout(20_000)
        notebook = Notebook(page, lab.notebook("painter.ipynb", "# mimviz"))
        notebook.run(SETUP)
        yield notebook
        context.close()
