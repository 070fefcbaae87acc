/**
 * Pillow's resize: two passes of a filter that widens as the picture shrinks, 8-bit sums in fixed point.
 *
 * Bit for bit, but for some pictures that are taller than wide: newer Pillows take their columns first, which differs
 * by at most one grey level.
 *
 * The graph has a resize of its own that differs by up to one grey level. Doing it here gives the browser the pixels
 * that the network was trained on, and spares WebAssembly a photograph of 36 MB.
 */
import { type Box, cut, type Pixels } from "./pixels";

const PRECISION = 22; // Pillow's 32 - 8 - 2 bits
const ROUND = 1 << (PRECISION - 1);

interface Filter {
  support: number;
  weight(x: number): number;
}

export const BILINEAR: Filter = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };
export const BOX: Filter = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };

/** Which pixels go into each new one, and how much. Weights are not negative and add up to 1, so that no sum overflows. */
interface Weights {
  first: Int32Array;
  count: Int32Array;
  weight: Int32Array; // `most` for each new pixel
  most: number;
}

/** The last rows of a picture: the photograph's checks and the network often want the same width. */
const lastRows = new WeakMap<Pixels, { filter: Filter; rows: Pixels }>();

export function resize(image: Pixels, width: number, height: number, filter: Filter): Pixels {
  let rows = image;
  if (image.width !== width) {
    const last = lastRows.get(image);
    const same = last?.filter === filter && last.rows.width === width;
    rows = same ? last.rows : resizeRows(image, weights(image.width, width, filter));
    lastRows.set(image, { filter, rows });
  }
  return image.height === height ? rows : resizeColumns(rows, weights(image.height, height, filter));
}

/** A part of what {@link resize} would give, from the pixels that go into it and no others. */
export function resizePart(image: Pixels, width: number, height: number, filter: Filter, part: Box): Pixels {
  const across = weights(image.width, width, filter, part.left, part.right);
  const down = weights(image.height, height, filter, part.top, part.bottom);
  const [left, top] = [across.first[0]!, down.first[0]!];
  const source = cut(image, { left, top, right: end(across), bottom: end(down) });
  return resizeColumns(resizeRows(source, shifted(across, left)), shifted(down, top));
}

/** For the new pixels `start <= x < stop` of `to`. */
function weights(from: number, to: number, filter: Filter, start = 0, stop = to): Weights {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const wanted = stop - start;
  const result: Weights = {
    first: new Int32Array(wanted),
    count: new Int32Array(wanted),
    weight: new Int32Array(wanted * most),
    most,
  };
  for (let x = 0; x < wanted; x++) {
    const centre = (start + x + 0.5) * scale;
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

/** One past the last pixel that is needed. */
function end({ first, count }: Weights): number {
  return first[first.length - 1]! + count[count.length - 1]!;
}

function shifted(weights: Weights, by: number): Weights {
  return { ...weights, first: weights.first.map((pixel) => pixel - by) };
}

function fixed(value: number): number {
  return Math.trunc((value < 0 ? -0.5 : 0.5) + value * (1 << PRECISION));
}

function byte(sum: number): number {
  return Math.min(255, Math.max(0, sum >> PRECISION));
}

// Math.imul and | 0 tell the compiler that the sums are whole numbers, which is half as fast again.
function resizeRows({ width, height, data }: Pixels, { first, count, weight, most }: Weights): Pixels {
  const to = first.length;
  const result = new Uint8Array(3 * to * height);
  for (let y = 0, out = 0; y < height; y++) {
    for (let x = 0; x < to; x++, out += 3) {
      let red = ROUND, green = ROUND, blue = ROUND;
      let from = 3 * (y * width + first[x]!);
      for (let at = x * most, stop = at + count[x]!; at < stop; at++, from += 3) {
        const share = weight[at]!;
        red = (red + Math.imul(data[from]!, share)) | 0;
        green = (green + Math.imul(data[from + 1]!, share)) | 0;
        blue = (blue + Math.imul(data[from + 2]!, share)) | 0;
      }
      result[out] = byte(red);
      result[out + 1] = byte(green);
      result[out + 2] = byte(blue);
    }
  }
  return { width: to, height, data: result };
}

function resizeColumns({ width, data }: Pixels, { first, count, weight, most }: Weights): Pixels {
  const to = first.length;
  const row = 3 * width;
  const result = new Uint8Array(row * to);
  for (let y = 0, out = 0; y < to; y++) {
    for (let x = 0; x < row; x++, out++) {
      let sum = ROUND;
      for (let k = 0, from = first[y]! * row + x; k < count[y]!; k++, from += row) {
        sum = (sum + Math.imul(data[from]!, weight[y * most + k]!)) | 0;
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
