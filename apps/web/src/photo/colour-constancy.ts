/** One lesion under two lamps gets one colour, as `hierattn.preprocessing.colour_constancy` does it. */
import facts from "../facts.json";
import type { Pixels } from "./pixels";
import { roundEven } from "./resample";

const { LARGEST_GAIN, ORDERS } = facts.colour_constancy;

/** Named in a bundle's image specification. */
export type ColourConstancy = "none" | keyof typeof ORDERS;

/** The picture as a white lamp would have shown it; the picture itself for `none`. */
export function balanceColours(image: Pixels, method: ColourConstancy): Pixels {
  if (method === "none") return image;
  const tables = lampGains(image, ORDERS[method]).map((gain) =>
    Uint8Array.from({ length: 256 }, (_, value) => Math.min(255, roundEven(value * gain))));
  const [red, green, blue] = tables as [Uint8Array, Uint8Array, Uint8Array];
  const data = new Uint8Array(image.data.length);
  for (let at = 0; at < data.length; at += 3) {
    data[at] = red[image.data[at]!]!;
    data[at + 1] = green[image.data[at + 1]!]!;
    data[at + 2] = blue[image.data[at + 2]!]!;
  }
  return { ...image, data };
}

/** The factor for each channel: the length of the lamp's colour over the root of three times its share; ones where all is black. */
function lampGains({ data }: Pixels, order: number | null): number[] {
  const counts = [0, 1, 2].map(() => new Uint32Array(256));
  const [reds, greens, blues] = counts as [Uint32Array, Uint32Array, Uint32Array];
  for (let at = 0; at < data.length; at += 3) {
    reds[data[at]!]!++;
    greens[data[at + 1]!]!++;
    blues[data[at + 2]!]!++;
  }
  const lamp = counts.map((channel) => minkowskiMean(channel, order));
  const length = Math.hypot(...lamp);
  if (length === 0) return [1, 1, 1];
  return lamp.map((colour) => Math.min(LARGEST_GAIN, Math.max(1 / LARGEST_GAIN, length / (Math.sqrt(3) * colour))));
}

/** Of one channel's histogram; `order` null: its largest value. */
function minkowskiMean(counts: Uint32Array, order: number | null): number {
  if (order === null) return Math.max(0, counts.findLastIndex(Boolean));
  const pixels = counts.reduce((sum, count) => sum + count, 0);
  const sum = counts.reduce((sum, count, value) => sum + count * (value / 255) ** order, 0);
  return 255 * (sum / pixels) ** (1 / order);
}
