/** An upright picture as RGB bytes, row by row: `data.length === 3 * width * height`. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

/** One byte a pixel. */
export interface Grey {
  width: number;
  height: number;
  data: Uint8Array;
}

/** `left <= x < right`, `top <= y < bottom`. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The part of a picture inside a box; the picture itself where that is all of it. */
export function cut(image: Pixels, { left, top, right, bottom }: Box): Pixels {
  const { width, data } = image;
  if (right - left === width && bottom - top === image.height) return image;
  const part = new Uint8Array(3 * (right - left) * (bottom - top));
  for (let y = top, at = 0; y < bottom; y++, at += 3 * (right - left)) {
    part.set(data.subarray(3 * (y * width + left), 3 * (y * width + right)), at);
  }
  return { width: right - left, height: bottom - top, data: part };
}

/** A canvas' RGBA into `data` from a place on, without the alpha, which is opaque by then. */
export function copyOpaque(rgba: Uint8ClampedArray, data: Uint8Array, place: number): void {
  for (let from = 0, to = place; from < rgba.length; from += 4, to += 3) {
    data[to] = rgba[from]!;
    data[to + 1] = rgba[from + 1]!;
    data[to + 2] = rgba[from + 2]!;
  }
}

/** Rec. 601's grey in 16 bits, rounded, as Pillow computes it. */
export function toGrey({ width, height, data }: Pixels): Grey {
  const grey = new Uint8Array(width * height);
  for (let at = 0, from = 0; at < grey.length; at++, from += 3) {
    grey[at] = (data[from]! * 19595 + data[from + 1]! * 38470 + data[from + 2]! * 7471 + 0x8000) >>> 16;
  }
  return { width, height, data: grey };
}

/** Linear interpolation between the sorted values, as numpy's default; `share` from 0 to 1. */
export function quantile(values: Uint8Array, share: number): number {
  const counts = new Uint32Array(256);
  for (const value of values) counts[value]!++;
  const at = share * (values.length - 1);
  const low = ordered(counts, Math.floor(at));
  const high = ordered(counts, Math.ceil(at));
  return low + (high - low) * (at - Math.floor(at));
}

/** The value at a rank of the sorted values. */
function ordered(counts: Uint32Array, rank: number): number {
  let seen = 0;
  for (let value = 0; value < 256; value++) {
    seen += counts[value]!;
    if (seen > rank) return value;
  }
  return 255;
}
