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
  /** Whether answers to questions spoke for less: it is the photograph's own, which they never lower. */
  kept?: true;
}

export interface Numbers {
  /** In the order of the bundle's classes. */
  probabilities: number[];
  /** Null where nothing is said of which classes need a doctor. */
  risk: number | null;
}

/** The answer for one photograph. */
export interface Answer extends Numbers {
  /** What the photograph alone says, where a question was answered. */
  alone: Numbers | null;
  quality: Quality;
  seconds: number;
}

/** Null for a photograph that is fit, where there is no risk. */
export function decide(risk: number | null, triage: Triage, quality: Pick<Quality, "ok">): Verdict | null {
  const verdict = (level: string | undefined, reason: string, numbers = {}) => ({ level: level as Level, reason, numbers });
  if (!quality.ok) return verdict(RULE.UNFIT_LEVEL, "unfit");
  if (risk === null) return null;
  const half = Number(risk >= RULE.HALF);
  const { threshold } = triage;
  if (threshold === null) return verdict(RULE.UNCALIBRATED_LEVELS[half], "uncalibrated", { risk });
  const reached = Number(risk >= threshold);
  return verdict(RULE.RISK_LEVELS[reached + half], reached ? "risk_above" : "risk_below", { risk, threshold });
}

/** Answers to questions may raise the advice, and never lower what the photograph alone gives. */
export function notLowered(told: Verdict | null, alone: Verdict | null): Verdict | null {
  if (!told || !alone || RULE.URGENCY[told.level] >= RULE.URGENCY[alone.level]) return told;
  return { ...alone, kept: true };
}

export interface Combined extends Answer {
  alone: Combined | null;
  /** Null where nothing is said of which classes need a doctor. */
  verdict: Verdict | null;
  /** The probabilities of each photograph that counts. */
  each: number[][];
  /** How many photographs were fit, and how many there were. */
  fit: number;
  photos: number;
}

/**
 * Several photographs of one lesion: the mean of the probabilities of those that are fit, and the most urgent advice
 * that one of them, or the mean, gives. So another photograph can never talk an alarm down, nor can an answer.
 */
export function combine(answers: Answer[], triage: Triage): Combined {
  const told = together(answers, triage);
  if (!answers.some((answer) => answer.alone)) return told;
  const alone = together(answers.map((answer) => ({ ...answer, ...answer.alone })), triage);
  return { ...told, verdict: notLowered(told.verdict, alone.verdict), alone };
}

function together(answers: Answer[], triage: Triage): Combined {
  const fit = answers.filter((answer) => answer.quality.ok);
  const counted = fit.length > 0 ? fit : answers;
  const mean = (of: (answer: Answer) => number) =>
    counted.reduce((sum, answer) => sum + of(answer), 0) / counted.length;
  const quality = counted[0]!.quality;
  const risk = counted.some((answer) => answer.risk === null) ? null : mean((answer) => answer.risk!);
  const verdicts = [{ risk, quality }, ...counted].map((answer) => decide(answer.risk, triage, answer.quality)).filter((verdict) => verdict !== null);
  const problems = [...new Set(answers.flatMap((answer) => answer.quality.problems))];
  return {
    probabilities: counted[0]!.probabilities.map((_, k) => mean((answer) => answer.probabilities[k]!)),
    risk,
    alone: null,
    quality: fit.length > 0 ? quality : { ...quality, problems },
    seconds: answers.reduce((sum, answer) => sum + answer.seconds, 0),
    verdict: verdicts.reduce<Verdict | null>((a, b) => (a && RULE.URGENCY[a.level] >= RULE.URGENCY[b.level] ? a : b), null),
    each: counted.map((answer) => answer.probabilities),
    fit: fit.length,
    photos: answers.length,
  };
}
