/** Triage (section 5 of the paper) by the rule "risk" of `hierattn.deploy.predict.triage`; and several photographs. */
import facts from "../facts.json";
import type { Quality } from "../photo/photo-quality";
import type { Triage } from "./bundle";

const RULE = facts.triage;

export type Level = keyof typeof RULE.URGENCY;

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

export function decide(risk: number, triage: Triage, quality: Pick<Quality, "ok">): Verdict {
  const verdict = (level: string | undefined, reason: string, numbers = {}) => ({ level: level as Level, reason, numbers });
  if (!quality.ok) return verdict(RULE.UNFIT_LEVEL, "unfit");
  const half = Number(risk >= RULE.HALF);
  const { threshold } = triage;
  if (threshold === null) return verdict(RULE.UNCALIBRATED_LEVELS[half], "uncalibrated", { risk });
  const reached = Number(risk >= threshold);
  return verdict(RULE.RISK_LEVELS[reached + half], reached ? "risk_above" : "risk_below", { risk, threshold });
}

export interface Combined extends Answer {
  verdict: Verdict;
  /** The probabilities of each photograph that counts. */
  each: number[][];
  /** How many photographs were fit, and how many there were. */
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
  const mean = (of: (answer: Answer) => number) =>
    counted.reduce((sum, answer) => sum + of(answer), 0) / counted.length;
  const quality = counted[0]!.quality;
  const risk = mean((answer) => answer.risk);
  const verdicts = [{ risk, quality }, ...counted].map((answer) => decide(answer.risk, triage, answer.quality));
  const problems = [...new Set(answers.flatMap((answer) => answer.quality.problems))];
  return {
    probabilities: counted[0]!.probabilities.map((_, k) => mean((answer) => answer.probabilities[k]!)),
    risk,
    quality: fit.length > 0 ? quality : { ...quality, problems },
    seconds: answers.reduce((sum, answer) => sum + answer.seconds, 0),
    verdict: verdicts.reduce((a, b) => (RULE.URGENCY[b.level] > RULE.URGENCY[a.level] ? b : a)),
    each: counted.map((answer) => answer.probabilities),
    fit: fit.length,
    photos: answers.length,
  };
}
