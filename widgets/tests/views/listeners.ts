/** Counts listeners that are still there: added, not removed, and their signal has not aborted. */
interface Added {
  target: EventTarget;
  type: string;
  listener: unknown;
  options: AddEventListenerOptions;
}

/** Where addEventListener really lives: test DOMs bring an EventTarget of their own. */
function owner(object: object): EventTarget {
  let prototype = object;
  while (!Object.hasOwn(prototype, "addEventListener")) prototype = Object.getPrototypeOf(prototype) as object;
  return prototype as EventTarget;
}

export function countListeners() {
  const added: Added[] = [];
  const owners = new Set([document.body, new AbortController().signal, window].map(owner));
  const undo = [...owners].map((prototype) => {
    const { addEventListener, removeEventListener } = prototype;
    prototype.addEventListener = function (this: EventTarget, ...[type, listener, options]: Parameters<typeof addEventListener>) {
      added.push({ target: this, type, listener, options: typeof options === "object" ? options : {} });
      return addEventListener.call(this, type, listener, options);
    };
    prototype.removeEventListener = function (this: EventTarget, ...[type, listener, options]: Parameters<typeof removeEventListener>) {
      const at = added.findIndex((one) => one.target === this && one.type === type && one.listener === listener);
      if (at >= 0) added.splice(at, 1);
      return removeEventListener.call(this, type, listener, options);
    };
    return () => Object.assign(prototype, { addEventListener, removeEventListener });
  });
  const over = ({ target, type, options }: Added) => options.signal?.aborted || (type === "abort" && (target as AbortSignal).aborted);
  return {
    live: () => added.filter((one) => !over(one)).length,
    stop: () => undo.forEach((back) => back()),
  };
}
