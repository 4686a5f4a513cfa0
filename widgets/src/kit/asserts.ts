/** Narrow instead of casting: a broken assumption fails where it is made. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`[mimviz] ${message}`);
}

export function defined<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `${what} is missing`);
  return value;
}
