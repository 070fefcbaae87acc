/** The little of OpenCV that the adaptive crop and the spot's outline need: regions of a mask, their gaps and contours. */
import { roundEven } from "./resample";

/** One byte a pixel, 0 or 1. */
export interface Mask {
  width: number;
  height: number;
  data: Uint8Array;
}

export type Point = readonly [x: number, y: number];

export interface Contour {
  /** Area of the polygon through the border pixels' centres. */
  area: number;
  /** Of its convex hull. */
  hullArea: number;
  left: number;
  top: number;
  width: number;
  height: number;
  /** The border pixels' centres, clockwise. */
  points: Point[];
}

/** Dilation, then erosion, by OpenCV's ellipse of an odd `side`; outside the picture nothing counts. */
export function close(mask: Mask, side: number): Mask {
  const offsets = ellipse(side);
  return spread(spread(mask, offsets, 1), offsets, 0);
}

/** Erosion, then dilation: what is thinner than `side` goes. */
export function open(mask: Mask, side: number): Mask {
  const offsets = ellipse(side);
  return spread(spread(mask, offsets, 0), offsets, 1);
}

/** Half-widths of the ellipse's rows, from the top. */
function ellipse(side: number): number[] {
  const radius = side >> 1;
  return Array.from({ length: side }, (_, row) => roundEven(Math.sqrt(radius ** 2 - (row - radius) ** 2)));
}

/** Let `value` spread to every pixel whose ellipse touches it. */
function spread({ width, height, data }: Mask, halves: number[], value: 0 | 1): Mask {
  const result = new Uint8Array(data.length).fill(1 - value);
  const radius = halves.length >> 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] !== value) continue;
      for (let row = Math.max(0, y - radius); row <= Math.min(height - 1, y + radius); row++) {
        const half = halves[row - y + radius]!;
        result.fill(value, row * width + Math.max(0, x - half), row * width + Math.min(width, x + half + 1));
      }
    }
  }
  return { width, height, data: result };
}

/** The contour with the largest area; null for an empty mask. */
export function largestContour(mask: Mask): Contour | null {
  const seen = new Uint8Array(mask.data.length);
  let best: Contour | null = null;
  for (let at = 0; at < seen.length; at++) {
    if (mask.data[at] === 0 || seen[at]) continue;
    flood(mask, at, seen);
    const contour = describe(trace(mask, at));
    if (best === null || contour.area > best.area) best = contour;
  }
  return best;
}

/** The regions of a mask, the places of their pixels, holes filled. */
export function filledRegions(mask: Mask): number[][] {
  const { width, height } = mask;
  const around: Mask = { width: width + 2, height: height + 2, data: new Uint8Array((width + 2) * (height + 2)).fill(1) };
  mask.data.forEach((inside, at) => (around.data[at + (at - (at % width)) / width * 2 + width + 3] = 1 - inside));
  const outside = new Uint8Array(around.data.length);
  flood(around, 0, outside);
  const data = mask.data.map((_, at) => 1 - outside[at + (at - (at % width)) / width * 2 + width + 3]!);
  const seen = new Uint8Array(data.length);
  const regions: number[][] = [];
  data.forEach((inside, at) => inside && !seen[at] && regions.push(flood({ width, height, data }, at, seen)));
  return regions;
}

/** Mark the region, with its diagonal neighbours, around a pixel; returns its pixels. */
function flood({ width, height, data }: Mask, start: number, seen: Uint8Array): number[] {
  const found = [start];
  const stack = [start];
  seen[start] = 1;
  while (stack.length > 0) {
    const at = stack.pop()!;
    const x = at % width, y = (at - x) / width;
    for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
      for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
        const next = row * width + column;
        if (data[next] === 1 && !seen[next]) {
          seen[next] = 1;
          stack.push(next);
          found.push(next);
        }
      }
    }
  }
  return found;
}

const AROUND: readonly Point[] = [[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]];

/** Follow the outer border clockwise from a region's first pixel, whose left and upper neighbours are outside. */
function trace({ width, height, data }: Mask, start: number): Point[] {
  const inside = (x: number, y: number) => x >= 0 && y >= 0 && x < width && y < height && data[y * width + x] === 1;
  const border: Point[] = [];
  let x = start % width, y = (start - x) / width;
  let direction = 7; // so that the search begins to the right
  let firstStep = -1;
  for (let steps = 0; steps < 8 * width * height; steps++) {
    let turn = 0;
    let next = 0;
    for (; turn < 8; turn++) {
      next = (direction + 6 + turn) % 8;
      if (inside(x + AROUND[next]![0], y + AROUND[next]![1])) break;
    }
    if (turn === 8) return [[x, y]];
    if (y * width + x === start && next === firstStep) return border;
    if (firstStep < 0) firstStep = next;
    border.push([x, y]);
    x += AROUND[next]![0];
    y += AROUND[next]![1];
    direction = next;
  }
  return border;
}

function describe(points: Point[]): Contour {
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const left = minimum(xs), top = minimum(ys);
  return {
    area: polygonArea(points),
    hullArea: polygonArea(convexHull(points)),
    left,
    top,
    width: -minimum(xs.map((x) => -x)) - left + 1,
    height: -minimum(ys.map((y) => -y)) - top + 1,
    points,
  };
}

function minimum(values: number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

/** The shoelace formula. */
function polygonArea(points: Point[]): number {
  let twice = 0;
  points.forEach(([x, y], k) => {
    const [nextX, nextY] = points[(k + 1) % points.length]!;
    twice += x * nextY - nextX * y;
  });
  return Math.abs(twice) / 2;
}

/** Andrew's monotone chain. */
function convexHull(points: Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered: Point[]) => {
    const hull: Point[] = [];
    for (const point of ordered) {
      while (hull.length > 1 && cross(hull[hull.length - 2]!, hull[hull.length - 1]!, point) <= 0) hull.pop();
      hull.push(point);
    }
    return hull.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function cross(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}
