/** The adaptive crop of the paper's section 3.2.1, as `hierattn.preprocessing.adaptive_crop` does it. */
import facts from "../facts.json";
import { type Contour, close, largestContour, type Mask } from "./contour";
import { type Box, type Grey, type Pixels, quantile, toGrey } from "./pixels";
import { BOX, reducedSize, resize, resizePart, roundEven } from "./resample";

export type CropRule = "surround" | "paper" | "none";

const LIMIT = facts.crop;

/** The box to crop to; null to leave the picture as it is. */
export function findCrop(image: Pixels, rule: CropRule): Box | null {
  if (rule === "none" || (rule === "surround" && !hasDarkCorners(image))) return null;
  const [width, height] = reducedSize(image.width, image.height, LIMIT.WORK_SIDE);
  const grey = toGrey(resize(image, width, height, BOX));
  const contour = rule === "surround" ? findSurround(grey) : findBrightest(grey);
  return contour === null ? null : scaledBox(contour, grey, image);
}

/** Without it no surround is found; most photographs have none, and their corners are soon reduced. */
function hasDarkCorners(image: Pixels): boolean {
  const [width, height] = reducedSize(image.width, image.height, LIMIT.WORK_SIDE);
  const corner = (box: Box) => median(toGrey(resizePart(image, width, height, BOX, box)));
  return corners(width, height).every((box) => corner(box) < LIMIT.DARKEST_THRESHOLD);
}

function findSurround(grey: Grey): Contour | null {
  const [dark, field] = cornersAndField(grey);
  if (dark >= LIMIT.DARKEST_THRESHOLD || field - dark < LIMIT.MIN_CONTRAST) return null;
  const threshold = Math.max(LIMIT.DARKEST_THRESHOLD, dark + LIMIT.THRESHOLD_RISE * (field - dark));
  const contour = contourAbove(grey, threshold);
  return contour !== null && paperAccepts(contour, grey) && isDisc(contour, grey, threshold) ? contour : null;
}

function findBrightest(grey: Grey): Contour | null {
  const contour = contourAbove(grey, Math.max(LIMIT.DARKEST_THRESHOLD, otsu(grey.data)));
  return contour !== null && paperAccepts(contour, grey) ? contour : null;
}

/** The grey level of the brightest corner, and of the field: a dark lesion may fill it, hence a high percentile. */
function cornersAndField(grey: Grey): [number, number] {
  const levels = corners(grey.width, grey.height).map((box) => median(part(grey, box)));
  return [Math.max(...levels), quantile(grey.data, LIMIT.FIELD_PERCENTILE / 100)];
}

function corners(width: number, height: number): Box[] {
  const side = Math.max(LIMIT.MIN_CORNER, roundEven(LIMIT.CORNER * Math.min(width, height)));
  const ends = (whole: number) => [[0, Math.min(whole, side)], [Math.max(0, whole - side), whole]] as const;
  return ends(width).flatMap(([left, right]) => ends(height).map(([top, bottom]) => ({ left, top, right, bottom })));
}

function median(grey: Grey): number {
  return quantile(grey.data, 0.5);
}

function part(grey: Grey, { left, top, right, bottom }: Box): Grey {
  const data = new Uint8Array((right - left) * (bottom - top));
  for (let y = top, at = 0; y < bottom; y++, at += right - left) {
    data.set(grey.data.subarray(y * grey.width + left, y * grey.width + right), at);
  }
  return { width: right - left, height: bottom - top, data };
}

function contourAbove({ width, height, data }: Grey, threshold: number): Contour | null {
  const mask: Mask = { width, height, data: data.map((value) => (value > threshold ? 1 : 0)) };
  return largestContour(close(mask, Math.max(LIMIT.MIN_GAP, roundEven(LIMIT.GAP * Math.min(width, height)) | 1)));
}

function paperAccepts({ area, width, height }: Contour, grey: Grey): boolean {
  const share = area / (grey.width * grey.height);
  const aspect = Math.max(width, height) / Math.min(width, height);
  return share >= LIMIT.MIN_AREA && share <= LIMIT.MAX_AREA && aspect <= LIMIT.MAX_BOX_ASPECT;
}

/** Convex, filling its box as a disc does, and dark in all corners of that box. */
function isDisc({ area, hullArea, left, top, width, height }: Contour, grey: Grey, threshold: number): boolean {
  const [dark] = cornersAndField(part(grey, { left, top, right: left + width, bottom: top + height }));
  return area >= LIMIT.MIN_SOLIDITY * hullArea && area >= LIMIT.MIN_BOX_FILL * width * height && dark <= threshold;
}

function scaledBox({ left, top, width, height }: Contour, small: Grey, full: Pixels): Box | null {
  const across = full.width / small.width, down = full.height / small.height;
  const box = {
    left: Math.floor(left * across),
    top: Math.floor(top * down),
    right: Math.min(full.width, Math.ceil((left + width) * across)),
    bottom: Math.min(full.height, Math.ceil((top + height) * down)),
  };
  const whole = box.left === 0 && box.top === 0 && box.right === full.width && box.bottom === full.height;
  return whole ? null : box;
}

/** Otsu's threshold: the grey level that best separates two classes of pixels. */
function otsu(values: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const value of values) counts[value]!++;
  const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / values.length;
  let best = 0, bestSpread = 0, below = 0, sumBelow = 0;
  for (let value = 0; value < 256; value++) {
    below += counts[value]! / values.length;
    sumBelow += (value * counts[value]!) / values.length;
    if (Math.min(below, 1 - below) < 1e-7) continue;
    const spread = (mean * below - sumBelow) ** 2 / (below * (1 - below));
    if (spread > bestSpread) [best, bestSpread] = [value, spread];
  }
  return best;
}
