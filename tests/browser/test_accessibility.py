"""Every widget for everybody: axe-core without serious findings, Tab through all controls, nothing cut at 200 % zoom and in 480 px.

axe-core is Deque's, the copy inside axe-playwright-python. A window at 200 % has half its width in CSS pixels
(WCAG 2.2, 1.4.4 and 1.4.10).
"""

import re

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

import mimviz as mv

from .pages import folder, opened, until  # noqa: F401

pytestmark = pytest.mark.browser
MAPPED = ("painter", "explorer", "inspector", "comparer", "monitor")  # these show a map with a colour bar at once
GRAVE = ("serious", "critical")

CONTROLS = """() => {
  const all = [...document.querySelectorAll('button, select, input, textarea, summary, a[href], [tabindex]')];
  const can = all.filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true }));
  can.forEach((each, place) => { each.dataset.stop = place; });
  return can.length;
}"""
FOCUSED = """() => {
  const each = document.activeElement;
  return each && each !== document.body ? [Number(each.dataset.stop ?? -1), each.outerHTML.slice(0, 160)] : null;
}"""
CUT = """() => [...document.querySelectorAll(
  '.mimviz-place :is(button, select, input, summary, figcaption, label, .mv-value, .mv-note)')]
.filter((each) => each.checkVisibility({ visibilityProperty: true }) && each.offsetWidth)
.filter((each) => {
  const box = each.getBoundingClientRect();
  for (let up = each.parentElement; up; up = up.parentElement) {
    const look = getComputedStyle(up);
    if (look.position === 'fixed' || /auto|scroll/.test(look.overflowX + look.overflowY)) return false;
  }
  const beyond = box.left < -1 || box.right > innerWidth + 1;
  const own = getComputedStyle(each);
  const clipped = each.matches('button, summary, label') && own.textOverflow !== 'ellipsis'
    && own.overflowX === 'hidden' && each.scrollWidth > each.clientWidth + 1;
  return beyond || clipped;
}).map((each) => each.outerHTML.slice(0, 160))"""
OVERLAPPING = """() => {
  const all = [...document.querySelectorAll('.mimviz-place :is(button, select, input:not([type=range]), summary)')]
    .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .filter((each) => each.offsetWidth > 1 && !each.closest('.mv-frame'));
  const found = [];
  for (const [place, one] of all.entries()) for (const two of all.slice(place + 1)) {
    if (one.contains(two) || two.contains(one)) continue;
    const [a, b] = [one.getBoundingClientRect(), two.getBoundingClientRect()];
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && tall > 2) found.push(one.outerHTML.slice(0, 100) + ' over ' + two.outerHTML.slice(0, 100));
  }
  return found;
}"""

BARE = """() => [...document.querySelectorAll('.mimviz-place canvas')]
.filter((each) => each.checkVisibility() && !each.closest('[aria-hidden=true]'))
.filter((each) => !each.getAttribute('role') || !each.getAttribute('aria-label')).map((each) => each.outerHTML)"""
NUMBERS = """() => [...document.querySelectorAll('.mv-panel:has(canvas.mv-base)')]
.filter((each) => each.checkVisibility() && each.querySelector('.mv-bar:not(.is-empty)'))
.map((each) => each.querySelector('canvas.mv-base').getAttribute('aria-label'))"""


def painter(_):
    return mv.MaskPainter("astronaut")


def explorer(_):
    model = mv.load_mim("tiny")
    return mv.AttentionExplorer(model, "cat", mask=mv.Mask.random(model.grid))


def inspector(_):
    return mv.RegisterInspector("tiny-registers", "cat")


def comparer(_):
    return mv.SaliencyComparer(None, ["cat"], methods=["Gradient", "Rollout"])


def board(_):
    return mv.JudgeBoard(None, ["cat"], methods=["Rollout"], judges=["Deletion"])


def monitor(folder):  # noqa: F811
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    model = mv.recipes.mae(encoder, dim=16, depth=1)
    batches = [torch.randn(4, 3, 16, 16)] * 4
    run = mv.Run(model, batches, steps=12, watch=["cat"], share=1.0, every=3, folder=folder / "run")
    shown = mv.TrainingMonitor(run, lenses=["TokenNorm"])
    run.start()
    run._driver.join(60)
    return shown


def lab(_):
    return mv.RecipeLab("cat", encoder="tiny")


def targets(_):
    return mv.TargetExplorer(["cat", "coffee"], ["pixels", "HOG"])


WIDGETS = [painter, explorer, inspector, comparer, board, monitor, lab, targets]


@pytest.fixture(scope="module", params=WIDGETS, ids=lambda make: make.__name__)
def written(request, tmp_path_factory):
    """The page of a widget, written once for all that is asked about it."""
    widget = request.param(tmp_path_factory.mktemp("made"))
    widget.wait()
    path = tmp_path_factory.mktemp("written") / "page.html"
    widget.to_html(path)
    widget.close()
    return path.read_text(encoding="utf-8")


def settle(page):
    until(page, "() => !document.querySelector('.mv-state')?.innerText.startsWith('computing')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(written, opened, scheme):  # noqa: F811
    page = opened(written, scheme=scheme)
    settle(page)
    found = Axe().run(page).response["violations"]
    grave = [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:240]} {node['failureSummary'][:240]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]
    assert not grave, "\n".join(grave)


@pytest.mark.parametrize("width", [480, 550])  # a narrow column; a window of 1100 pixels at 200 %
def test_nothing_is_cut_or_covered(written, opened, width):  # noqa: F811
    page = opened(written, width=width)
    settle(page)
    assert (page.evaluate(CUT), page.evaluate(OVERLAPPING)) == ([], [])


def test_tab_reaches_every_control_once_and_in_the_order_of_the_page(written, opened):  # noqa: F811
    page = opened(written)
    settle(page)
    count, stops, said = page.evaluate(CONTROLS), [], []
    for _ in range(count + 20):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None or (stops and at[0] == stops[0]):
            break
        stops.append(at[0])
        said.append(at[1])
    assert count > 3
    assert stops == list(range(count)), (count, stops, said[-3:])


def test_pictures_have_words_and_maps_their_numbers(written, opened, request):  # noqa: F811
    page = opened(written)
    settle(page)
    assert page.evaluate(BARE) == []
    if request.node.callspec.id in MAPPED:
        until(page, f"() => ({NUMBERS})().some((words) => /\\d/.test(words))")
    maps = page.evaluate(NUMBERS)
    assert all(re.search(r"\d.* (to|of) .*\d|\d everywhere|%", words) for words in maps), maps
