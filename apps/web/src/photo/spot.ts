/**
 * Where the spot is on a photograph, how large, and how its colour differs from the skin around it.
 *
 * Colours are optical densities, the negative logarithms of the channels: another light or white balance shifts them
 * alike on spot and skin, and cancels in the difference. The skin is a plane through the outer part of the picture, so
 * that light from one side does no harm. Of the differences from it that one is taken which tells the middle of the
 * picture from the skin best (Fisher's discriminant), and the region is bounded half-way between the two.
 */
import facts from "../facts.json";
import { filledRegions, largestContour, open, type Point } from "./contour";
import { type Pixels, toGrey } from "./pixels";
import { BILINEAR, reducedSize, resize } from "./resample";

export interface Spot {
  /** Its middle, from the picture's upper left corner, in shares of the picture's longer side. */
  x: number;
  y: number;
  /** In shares of the square of the picture's longer side. */
  area: number;
  /** The border, in shares of the longer side. */
  outline: Point[];
  /** Optical density of red, green and blue, less that of the skin. */
  colour: Vector;
  /** The picture less the skin: where the spot's structure is looked up. */
  relief: Relief;
}

/** One value a pixel, with the field of view: 0 where the picture is a dark surround. */
export interface Relief {
  width: number;
  height: number;
  data: Float32Array;
  field: Uint8Array;
}

export type Vector = [red: number, green: number, blue: number];

const COPY_SIDE = 144; // pixels of the longer side of the copy
const BLACK = 8; // grey levels added before the logarithm
const OUTER = 0.35; // share of the field, farthest from its middle, that is taken for skin at first
const OUTLIER = 2.5; // standard deviations from the plane of what is no skin
const MIDDLE = 0.22, CENTRAL = 0.3; // widths of the bells that weigh the middle of the picture, in its longer side
const SPREAD = 0.02; // of the skin's density, added to its own, so that even skin does not rule
const HAIR = 0.025; // thinner threads are no spot, in the longer side
const SETTLES = 6; // steps towards the level half-way
const LEAST = 0.002, MOST = 0.55; // areas, in the picture's area
const LEAST_CONTRAST = 2.5; // of spot and skin, in the skin's standard deviations
const MOST_BORDER = 0.2; // of the spot's border that may lie on the picture's
const LEAST_SOLID = 0.5; // of the area of its convex hull
const CHANNELS = [0, 1, 2] as const;

/** Null where no spot can be told from the skin, or it reaches out of the picture. */
export function findSpot(photo: Pixels): Spot | null {
  const [width, height] = reducedSize(photo.width, photo.height, COPY_SIDE);
  const small = resize(photo, width, height, BILINEAR);
  const field = fieldOf(small);
  const seen = [...field.keys()].filter((at) => field[at] === 1);
  if (seen.length < LEAST * field.length) return null;
  const geometry = { width, height, seen };
  const skin = skinless(densities(small), geometry);
  if (skin === null) return null;
  const relief: Relief = { width, height, field, data: median(along(skin.difference, skin.direction, field.length), width, height) };
  const region = regionOf(relief, geometry);
  if (region === null) return null;
  const long = Math.max(width, height);
  const mask = { width, height, data: new Uint8Array(field.length) };
  for (const at of region) mask.data[at] = 1;
  const { points, area, hullArea } = largestContour(mask)!;
  if (area < LEAST_SOLID * hullArea) return null; // drawn around it, say
  const onBorder = points.filter(([x, y]) => x < 2 || y < 2 || x > width - 3 || y > height - 3);
  if (onBorder.length > MOST_BORDER * points.length) return null;
  return {
    x: mean(region.map((at) => at % width + 0.5)) / long,
    y: mean(region.map((at) => Math.floor(at / width) + 0.5)) / long,
    area: region.length / long ** 2,
    outline: points.map(([x, y]) => [(x + 0.5) / long, (y + 0.5) / long] as const),
    colour: CHANNELS.map((channel) => mean(region.map((at) => skin.difference[3 * at + channel]!))) as Vector,
    relief,
  };
}

interface Geometry {
  width: number;
  height: number;
  /** The places of the pixels in the field of view. */
  seen: number[];
}

/** 1 but for the dark surround of a dermatoscope: what is dark and hangs together with a corner, and a little around it. */
function fieldOf(small: Pixels): Uint8Array {
  const { width, height } = small;
  const dark = toGrey(small).data.map((grey) => (grey < facts.crop.DARKEST_THRESHOLD ? 1 : 0));
  const corners = new Set([0, width - 1, (height - 1) * width, height * width - 1]);
  const field = new Uint8Array(dark.length).fill(1);
  const edge = Math.max(1, Math.round(HAIR * Math.max(width, height)));
  for (const region of filledRegions({ width, height, data: dark })) {
    if (!region.some((at) => corners.has(at))) continue;
    for (const at of region) {
      const x = at % width, y = (at - x) / width;
      for (let row = Math.max(0, y - edge); row <= Math.min(height - 1, y + edge); row++) {
        field.fill(0, row * width + Math.max(0, x - edge), row * width + Math.min(width, x + edge + 1));
      }
    }
  }
  return field;
}

function densities({ data }: Pixels): Float32Array {
  const of = Float32Array.from({ length: 256 }, (_, value) => -Math.log((value + BLACK) / (255 + BLACK)));
  return new Float32Array(data.length).map((_, at) => of[data[at]!]!);
}

/** The densities less the skin's plane, and the direction that tells the middle from the skin best. */
function skinless(density: Float32Array, { width, height, seen }: Geometry): { difference: Float32Array; direction: Vector } | null {
  const long = Math.max(width, height);
  const x = Float32Array.from(density.keys(), (at) => (at % width + 0.5) / long).subarray(0, width * height);
  const y = x.map((_, at) => (Math.floor(at / width) + 0.5) / long);
  const middleX = mean(seen.map((at) => x[at]!)), middleY = mean(seen.map((at) => y[at]!));
  const distance = x.map((_, at) => Math.hypot(x[at]! - middleX, y[at]! - middleY));
  const far = Float32Array.from(seen, (at) => distance[at]!).sort()[Math.floor((1 - OUTER) * seen.length)]!;
  const outer = seen.filter((at) => distance[at]! >= far);
  let difference = density, kept = outer;
  for (let step = 0; step < 3; step++) {
    const planes = CHANNELS.map((channel) => plane(kept, (at) => [1, x[at]!, y[at]!], (at) => density[3 * at + channel]!));
    if (planes.some((found) => found === null)) return null;
    difference = new Float32Array(density.length);
    for (const channel of CHANNELS) {
      const [flat, across, down] = planes[channel]!;
      for (let at = 0; at < x.length; at++) difference[3 * at + channel] = density[3 * at + channel]! - flat - across * x[at]! - down * y[at]!;
    }
    const grey = (at: number) => (difference[3 * at]! + difference[3 * at + 1]! + difference[3 * at + 2]!) / 3;
    const spread = OUTLIER * 1.4826 * middle(outer.map((at) => Math.abs(grey(at)))) + SPREAD;
    kept = outer.filter((at) => Math.abs(grey(at)) < spread);
    if (kept.length < 10) return null;
  }
  const covariance = CHANNELS.map((a) => CHANNELS.map((b) =>
    mean(kept.map((at) => difference[3 * at + a]! * difference[3 * at + b]!)) + (a === b ? SPREAD ** 2 : 0)));
  const inverse = CHANNELS.map((channel) => solve(covariance, CHANNELS.map((other) => (other === channel ? 1 : 0))));
  const contrast: Vector = [0, 0, 0]; // a small spot is a small part of the middle: what is unlike skin counts more
  const [[a, b, c], [, d, e], [, , f]] = inverse as [Vector, Vector, Vector];
  for (const at of seen) {
    const red = difference[3 * at]!, green = difference[3 * at + 1]!, blue = difference[3 * at + 2]!;
    const unlike = a * red ** 2 + d * green ** 2 + f * blue ** 2 + 2 * (b * red * green + c * red * blue + e * green * blue);
    const weight = unlike * Math.exp(-((distance[at]! / MIDDLE) ** 2) / 2);
    contrast[0] += weight * red;
    contrast[1] += weight * green;
    contrast[2] += weight * blue;
  }
  const towards = solve(covariance, contrast);
  const length = Math.sqrt(CHANNELS.reduce<number>((sum, channel) => sum + towards[channel]! * contrast[channel], 0));
  return length > 0 ? { difference, direction: towards.map((value) => value / length) as Vector } : null;
}

/** In standard deviations of the skin, positive on the spot. */
function along(difference: Float32Array, direction: Vector, pixels: number): Float32Array {
  return new Float32Array(pixels).map((_, at) =>
    direction[0] * difference[3 * at]! + direction[1] * difference[3 * at + 1]! + direction[2] * difference[3 * at + 2]!);
}

/** The pixels above the level half-way between spot and skin that hang together and weigh most in the middle. */
function regionOf({ width, height, data }: Relief, { seen }: Geometry): number[] | null {
  const long = Math.max(width, height);
  const bell = (at: number) => Math.exp(-(((at % width - width / 2) / long) ** 2 + ((Math.floor(at / width) - height / 2) / long) ** 2) / (2 * CENTRAL ** 2));
  let level = between(seen.map((at) => data[at]!));
  let best: number[] | null = null;
  for (let step = 0; step < SETTLES; step++) {
    const mask = { width, height, data: new Uint8Array(data.length) };
    for (const at of seen) if (data[at]! > level) mask.data[at] = 1;
    const weight = (region: number[]) => region.reduce((sum, at) => sum + Math.max(0, data[at]!) * bell(at), 0);
    const regions = filledRegions(open(mask, Math.round(HAIR * long) | 1));
    best = regions.reduce<number[] | null>((a, b) => (a === null || weight(b) > weight(a) ? b : a), null);
    if (best === null) return null;
    const inside = new Set(best);
    const rest = seen.filter((at) => !inside.has(at));
    if (rest.length === 0) return null;
    const [spot, skin] = [middle(best.map((at) => data[at]!)), middle(rest.map((at) => data[at]!))];
    if (spot - skin < LEAST_CONTRAST) return null;
    const next = (spot + skin) / 2;
    if (Math.abs(next - level) < 0.02 * (spot - skin)) break;
    level = next;
  }
  const share = best!.length / seen.length;
  return share >= LEAST && share <= MOST ? best : null;
}

/** Otsu's threshold for any numbers. */
function between(values: number[]): number {
  const sorted = Float64Array.from(values).sort();
  const total = sorted.reduce((a, b) => a + b, 0);
  let best = 0, level = 0, below = 0;
  for (let k = 1; k < sorted.length; k++) {
    below += sorted[k - 1]!;
    const apart = k * (sorted.length - k) * (below / k - (total - below) / (sorted.length - k)) ** 2;
    if (apart > best) [best, level] = [apart, (sorted[k - 1]! + sorted[k]!) / 2];
  }
  return level;
}

/** Of 5 x 5 pixels: hairs go. */
function median(data: Float32Array, width: number, height: number): Float32Array {
  const window = new Float32Array(25);
  return data.map((_, at) => {
    const x = at % width, y = (at - x) / width;
    let count = 0;
    for (let row = Math.max(0, y - 2); row <= Math.min(height - 1, y + 2); row++) {
      for (let column = Math.max(0, x - 2); column <= Math.min(width - 1, x + 2); column++) window[count++] = data[row * width + column]!;
    }
    return window.subarray(0, count).sort()[count >> 1]!;
  });
}

/** Least squares; null where the pixels lie on one line. */
function plane(pixels: number[], terms: (at: number) => number[], value: (at: number) => number): Vector | null {
  const normal = CHANNELS.map(() => [0, 0, 0]), right = [0, 0, 0];
  for (const at of pixels) {
    const row = terms(at), wanted = value(at);
    for (const a of CHANNELS) {
      right[a]! += row[a]! * wanted;
      for (const b of CHANNELS) normal[a]![b]! += row[a]! * row[b]!;
    }
  }
  const found = solve(normal, right);
  return found.every(Number.isFinite) ? (found as Vector) : null;
}

/** Cramer's rule. */
function solve(matrix: number[][], right: number[]): number[] {
  const whole = determinant(matrix);
  return right.map((_, column) => determinant(matrix.map((row, k) => row.map((value, c) => (c === column ? right[k]! : value)))) / whole);
}

function determinant(m: number[][]): number {
  const [a, b, c] = m as [number[], number[], number[]];
  return a[0]! * (b[1]! * c[2]! - b[2]! * c[1]!) - a[1]! * (b[0]! * c[2]! - b[2]! * c[0]!) + a[2]! * (b[0]! * c[1]! - b[1]! * c[0]!);
}

function mean(values: number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function middle(values: number[]): number {
  return Float64Array.from(values).sort()[values.length >> 1]!;
}
