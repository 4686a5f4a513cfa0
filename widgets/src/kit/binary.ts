/** Bytes traits arrive as DataViews on somebody else's buffer; these read and write them safely. */

export type Binary = DataView | ArrayBuffer | Uint8Array | null | undefined;

export function asBytes(value: Binary): Uint8Array<ArrayBuffer> {
  if (!value) return new Uint8Array(0);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
}

/** Little-endian float32, copied: the bytes need not start at a multiple of four. */
export function asFloats(value: Binary): Float32Array {
  const bytes = asBytes(value);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength >> 2 }, (_, i) => view.getFloat32(4 * i, true));
}

/** A fresh buffer of exactly these bytes: hosts send the *whole* buffer behind a view. */
export function toView(bytes: Uint8Array): DataView {
  return new DataView(bytes.slice().buffer as ArrayBuffer);
}
