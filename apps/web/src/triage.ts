/** Triage (section 5 of the paper) by the rule "risk", as `hierattn.deploy.predict.triage` has it; and several photos of one lesion. */
import type { Triage } from "./bundle";
import facts from "./facts.json";
import type { Quality } from "./photo-quality";

export type Level = "retake" | "watch" | "have_checked" | "see_soon";

/** Levels in the order of their urgency. */
export const LEVELS: readonly Level[] = ["retake", "watch", "have_checked", "see_soon"];

export interface Verdict {
  level: Level;
  /** Key of a text, `why.<reason>`. */
  reason: string;
  numbers: Record<string, number>;
}

/** The answer for one photograph. */
export interface Answer {
  /** In the order of the bundle's classes. */
  probabilities: number[];
  risk: number;
  quality: Quality;
  seconds: number;
}

const HALF = 0.5;

export function decide(risk: number, triage: Triage, quality: Pick<Quality, "ok">): Verdict {
  if (!quality.ok) return { level: "retake", reason: "unfit", numbers: {} };
  if (triage.threshold === null) {
    return { level: risk >= HALF ? "see_soon" : "have_checked", reason: "uncalibrated", numbers: { risk } };
  }
  const above = Number(risk >= triage.threshold) + Number(risk >= HALF);
  return {
    level: (["watch", "have_checked", "see_soon"] as const)[above]!,
    reason: risk >= triage.threshold ? "risk_above" : "risk_below",
    numbers: { risk, threshold: triage.threshold },
  };
}

export interface Combined extends Answer {
  verdict: Verdict;
  /** The probabilities of each photograph that counts. */
  each: number[][];
  /** How many photographs were fit to be judged, and how many there were. */
  fit: number;
  photos: number;
}

/**
 * Several photographs of one lesion: the mean of the probabilities of those that are fit, and the most urgent advice
 * that one of them, or the mean, gives. So another photograph can never talk an alarm down.
 */
export function combine(answers: Answer[], triage: Triage): Combined {
  const fit = answers.filter((answer) => answer.quality.ok);
  const counted = fit.length > 0 ? fit : answers;
  const mean = (of: (answer: Answer) => number) => counted.reduce((sum, one) => sum + of(one), 0) / counted.length;
  const quality = counted[0]!.quality;
  const risk = mean((one) => one.risk);
  const verdicts = [decide(risk, triage, quality), ...counted.map((one) => decide(one.risk, triage, one.quality))];
  return {
    probabilities: counted[0]!.probabilities.map((_, k) => mean((one) => one.probabilities[k]!)),
    risk,
    quality: fit.length > 0 ? quality : { ...quality, problems: [...new Set(answers.flatMap((a) => a.quality.problems))] },
    seconds: answers.reduce((sum, one) => sum + one.seconds, 0),
    verdict: verdicts.reduce((a, b) => (LEVELS.indexOf(b.level) > LEVELS.indexOf(a.level) ? b : a)),
    each: counted.map((one) => one.probabilities),
    fit: fit.length,
    photos: answers.length,
  };
}

/** A share as whole percent, never rounded to a certainty: Python's `percent`. */
export function percent(share: number): string {
  if (share > 0 && share < 0.01) return "< 1 %";
  if (share > 0.99 && share < 1) return "> 99 %";
  const whole = Math.round(share * 100);
  return `${share * 100 - Math.floor(share * 100) === 0.5 && whole % 2 === 1 ? whole - 1 : whole} %`;
}

/** A share as "so many of 100", never rounded to a certainty. */
export function ofHundred(share: number): number {
  return share > 0 && share < 1 ? Math.min(99, Math.max(1, Math.round(100 * share))) : 100 * share;
}

export const CLASS_FACTS: Record<string, { colour: string; malignancy: string }> = facts.classes;
