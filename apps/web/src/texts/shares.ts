/** Shares in words: the rule of `hierattn.shares`. Never all of what is not all, never none of what is some. */

/** Writes a number with so many digits: as Python does, or in the visitor's language. */
type Write = (value: number, digits: number) => string;

const asPython: Write = (value, digits) => value.toFixed(digits);

/** A share in per cent. */
export function percent(share: number, digits = 0, write = asPython): string {
  return `${between(share, 100, digits, write)} %`;
}

/** A share, or an area under a curve, as a decimal number. */
export function fraction(share: number, digits = 3, write = asPython): string {
  return between(share, 1, digits, write);
}

/** A share of good news as "so many of 100", rounded down. */
export function ofHundred(share: number): number {
  const whole = Math.floor(100 * share + 1e-9);
  return share > 0 && share < 1 ? Math.min(99, Math.max(1, whole)) : whole;
}

/** Shares that a reader compares, in per cent, with as many digits as tell them apart; three at most. */
export function toldApart(shares: number[], write = asPython): string[] {
  const different = new Set(shares).size;
  const texts = (digits: number) => shares.map((share) => percent(share, digits, write));
  return [0, 1, 2].map(texts).find((said) => new Set(said).size === different) ?? texts(3);
}

function between(share: number, whole: number, digits: number, write: Write): string {
  const least = 10 ** -digits;
  if (share > 0 && share < least / whole) return `< ${write(least, digits)}`;
  if (share > 1 - least / whole && share < 1) return `> ${write(whole - least, digits)}`;
  const value = whole * share, scale = 10 ** digits, below = Math.floor(value * scale);
  // Python takes a half to the even neighbour, JavaScript upwards. Only binary fractions are exact halves.
  const half = value * scale - below === 0.5 && Number.isInteger(value * 2 ** (digits + 1));
  return write(half ? (below + (below % 2)) / scale : value, digits);
}
