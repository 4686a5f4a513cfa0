"""TrainingMonitor as a person uses it, in a real JupyterLab."""

import json
import time

import pytest

from .jupyter import Notebook

pytestmark = pytest.mark.browser

DATA = """
from mimviz.data import Batches
from mimviz.widgets import TrainingMonitor
learner = tiny(normalize=False)
shown = torch.stack([torch.tensor(mv.image(n, size=64).array).permute(2, 0, 1) for n in mv.images()[:8]]).mul(255).to(torch.uint8)
data = Batches(shown, 4, mean=learner.encoder.mean, std=learner.encoder.std)
"""


class Shown:
    def __init__(self, notebook: Notebook, code: str):
        self.notebook, self.page = notebook, notebook.page
        notebook.run(f"{DATA}\n{code}\nmonitor")
        self.root = self.page.locator(".mv-training").last
        self.root.locator(".mv-train-run").first.wait_for()
        self.root.scroll_into_view_if_needed()

    def state(self, word: str, row: int = 0, timeout: float = 60_000) -> None:
        self.root.locator(f".mv-train-run[data-run='{row}'] .mv-train-state[data-state={word}]").wait_for(
            timeout=timeout
        )

    def done(self, row: int = 0) -> int:
        return int(self.root.locator(".mv-train-facts").nth(row).inner_text().split()[1])


def close(notebook):
    notebook.ask("monitor.close()")


def test_a_training_is_started_paused_scrubbed_and_branched_on_the_page(notebook, screenshots):
    shown = Shown(
        notebook,
        "run = mv.Run(learner, data, steps=400, every=5, share=0.3, watch=[photo], name='mine')\nmonitor = TrainingMonitor(run)",
    )
    shown.state("new")
    shown.root.locator("[data-action=go]").click()
    shown.state("running")
    first = shown.done()
    assert notebook.run("1 + 1") == "2", "the notebook is free while it trains"
    end = time.monotonic() + 30
    while shown.done() <= first + 20:
        assert time.monotonic() < end
        shown.page.wait_for_timeout(100)
    shown.root.locator("[data-action=go]").click()
    shown.state("paused")
    assert notebook.ask("print(run.state, len(run.moments) > 2)") == "paused True"
    shown.root.locator("[aria-label='Peak of the learning rate']").fill("0.0004")
    shown.page.keyboard.press("Enter")
    end = time.monotonic() + 10
    while notebook.ask("print(run.lr)") != "0.0004":
        assert time.monotonic() < end, notebook.ask("print(monitor.command, monitor.problem, run, run.loop.changes)")
    slider = shown.root.locator("[aria-label='Moment of the training']")
    slider.focus()
    for _ in range(2):
        shown.page.keyboard.press("ArrowLeft")
    shown.root.locator(".mv-train-cursor").first.wait_for(state="attached")
    step = int(notebook.ask("monitor.wait(); print(monitor.moment)"))
    assert (
        notebook.ask(f"print({step} in [m.step for m in run.moments], monitor.frame['steps'] == [{step}])")
        == "True True"
    )
    assert f"step {step}" in shown.root.locator(".mv-train-when").inner_text()
    shown.root.locator("[aria-label='Learning rate of the branch']").fill("0.003")
    shown.root.locator("[data-action=branch]").click()
    shown.root.locator(".mv-train-run[data-run='1']").wait_for()
    assert (
        notebook.ask(f"print(monitor.runs[1].loop.changes.get({step}), len(monitor.runs[1].history) == {step})")
        == "0.003 True"
    )
    shown.root.locator("[data-action=go]").nth(1).click()
    shown.state("running", 1)
    shown.page.wait_for_function(
        "root => root.querySelectorAll('polyline.is-run1').length > 2", arg=shown.root.element_handle()
    )
    shown.root.locator("[data-action=stop]").nth(1).click()
    shown.state("stopped", 1)
    shown.root.screenshot(path=screenshots / "training_monitor.png")
    close(notebook)


def test_what_fails_is_said_with_what_was_kept(notebook):
    shown = Shown(
        notebook,
        "learner.decoder.norm.register_forward_hook(lambda m, i, o: o * float('nan') if len(run.history) >= 6 else o)\n"
        "run = mv.Run(learner, data, steps=40)\nmonitor = TrainingMonitor(run)",
    )
    assert "No picture is watched" in shown.root.locator(".mv-train-blank").inner_text()
    shown.root.locator("[data-action=go]").click()
    shown.state("failed")
    said = shown.root.locator(".mv-train-message").inner_text()
    assert "it began in decoder.norm" in said and "Kept: all of it at step 6" in said
    close(notebook)


def test_held_out_pictures_have_a_curve_that_the_time_machine_reads(notebook, screenshots):
    shown = Shown(
        notebook,
        "from mimviz.tune import Classifier, classifier\n"
        "vit = Classifier(classifier(learner, 2), steps=24)\n"
        "labels = torch.arange(8) % 2\n"
        "learn = Batches(shown[:6], 3, mean=data.mean, std=data.std, labels=labels[:6])\n"
        "held = Batches(shown[6:], 2, mean=data.mean, std=data.std, labels=labels[6:])\n"
        "run = mv.Run(vit, learn, steps=24, lr=3e-4, every=4, share=1.0, validation=held, validate_every=4, watch=[photo])\n"
        "monitor = TrainingMonitor(run)",
    )
    accuracy = shown.root.locator("[data-chart=train-accuracy]")
    accuracy.wait_for(state="hidden")
    shown.root.locator("[data-action=go]").click()
    shown.state("finished")
    accuracy.wait_for()
    told = "[[step, found.accuracy] for step, found in run.history.validation.items()]"
    points = json.loads(notebook.ask(f"print(__import__('json').dumps({told}))"))
    assert [step for step, _ in points] == [4, 8, 12, 16, 20, 24]
    shown.root.locator("[data-chart=train-loss] .mv-train-dot").wait_for(state="attached")
    assert shown.root.locator("[data-chart=train-loss] .mv-train-dot").get_attribute("d").count("M") == 6
    assert f"{100 * points[-1][1]:.1f} % right" in shown.root.locator(".mv-train-facts").first.inner_text()
    shown.root.locator("[aria-label='Moment of the training']").focus()
    for _ in range(2):
        shown.page.keyboard.press("ArrowLeft")
    shown.root.locator(".mv-train-when", has_text="step 20 (6 of 7) · exact · held out").wait_for()
    shown.root.locator(".mv-train-places .mv-panel").first.wait_for()
    shown.root.screenshot(path=screenshots / "training_monitor_held_out.png")
    close(notebook)


def test_nothing_overlaps_in_a_narrow_cell(notebook, screenshots):
    shown = Shown(
        notebook,
        "run = mv.Run(learner, data, steps=30, watch=[photo], share=1.0, every=5).start().wait(60)\nmonitor = TrainingMonitor(run)",
    )
    shown.root.locator(".mv-train-places .mv-panel").first.wait_for()
    shown.root.evaluate("root => { root.style.width = '480px'; }")
    shown.page.wait_for_timeout(400)
    wide = shown.root.evaluate(
        """root => [...root.querySelectorAll('*')].filter(e => e.getClientRects().length && !e.closest('svg, .mv-live, .mv-drop'))
           .filter(e => e.getBoundingClientRect().right > root.getBoundingClientRect().right + 1).map(e => e.className)"""
    )
    assert wide == []
    crossed = shown.root.evaluate(
        """root => {
          const boxes = [...root.querySelectorAll('.mv-button, .mv-field, .mv-panel, .mv-train-when, .mv-train-facts')]
            .filter(e => e.getClientRects().length).map(e => [e.textContent, e.getBoundingClientRect()]);
          const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
          return boxes.flatMap(([n, a], i) => boxes.slice(i + 1).filter(([, b]) => over(a, b)).map(([m]) => n + ' × ' + m));
        }"""
    )
    assert crossed == []
    shown.root.screenshot(path=screenshots / "training_monitor_480.png")
    close(notebook)


def test_a_thousand_updates_leave_the_browser_s_memory_flat(notebook):
    shown = Shown(
        notebook,
        "run = mv.Run(learner, data, steps=300, watch=[photo]).start().wait(120)\nmonitor = TrainingMonitor(run)\nmonitor.wait()",
    )
    session = shown.page.context.new_cdp_session(shown.page)
    session.send("Performance.enable")

    def update(times: int) -> tuple[float, int]:
        notebook.run(
            "told, _ = monitor._numbers(None)\n"
            f"for i in range({times}):\n"
            "    run_told = {**told['runs'][0], 'loss': i / 1000}\n"
            "    with monitor.together():\n"
            "        monitor.report = {**told, 'runs': [run_told]}\n"
            "        monitor.frame = {**monitor.frame, 'ms': i}\n",
            timeout=200,
        )
        shown.page.wait_for_timeout(1500)
        session.send("HeapProfiler.collectGarbage")
        found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return found["JSHeapUsedSize"], int(shown.root.evaluate("root => root.querySelectorAll('*').length"))

    before, elements = update(50)
    after, more = update(1000)
    assert more == elements
    assert after - before < 3e6, f"{(after - before) / 1e6:.1f} MB more after 1,000 updates"
    close(notebook)
