/** `metadata_props` of an ONNX file, read from the wire format of Protocol Buffers: see docs/bundle.md. */

const METADATA = 14; // ModelProto
const KEY = 1, VALUE = 2; // StringStringEntryProto

/** @throws Error where the bytes are no Protocol Buffer. */
export function readMetadata(file: Uint8Array): Map<string, string> {
  const result = new Map<string, string>();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (const [number, entry] of fields(file)) {
    if (number !== METADATA) continue;
    const parts = new Map(fields(entry));
    result.set(decoder.decode(parts.get(KEY)), decoder.decode(parts.get(VALUE) ?? new Uint8Array()));
  }
  return result;
}

/** Number and bytes of the fields that have a length; the others are skipped. */
function* fields(data: Uint8Array): Generator<[number, Uint8Array]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; shift < 2 ** 50; shift *= 128) {
      const byte = data[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
    throw new Error("damaged");
  };
  while (at < data.length) {
    const key = varint();
    const kind = key % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = varint();
      if (at + length > data.length) throw new Error("truncated");
      yield [Math.floor(key / 8), data.subarray(at, at + length)];
      at += length;
    } else throw new Error("damaged");
  }
}
