/** Shares in words: never rounded to a certainty. */

/** A share as whole percent: Python's `percent`. */
export function percent(share: number): string {
  if (share > 0 && share < 0.01) return "< 1 %";
  if (share > 0.99 && share < 1) return "> 99 %";
  const whole = Math.round(share * 100);
  return `${share * 100 - Math.floor(share * 100) === 0.5 && whole % 2 === 1 ? whole - 1 : whole} %`;
}

/** A share as "so many of 100". */
export function ofHundred(share: number): number {
  return share > 0 && share < 1 ? Math.min(99, Math.max(1, Math.round(100 * share))) : 100 * share;
}
