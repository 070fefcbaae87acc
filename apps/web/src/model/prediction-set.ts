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
 * The mean's own set has neither property, and is part of the union. Answers to questions
 * take no class away either: coverage was measured without them.
 *
 * @param codes of the classes, in the bundle's order
 * @param photos the calibrated probabilities of each photograph, at least one
 * @param alone the same without the answers to questions; none where nothing was answered
 */
export function predictionSets(codes: string[], photos: number[][], rules: SetRule[], alone: number[][] = []): PredictionSet[] {
  const of = (k: number, some: number[][]) => some.map((photo) => photo[k]!);
  const ranked = codes
    .map((code, k) => ({ code, mean: sum(of(k, photos)) / photos.length, most: Math.max(...of(k, [...photos, ...alone])) }))
    .sort((a, b) => b.mean - a.mean);
  return rules.map((rule) => ({
    classes: ranked.filter(({ most }) => most >= rule.threshold).map(({ code }) => code),
    rule,
  }));
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
