"""A cell that makes a painter, run again and again in a real kernel: nothing may pile up."""

from jupyter_client.manager import start_new_kernel

from mimviz.lab.lab import environment

SETUP = """
import gc, weakref, torch, ipywidgets, mimviz as mv
torch.set_num_threads(1)
def tiny():
    vit = mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    return mv.recipes.mae(vit, dim=16, depth=1)
models, painter = [], None
"""
CELL = """
if painter is not None:
    painter.close()
mim = tiny()
models.append(weakref.ref(mim))
painter = mv.MaskPainter("cat", mim)
painter.wait()
painter
"""
COUNT = """
import threading
painter.close()
del mim
gc.collect()
alive = sum(model() is not None for model in models)
engines = sum(thread.name.startswith("mimviz") for thread in threading.enumerate())
live = sum(isinstance(widget, mv.MaskPainter) for widget in ipywidgets.Widget.widgets.values())
assert len(models) == 50, len(models)
assert (alive, engines, live) == (0, 0, 0), f"{alive} models, {engines} threads, {live} widgets"
"""


def test_fifty_runs_of_a_cell_leave_no_widget_no_model_and_no_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", environment(tmp_path, "")["JUPYTER_PATH"])  # this very Python
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for code in [SETUP, *[CELL] * 50, COUNT]:
            reply = client.execute_interactive(code, timeout=120, output_hook=lambda message: None)["content"]
            assert reply["status"] == "ok", f"{reply['ename']}: {reply['evalue']}"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
