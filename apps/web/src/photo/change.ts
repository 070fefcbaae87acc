/** What changed between two photographs of one spot, in numbers that a noise floor can be measured of. */
import { align, type Alignment } from "./alignment";
import type { Spot, Vector } from "./spot";

export interface Change {
  alignment: Alignment;
  /** The area of the second over that of the first, each in its own picture's longer side. */
  growth: number;
  /** CIELAB's distance (1976) between both colours, as they would be on the same skin. */
  colour: number;
  /** Of it, how much lighter the second is. */
  lighter: number;
}

const SKIN: Vector = [220, 180, 160]; // sRGB; on it both spots are laid

export function changeOf(before: Spot, after: Spot): Change {
  const [first, second] = [onSkin(before), onSkin(after)].map(toLab) as [Vector, Vector];
  return {
    alignment: align(before, after),
    growth: after.area / before.area,
    colour: Math.hypot(...first.map((value, k) => second[k]! - value)),
    lighter: second[0] - first[0],
  };
}

function onSkin({ colour }: Spot): Vector {
  return SKIN.map((value, channel) => Math.min(1, (value / 255) * Math.exp(-colour[channel]!))) as Vector;
}

/** From sRGB, 0 to 1; white is D65. */
function toLab(rgb: Vector): Vector {
  const [red, green, blue] = rgb.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)) as Vector;
  const bent = (value: number) => (value > 216 / 24389 ? Math.cbrt(value) : (24389 / 27 * value + 16) / 116);
  const x = bent((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047);
  const y = bent(0.2126729 * red + 0.7151522 * green + 0.072175 * blue);
  const z = bent((0.0193339 * red + 0.119192 * green + 0.9503041 * blue) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
