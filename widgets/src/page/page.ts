/** The script of a page without a kernel: unpacks what it carries and puts every widget in its place. */
import type { Raw } from "../kit/read";
import { BakedModel, type Said } from "./baked";
import { type Need, disable } from "./needs";
import { revive, unpack } from "./unpack";

interface Widget extends Said {
  id: string;
  bundle: string;
  needs: Need[];
  can: string[];
  brain?: Raw;
}

interface Bundle {
  esm: string;
  css: string;
}

type View = { render: (given: { model: unknown; el: HTMLElement; signal: AbortSignal }) => unknown; initialize?: (given: { model: unknown }) => unknown };

const url = (text: string) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
const text = (id: string) => document.getElementById(id)?.textContent ?? "";

/** A module of the page's own: its text came with it. */
async function load<T>(source: string): Promise<T> {
  const address = url(source);
  try {
    return (await import(address)) as T;
  } finally {
    URL.revokeObjectURL(address);
  }
}

async function show(): Promise<void> {
  const { header, bytes } = await unpack(text("mimviz-data"));
  const bundles = header.bundles as Record<string, Bundle>;
  const widgets = revive(header.widgets, bytes) as Widget[];
  const views = new Map<string, Promise<View>>();
  for (const [name, { esm, css }] of Object.entries(bundles)) {
    views.set(name, load<{ default: View | (() => Promise<View>) }>(esm).then(async (made) => (typeof made.default === "function" ? made.default() : made.default)));
    const style = document.createElement("style");
    style.textContent = css;
    document.head.append(style);
  }
  const models = new Map<string, BakedModel>();
  for (const widget of widgets) models.set(widget.id, new BakedModel(widget));
  await Promise.all(widgets.map((widget) => mount(widget, models.get(widget.id)!, views.get(widget.bundle)!, header)));
}

async function mount(widget: Widget, model: BakedModel, view: Promise<View>, header: Raw): Promise<void> {
  const made = await view;
  await made.initialize?.({ model });
  if (widget.brain) {
    const { think } = await load<{ think: (brain: Raw, text: (id: string) => string, model: BakedModel) => BakedModel["live"] }>(header.brain as string);
    model.live = think(widget.brain, text, model);
  }
  for (const place of document.querySelectorAll<HTMLElement>(`[data-widget="${widget.id}"]`)) {
    const el = document.createElement("div");
    place.replaceChildren(el);
    await made.render({ model, el, signal: new AbortController().signal });
    disable(el, widget.needs);
    place.append(explain(widget));
    place.dataset.ready = "true";
  }
}

/** What works here and what does not, under the widget. */
function explain({ can, needs }: Widget): HTMLElement {
  const item = (word: string) => Object.assign(document.createElement("li"), { textContent: word });
  const list = (words: string[]) => {
    const made = document.createElement("ul");
    made.append(...[...new Set(words)].map(item));
    return made;
  };
  const details = Object.assign(document.createElement("details"), { className: "mimviz-about" });
  details.append(Object.assign(document.createElement("summary"), { textContent: "A page without a kernel: what works here, and what does not" }));
  if (can.length) details.append("Works here:", list(can));
  if (needs.length) details.append("Needs the kernel, so it is disabled:", list(needs.map(({ why }) => why)));
  return details;
}

void show().catch((error: unknown) => {
  console.error(error);
  for (const place of document.querySelectorAll<HTMLElement>("[data-widget]")) {
    if (place.dataset.ready) continue;
    place.textContent = `This widget could not be shown: ${error instanceof Error ? error.message : String(error)}. A browser of 2023 or later is needed (DecompressionStream).`;
    place.className = "mimviz-failed";
  }
});
