/** What a page carries: base64 of gzip of a JSON header and the bytes that it points into. Nothing in it is ever read as markup. */

export interface Pack {
  header: Record<string, unknown>;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The text of a data block → its bytes. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const raw = atob(text.trim());
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

export async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Four bytes say how long the header is (little-endian); the rest is bytes. */
export async function unpack(text: string): Promise<Pack> {
  const all = await gunzip(fromBase64(text));
  const size = new DataView(all.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(all.subarray(4, 4 + size))) as Record<string, unknown>;
  return { header, bytes: all.subarray(4 + size) };
}

/** {"$bytes": [start, size]} anywhere in a value → a DataView on a buffer of its own, as hosts hand them over. */
export function revive(value: unknown, bytes: Uint8Array<ArrayBuffer>): unknown {
  if (Array.isArray(value)) return value.map((each) => revive(each, bytes));
  if (value === null || typeof value !== "object") return value;
  const at = (value as { $bytes?: [number, number] }).$bytes;
  if (at) return new DataView(bytes.slice(at[0], at[0] + at[1]).buffer);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, revive(each, bytes)]));
}
