/**
 * How a second photograph of a spot is turned against the first, from both spots' structure.
 *
 * Each spot is unrolled around its middle, in its own size, and the two are compared at every angle: middle and size
 * come from the outlines, so that one search in one dimension is left, which has no wrong valley to begin in.
 */
import type { Relief, Spot } from "./spot";

export interface Alignment {
  /** By how much the second is turned clockwise, in radians; 0 where the spot shows no direction. */
  angle: number;
  /** Correlation of both at that angle, from -1 to 1. */
  likeness: number;
}

const ANGLES = 180, RINGS = 20;
const REACH = 1.6; // of the rings, in the spot's radius
const LEAST_LIKENESS = 0.3; // below it, no angle is better than another

export function align(before: Spot, after: Spot): Alignment {
  const [first, second] = [unrolled(before), unrolled(after)];
  let angle = 0, likeness = -1;
  for (let turn = 0; turn < ANGLES; turn++) {
    const found = correlation(first, second, turn);
    if (found > likeness) [angle, likeness] = [turn, found];
  }
  if (likeness < LEAST_LIKENESS) return { angle: 0, likeness: correlation(first, second, 0) };
  const [left, right] = [-1, 1].map((step) => correlation(first, second, (angle + step + ANGLES) % ANGLES)) as [number, number];
  const bend = left - 2 * likeness + right;
  const between = bend < 0 ? (left - right) / (2 * bend) : 0;
  const turns = (angle + between) / ANGLES;
  return { angle: 2 * Math.PI * (turns > 0.5 ? turns - 1 : turns), likeness };
}

/** Ring by ring, less each ring's mean; NaN outside the field of view. */
function unrolled({ x, y, area, relief }: Spot): Float32Array {
  const long = Math.max(relief.width, relief.height);
  const radius = Math.sqrt(area / Math.PI);
  const values = new Float32Array(RINGS * ANGLES);
  for (let ring = 0; ring < RINGS; ring++) {
    const away = (REACH * radius * (ring + 0.5)) / RINGS;
    let sum = 0, count = 0;
    for (let turn = 0; turn < ANGLES; turn++) {
      const angle = (2 * Math.PI * turn) / ANGLES;
      const value = sample(relief, (x + away * Math.cos(angle)) * long, (y + away * Math.sin(angle)) * long);
      values[ring * ANGLES + turn] = value;
      if (!Number.isNaN(value)) [sum, count] = [sum + value, count + 1];
    }
    for (let turn = 0; turn < ANGLES; turn++) values[ring * ANGLES + turn]! -= sum / Math.max(1, count);
  }
  return values;
}

/** Between four pixels; NaN outside the field. */
function sample({ width, height, data, field }: Relief, x: number, y: number): number {
  const left = Math.floor(x - 0.5), top = Math.floor(y - 0.5);
  if (left < 0 || top < 0 || left > width - 2 || top > height - 2) return NaN;
  const at = top * width + left, across = x - 0.5 - left, down = y - 0.5 - top;
  if (!field[at] || !field[at + 1] || !field[at + width] || !field[at + width + 1]) return NaN;
  const upper = data[at]! * (1 - across) + data[at + 1]! * across;
  const lower = data[at + width]! * (1 - across) + data[at + width + 1]! * across;
  return upper * (1 - down) + lower * down;
}

/** Outer rings are longer, and count so much more. */
function correlation(first: Float32Array, second: Float32Array, turn: number): number {
  let both = 0, ofFirst = 0, ofSecond = 0;
  for (let ring = 0; ring < RINGS; ring++) {
    for (let k = 0; k < ANGLES; k++) {
      const a = first[ring * ANGLES + k]!, b = second[ring * ANGLES + (k + turn) % ANGLES]!;
      if (Number.isNaN(a) || Number.isNaN(b)) continue;
      both += (ring + 0.5) * a * b;
      ofFirst += (ring + 0.5) * a * a;
      ofSecond += (ring + 0.5) * b * b;
    }
  }
  return ofFirst > 0 && ofSecond > 0 ? both / Math.sqrt(ofFirst * ofSecond) : -1;
}
