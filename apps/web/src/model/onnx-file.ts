/** An ONNX file's bytes, read by the wire format of Protocol Buffers: see docs/bundle.md. */

const GRAPH = 7, METADATA = 14; // ModelProto
const INITIALIZER = 5; // GraphProto
const NAME = 8; // TensorProto
const KEY = 1, VALUE = 2; // StringStringEntryProto
const WITH_LENGTH = 2; // wire type

interface Field {
  number: number;
  bytes: Uint8Array;
  /** Where the field begins and ends in its message, key and length included. */
  start: number;
  end: number;
}

/** `metadata_props`. @throws Error where the bytes are no Protocol Buffer. */
export function readMetadata(file: Uint8Array): Map<string, string> {
  const result = new Map<string, string>();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (const { number, bytes } of fields(file)) {
    if (number !== METADATA) continue;
    const parts = partsOf(bytes);
    result.set(decoder.decode(parts.get(KEY)), decoder.decode(parts.get(VALUE) ?? new Uint8Array()));
  }
  return result;
}

/**
 * The file with an input that must be given: without the value that stands where it is not.
 *
 * ONNX keeps such a default as a weight of the input's name, and onnxruntime-web takes no input that has one.
 */
export function withoutDefault(file: Uint8Array<ArrayBuffer>, input: string): Uint8Array<ArrayBuffer> {
  const graph = [...fields(file)].find(({ number }) => number === GRAPH);
  const isDefault = ({ number, bytes }: Field) =>
    number === INITIALIZER && new TextDecoder().decode(partsOf(bytes).get(NAME)) === input;
  const value = graph && [...fields(graph.bytes)].find(isDefault);
  if (!graph || !value) return file;
  const length = graph.bytes.length - (value.end - value.start);
  return joined(
    file.subarray(0, graph.start),
    Uint8Array.from([8 * GRAPH + WITH_LENGTH, ...varintOf(length)]),
    graph.bytes.subarray(0, value.start),
    graph.bytes.subarray(value.end),
    file.subarray(graph.end),
  );
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function varintOf(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varintOf(Math.floor(value / 128))];
}

function partsOf(message: Uint8Array): Map<number, Uint8Array> {
  return new Map([...fields(message)].map(({ number, bytes }) => [number, bytes]));
}

/** The fields that have a length; the others are skipped. */
function* fields(data: Uint8Array): Generator<Field> {
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
    const start = at;
    const key = varint();
    const kind = key % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === WITH_LENGTH) {
      const length = varint();
      if (at + length > data.length) throw new Error("truncated");
      yield { number: Math.floor(key / 8), bytes: data.subarray(at, at + length), start, end: at + length };
      at += length;
    } else throw new Error("damaged");
  }
}
