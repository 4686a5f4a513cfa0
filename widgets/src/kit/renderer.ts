/** A widget's `render`: a view that lives until the host takes it off the page, and leaves nothing behind. */
import type { AnyModel, RenderProps } from "@anywidget/types";
import { lifetime } from "./lifetime";
import { linked } from "./linked";

export function renderer<T extends object>(View: new (model: AnyModel<T>, el: HTMLElement, signal: AbortSignal) => unknown) {
  return ({ model, el, signal }: RenderProps<T>): (() => void) => {
    const life = lifetime(signal);
    new View(model, el, life.signal);
    linked(() => String((model as AnyModel<{ linked?: string }>).get("linked") ?? ""), el, life.signal);
    return () => {
      life.end();
      el.replaceChildren();
    };
  };
}
