/** The classes that cannot be excluded, by the rule of `hierattn.bundle.prediction_set`; and for several photographs. */

/** One threshold of a bundle: see docs/bundle.md. */
export interface SetRule {
  /** The share of lesions whose set should hold the truth. */
  target: number;
  /** The calibrated probability from which a class belongs to the set. */
  threshold: number;
  /** The share that it reached on photographs never seen, with its 95 % interval; null where that was not measured. */
  coverage: number | null;
  interval: [number, number] | null;
  /** Classes in a set there, on average. */
  meanSize: number | null;
}

export interface PredictionSet {
  /** Codes, the most probable first; perhaps none. */
  classes: string[];
  rule: SetRule;
}

/**
 * The set of each rule. Of several photographs of one lesion it is the union of their sets: what was measured of the set
 * of one photograph holds at least as often of a set that contains it, and no other photograph can take a class away.
 * The mean's own set has neither property, and is part of the union.
 *
 * @param codes of the classes, in the bundle's order
 * @param photos the calibrated probabilities of each photograph, at least one
 */
export function predictionSets(codes: string[], photos: number[][], rules: SetRule[]): PredictionSet[] {
  const ranked = codes
    .map((code, k) => ({ code, shares: photos.map((photo) => photo[k]!) }))
    .map(({ code, shares }) => ({ code, mean: sum(shares) / shares.length, most: Math.max(...shares) }))
    .sort((a, b) => b.mean - a.mean);
  return rules.map((rule) => ({
    classes: ranked.filter(({ most }) => most >= rule.threshold).map(({ code }) => code),
    rule,
  }));
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
