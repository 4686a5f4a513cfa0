/** A widget on a page, with a host that can take it off again. */
interface Widget {
  render: (props: never) => unknown;
}

export function stage(widget: Widget, model: object) {
  const host = new AbortController();
  const el = document.createElement("div");
  document.body.append(el);
  widget.render({ model, el, signal: host.signal } as never);
  const find = <T extends Element = HTMLElement>(selector: string) => el.querySelector(selector) as unknown as T;
  const all = <T extends HTMLElement>(selector: string) => [...el.querySelectorAll(selector)] as T[];
  return { host, el, find, all };
}
