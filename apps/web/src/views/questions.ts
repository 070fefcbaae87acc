/** What the bundle asks beside the photograph, and what the answers change. A bundle without questions shows nothing. */
import type { App } from "../app";
import { h } from "../dom";
import { type Answers, type Question, valueOf } from "../model/questions";
import type { LesionClass } from "../model/taxonomy";
import type { Numbers } from "../model/triage";
import { percent } from "../texts/shares";
import { advice, currentLanguage, t } from "../texts/texts";
import { wordsOf } from "./lesion-class";

/** With more values than these a list opens in place of buttons. */
const MOST_BUTTONS = 4;
const HEADING = "questions";

/** Null for a bundle without questions; `told` is called after every answer. */
export function questionsView(app: App, told: () => void): HTMLElement | null {
  const asked = app.bundle?.questions ?? [];
  if (asked.length === 0) return null;
  const results = h("div", { class: "results", role: "status" }, ...bothResults(app));
  const tell = async (question: Question, value: string) => {
    await app.tell(question.name, value);
    results.replaceChildren(...bothResults(app));
    told();
  };
  return h("section", { class: "questions", "aria-labelledby": HEADING },
    h("h2", { id: HEADING, tabindex: -1 }, t("questions.heading")),
    h("p", { class: "hint" }, t("questions.how")),
    ...asked.map((question) => control(question, app.answers[question.name] ?? "", (value) => tell(question, value))),
    results,
  );
}

type Tell = (value: string) => void;

function control(question: Question, answer: string, tell: Tell): HTMLElement {
  if (question.values.length === 0) return number(question, answer, tell);
  return question.values.length > MOST_BUTTONS ? list(question, answer, tell) : buttons(question, answer, tell);
}

/** The answers and "I don't know", which is chosen where nothing is said. */
function options(question: Question): [string, string][] {
  const words = (value: string) => wordsFor(question, value).replace(/^./u, (letter) => letter.toLocaleUpperCase());
  return [...question.values.map((value): [string, string] => [value, words(value)]), ["", t("questions.unknown")]];
}

function buttons(question: Question, answer: string, tell: Tell): HTMLElement {
  const option = ([value, words]: [string, string]) => h("label", { class: "option" },
    h("input", { type: "radio", name: `ask-${question.name}`, value, checked: value === answer, onchange: () => tell(value) }), words);
  return h("fieldset", { class: "question" },
    h("legend", {}, askedIn(question)),
    h("div", { class: "options" }, ...options(question).map(option)));
}

function list(question: Question, answer: string, tell: Tell): HTMLElement {
  const id = `ask-${question.name}`;
  const option = ([value, words]: [string, string]) => h("option", { value, selected: value === answer }, words);
  const choice = h("select", { id, onchange: () => tell(choice.value) }, ...options(question).reverse().map(option));
  return h("div", { class: "question" }, h("label", { for: id }, askedIn(question)), choice);
}

function number(question: Question, answer: string, tell: Tell): HTMLElement {
  const id = `ask-${question.name}`;
  const problem = h("p", { id: `${id}-problem`, role: "alert", class: "problem" });
  const input = h("input", {
    id, type: "text", inputmode: "decimal", autocomplete: "off", maxlength: 8, size: 8, value: answer,
    placeholder: t("questions.unknown"), "aria-describedby": problem.id,
    onchange: () => {
      const value = valueOf(question, input.value);
      const { least, most } = question;
      problem.textContent = value === null ? t("questions.number", { least, most }) : "";
      input.setAttribute("aria-invalid", String(value === null));
      tell(value ?? ""); // what is no answer is not known
    },
  });
  return h("div", { class: "question" },
    h("label", { for: id }, askedIn(question)),
    h("div", { class: "number" }, input, unitOf(question)),
    problem);
}

/** The question in the visitor's language. */
function askedIn({ ask, name }: Question): string {
  return ask[currentLanguage()] ?? ask["en"] ?? name;
}

/** An answer in the visitor's language. */
function wordsFor(question: Question, value: string): string {
  const { words, values } = question;
  if (values.length === 0) return `${value} ${unitOf(question)}`.trim();
  return (words[currentLanguage()] ?? words["en"] ?? values)[values.indexOf(value)]!;
}

function unitOf({ unit }: Question): string {
  return unit === "years" || unit === "mm" ? t(`unit.${unit}`) : unit;
}

/** "Has it grown lately? yes; ...": what was answered, on one line. */
export function answersGiven(questions: Question[], answers: Answers): string {
  const given = questions.filter(({ name }) => answers[name]);
  return given.map((question) => `${askedIn(question)} ${wordsFor(question, answers[question.name]!)}`).join("; ");
}

/** What the photograph alone says, on one line. */
export function aloneLine(taxonomy: LesionClass[], alone: Numbers): HTMLElement {
  return resultLine("heading.photo_alone", taxonomy, alone);
}

/** That line and one with the answers; none where nothing is answered. */
export function bothLines(taxonomy: LesionClass[], told: Numbers, alone: Numbers | null): HTMLElement[] {
  return alone ? [aloneLine(taxonomy, alone), resultLine("heading.with_answers", taxonomy, told)] : [];
}

function resultLine(heading: string, taxonomy: LesionClass[], { probabilities, risk }: Numbers): HTMLElement {
  const most = Math.max(...probabilities);
  const first = `${wordsOf(taxonomy[probabilities.indexOf(most)]!)} ${percent(most)}`;
  const answer = risk === null ? first : `${first}; ${advice("heading.risk")}: ${percent(risk)}`;
  return h("p", { class: "result" }, advice(heading, { answer }));
}

/** The advice that stands, and both results. */
function bothResults({ bundle, combined }: App): HTMLElement[] {
  if (!combined?.alone || combined.fit === 0) return [];
  const { verdict, alone } = combined;
  const title = verdict && h("p", { class: `now ${verdict.level}` }, advice(`level.${verdict.level}.title`));
  return [...(title ? [title] : []), ...bothLines(bundle!.taxonomy, combined, alone)];
}

/** Leads from the answer to the questions. */
export function questionsButton({ bundle }: App): HTMLElement | null {
  if (!bundle?.questions.length) return null;
  return h("button", { class: "button small", onclick: () => document.getElementById(HEADING)?.focus() }, t("questions.open"));
}
