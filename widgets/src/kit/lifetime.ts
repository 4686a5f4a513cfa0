/** Every listener lives as long as an AbortSignal; nobody removes one by hand. */
export interface Emitter {
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

export function listen<K extends keyof HTMLElementEventMap>(
  target: EventTarget,
  type: K,
  callback: (event: HTMLElementEventMap[K]) => void,
  signal: AbortSignal,
  options: AddEventListenerOptions = {},
): void {
  target.addEventListener(type, callback as EventListener, { ...options, signal });
}

/** Call back on a model's event until the signal aborts. */
export function follow(model: Emitter, event: string, callback: () => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  model.on(event, callback);
  signal.addEventListener("abort", () => model.off(event, callback), { once: true });
}

/** Watch an element's size until the signal aborts; hosts without ResizeObserver get one call. */
export function watchSize(element: Element, callback: (width: number) => void, signal: AbortSignal): void {
  if (typeof ResizeObserver === "undefined") return callback(element.clientWidth);
  const observer = new ResizeObserver(() => callback(element.clientWidth));
  observer.observe(element);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}

/** One signal that aborts with the host's signal (if it has one) or when `end` is called. */
export function lifetime(host?: AbortSignal): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const end = () => controller.abort();
  if (host?.aborted) end();
  else host?.addEventListener("abort", end, { once: true, signal: controller.signal });
  return { signal: controller.signal, end };
}
