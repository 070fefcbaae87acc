/**
 * Pillow's resize: two passes of a filter that widens as the picture shrinks, 8-bit sums in fixed point.
 *
 * Bit for bit, but for some pictures that are taller than wide: newer Pillows take their columns first, which differs
 * by at most one grey level.
 *
 * The graph has a resize of its own that differs by up to one grey level. Doing it here gives the browser the pixels
 * that the network was trained on, and spares WebAssembly a photograph of 36 MB.
 */
import type { Pixels } from "./pixels";

const PRECISION = 22; // Pillow's 32 - 8 - 2 bits

interface Filter {
  support: number;
  weight(x: number): number;
}

export const BILINEAR: Filter = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };
export const BOX: Filter = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };

/** Which pixels go into each new one, and how much. */
interface Weights {
  first: Int32Array;
  count: Int32Array;
  weight: Int32Array; // `most` for each new pixel
  most: number;
}

export function resize(image: Pixels, width: number, height: number, filter: Filter): Pixels {
  const across = image.width === width ? image : resizeRows(image, width, filter);
  return across.height === height ? across : resizeColumns(across, height, filter);
}

function weights(from: number, to: number, filter: Filter): Weights {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const result: Weights = {
    first: new Int32Array(to),
    count: new Int32Array(to),
    weight: new Int32Array(to * most),
    most,
  };
  for (let x = 0; x < to; x++) {
    const centre = (x + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(from, Math.trunc(centre + support + 0.5)) - first;
    const raw = Array.from({ length: count }, (_, k) => filter.weight((k + first - centre + 0.5) * (1 / stretch)));
    const sum = raw.reduce((a, b) => a + b, 0);
    result.first[x] = first;
    result.count[x] = count;
    raw.forEach((value, k) => (result.weight[x * most + k] = fixed(sum === 0 ? value : value / sum)));
  }
  return result;
}

function fixed(value: number): number {
  return Math.trunc((value < 0 ? -0.5 : 0.5) + value * (1 << PRECISION));
}

function byte(sum: number): number {
  return Math.min(255, Math.max(0, sum >> PRECISION));
}

function resizeRows({ width, height, data }: Pixels, to: number, filter: Filter): Pixels {
  const { first, count, weight, most } = weights(width, to, filter);
  const result = new Uint8Array(3 * to * height);
  for (let y = 0, out = 0; y < height; y++) {
    for (let x = 0; x < to; x++, out += 3) {
      let red = 1 << (PRECISION - 1), green = red, blue = red;
      let from = 3 * (y * width + first[x]!);
      for (let k = 0, at = x * most; k < count[x]!; k++, at++, from += 3) {
        red += data[from]! * weight[at]!;
        green += data[from + 1]! * weight[at]!;
        blue += data[from + 2]! * weight[at]!;
      }
      result[out] = byte(red);
      result[out + 1] = byte(green);
      result[out + 2] = byte(blue);
    }
  }
  return { width: to, height, data: result };
}

function resizeColumns({ width, height, data }: Pixels, to: number, filter: Filter): Pixels {
  const { first, count, weight, most } = weights(height, to, filter);
  const row = 3 * width;
  const result = new Uint8Array(row * to);
  for (let y = 0, out = 0; y < to; y++) {
    for (let x = 0; x < row; x++, out++) {
      let sum = 1 << (PRECISION - 1);
      for (let k = 0, from = first[y]! * row + x; k < count[y]!; k++, from += row) {
        sum += data[from]! * weight[y * most + k]!;
      }
      result[out] = byte(sum);
    }
  }
  return { width, height: to, data: result };
}

/** The size with no side above `longest`, as Python rounds it: halves to even. */
export function reducedSize(width: number, height: number, longest: number): [number, number] {
  const scale = longest / Math.max(width, height);
  return scale >= 1 ? [width, height] : [Math.max(1, roundEven(width * scale)), Math.max(1, roundEven(height * scale))];
}

export function roundEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}
