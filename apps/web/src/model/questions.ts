/** What a bundle asks beside the photograph: the records and codes of `hierattn.taxonomy.questions` in Python. */
import facts from "../facts.json";

const { NAMES, UNKNOWN, MOST_POINTS, LONGEST_TEXT } = facts.questions;

export interface Question {
  name: string;
  /** Language -> the question, in a patient's words. */
  ask: Record<string, string>;
  /** What may be answered, in the order of the codes from 1; none for a number. */
  values: string[];
  /** Language -> the values in a patient's words, in their order. */
  words: Record<string, string[]>;
  /** Of a number: its range, and how far apart the points are between which the network interpolates. */
  least: number;
  most: number;
  step: number;
  unit: string;
}

/** Question -> allowed answer; one that is not known is left out. */
export type Answers = Record<string, string>;

/** The questions of a taxonomy, in the order of the network's input. @throws Error for what is no list of questions. */
export function readQuestions(values: unknown): Question[] {
  const questions = ((values ?? []) as unknown[]).map(readQuestion);
  if (new Set(questions.map(({ name }) => name)).size < questions.length) throw new Error("a question twice");
  return questions;
}

function readQuestion(record: any): Question {
  const { name, ask = {}, values = [], words = {}, least = 0, most = 0, step = 0, unit = "" } = record;
  const question: Question = { name, ask, values: [...values], words, least, most, step, unit };
  const said = [...Object.values(ask), ...values, ...Object.values(words).flat(), unit];
  const lists = Object.values(words).every((list) => Array.isArray(list) && list.length === values.length);
  const ranged = [least, most, step].every(Number.isFinite) && least >= 0 && least < most && step > 0;
  const distinct = new Set([...values, UNKNOWN, ""]).size === values.length + 2;
  if (!NAMES.includes(name) || !said.every(isText) || !lists || !distinct) throw new Error(`question ${name}`);
  if (values.length === 0 && !ranged) throw new Error(`the range of ${name}`);
  if (pointsOf(question) > MOST_POINTS) throw new Error(`the answers to ${name}`);
  return question;
}

function isText(text: unknown): text is string {
  return typeof text === "string" && text.length <= LONGEST_TEXT;
}

function pointsOf({ values, least, most, step }: Question): number {
  return values.length || Math.floor((most - least) / step) + 1;
}

/** The allowed answer that a text means: empty for "I don't know", null for what is no answer. */
export function valueOf({ values, least, most }: Question, text: string): string | null {
  const plain = text.normalize("NFKC").trim(); // full-width digits are digits
  if (plain === "" || plain === UNKNOWN) return "";
  if (values.length > 0) return values.includes(plain) ? plain : null;
  const number = /^\d+([.,]\d+)?$/.test(plain) ? Number(plain.replace(",", ".")) : NaN;
  return number >= least && number <= most ? String(number) : null;
}

/** Those answers that these questions allow: another bundle may ask less. */
export function allowed(questions: Question[], answers: Answers): Answers {
  const kept = questions.map((question) => [question.name, valueOf(question, answers[question.name] ?? "")]);
  return Object.fromEntries(kept.filter(([, value]) => value));
}

/** The network's input: a number a question, 0 where nothing is known. */
export function answerCodes(questions: Question[], answers: Answers): Float32Array {
  return Float32Array.from(questions, (question) => codeOf(question, answers[question.name] ?? ""));
}

function codeOf(question: Question, value: string): number {
  const { values, least, step } = question;
  if (!value) return 0;
  if (values.length > 0) return 1 + values.indexOf(value);
  return Math.min(1 + (Number(value) - least) / step, pointsOf(question));
}
