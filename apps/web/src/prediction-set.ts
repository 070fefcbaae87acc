/** The classes that cannot be excluded, as `hierattn.bundle.prediction_set` has them; and for several photographs. */

/** One threshold of a bundle: see docs/bundle.md. */
export interface SetRule {
  /** The share of lesions whose set should hold the truth. */
  wished: number;
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

/** A bundle's own rules, checked. @throws Error for impossible values. */
export function readRules(values: unknown): SetRule[] {
  return ((values ?? []) as Record<string, unknown>[]).map((rule) => ({
    wished: share(rule["wished"]),
    threshold: share(rule["threshold"]),
    coverage: rule["coverage"] == null ? null : share(rule["coverage"]),
    interval: rule["interval"] == null ? null : pair(rule["interval"]),
    meanSize: rule["mean_size"] == null ? null : Number(rule["mean_size"]),
  }));
}

function pair(values: unknown): [number, number] {
  const [low, high] = values as unknown[];
  return [share(low), share(high)];
}

function share(value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) throw new Error(`${value} is no share`);
  return value;
}
