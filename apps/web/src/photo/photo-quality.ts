/** Is the photograph fit to be judged? The checks of `hierattn.preprocessing.photo_quality`, with its limits. */
import facts from "../facts.json";
import { type Pixels, quantile, toGrey } from "./pixels";
import { BILINEAR, reducedSize, resize } from "./resample";

export interface Quality {
  ok: boolean;
  /** Keys of texts, `problem.<name>`. */
  problems: string[];
  values: Record<string, number>;
}

const LIMIT = facts.quality;

/** @param photo after the adaptive crop: a black surround would count as darkness. */
export function judgePhoto(photo: Pixels, cropped: boolean): Quality {
  const values = { ...measurePhoto(photo), cropped: cropped ? 1 : 0 };
  const colour = values.warmth < LIMIT.MIN_WARMTH || values.blueness > LIMIT.MAX_BLUENESS;
  const even = !colour && values.pigment < LIMIT.MIN_PIGMENT;
  const present: Record<string, boolean> = {
    small: Math.min(values.width, values.height) < LIMIT.MIN_SIDE,
    blurred: values.sharpness < LIMIT.MIN_SHARPNESS,
    flat: values.spread < LIMIT.MIN_SPREAD || even,
    dark: values.median < LIMIT.DARKEST,
    bright: values.median > LIMIT.BRIGHTEST,
    glare: values.glare > LIMIT.MAX_GLARE,
    colour,
  };
  const problems = LIMIT.PROBLEMS.filter((name) => present[name]);
  return { ok: problems.length === 0, problems, values };
}

/** Where the bundle's network itself finds that the photo is unlike all that it was trained on: Python's `with_novelty`. */
export function withNovelty(quality: Quality, novelty: number, threshold: number): Quality {
  const values = { ...quality.values, novelty };
  if (novelty < threshold) return { ...quality, values };
  return { ok: false, problems: [...quality.problems, LIMIT.UNLIKE], values };
}

function measurePhoto(photo: Pixels) {
  const [width, height] = reducedSize(photo.width, photo.height, LIMIT.WORK_SIDE);
  const small = resize(photo, width, height, BILINEAR);
  const grey = toGrey(small);
  const [red, green, blue] = channelMeans(small.data);
  return {
    width: photo.width,
    height: photo.height,
    sharpness: sharpness(grey.data, width, height),
    spread: Math.sqrt(variance(grey.data)),
    median: quantile(grey.data, 0.5),
    glare: glare(small.data),
    warmth: red - green,
    blueness: blue - red,
    pigment: pigment(small),
  };
}

/** How much the colour of the skin itself varies, whatever the light does: the spread of the chromatic optical density. */
function pigment(photo: Pixels): number {
  const { data } = resize(photo, LIMIT.PIGMENT_SIDE, LIMIT.PIGMENT_SIDE, BILINEAR);
  const pixels = data.length / 3;
  const chroma = [0, 1, 2].map(() => new Float64Array(pixels));
  for (let at = 0; at < pixels; at++) {
    const density = [0, 1, 2].map(
      (channel) => -100 * Math.log((data[3 * at + channel]! + LIMIT.PIGMENT_BLACK) / (255 + LIMIT.PIGMENT_BLACK)),
    );
    const mean = (density[0]! + density[1]! + density[2]!) / 3;
    chroma.forEach((values, channel) => (values[at] = density[channel]! - mean));
  }
  return Math.sqrt(chroma.reduce((sum, values) => sum + variance(values), 0));
}

/** Variance of the Laplacian, from the four neighbours. */
function sharpness(grey: Uint8Array, width: number, height: number): number {
  if (Math.min(width, height) < 3) return 0;
  const laplacian = new Float64Array((width - 2) * (height - 2));
  for (let y = 1, at = 0; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++, at++) {
      const here = y * width + x;
      laplacian[at] =
        grey[here - width]! + grey[here + width]! + grey[here - 1]! + grey[here + 1]! - 4 * grey[here]!;
    }
  }
  return variance(laplacian);
}

function variance(values: Uint8Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return squares / values.length;
}

function channelMeans(data: Uint8Array): [number, number, number] {
  const sums: [number, number, number] = [0, 0, 0];
  for (let at = 0; at < data.length; at += 3) {
    sums[0] += data[at]!;
    sums[1] += data[at + 1]!;
    sums[2] += data[at + 2]!;
  }
  return sums.map((sum) => (3 * sum) / data.length) as [number, number, number];
}

/** The share of pixels that are white or next to it in all three channels. */
function glare(data: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < data.length; at += 3) {
    if (Math.min(data[at]!, data[at + 1]!, data[at + 2]!) >= LIMIT.GLARE_LEVEL) count++;
  }
  return (3 * count) / data.length;
}
