"""A cell that makes a widget, run again and again in a real kernel: nothing may pile up."""

import pytest
from jupyter_client.manager import start_new_kernel

from mimviz.lab.lab import environment

SETUP = """
import gc, weakref, torch, ipywidgets, mimviz as mv
torch.set_num_threads(1)
def tiny():
    vit = mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    return mv.recipes.mae(vit, dim=16, depth=1)
models, widget = [], None
"""
CELL = """
if widget is not None:
    widget.close()
mim = tiny()
models.append(weakref.ref(mim))
widget = {make}
widget.wait()
widget
"""
MAKES = ("mv.MaskPainter('cat', mim)", "mv.AttentionExplorer(mim, 'cat')")
COUNT = """
import threading
widget.close()
del mim
gc.collect()
alive = sum(model() is not None for model in models)
engines = sum(thread.name.startswith("mimviz") for thread in threading.enumerate())
live = sum(isinstance(each, type(widget)) for each in ipywidgets.Widget.widgets.values())
assert len(models) == 50, len(models)
assert (alive, engines, live) == (0, 0, 0), f"{alive} models, {engines} threads, {live} widgets"
"""


@pytest.mark.parametrize("make", MAKES, ids=lambda make: make[3:].partition("(")[0])
def test_fifty_runs_of_a_cell_leave_no_widget_no_model_and_no_thread(tmp_path, monkeypatch, make):
    monkeypatch.setenv("JUPYTER_PATH", environment(tmp_path, "")["JUPYTER_PATH"])  # this very Python
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for code in [SETUP, *[CELL.format(make=make)] * 50, COUNT]:
            reply = client.execute_interactive(code, timeout=120, output_hook=lambda message: None)["content"]
            assert reply["status"] == "ok", f"{reply['ename']}: {reply['evalue']}"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
