/** The answer: what to do next first, then the percentages, the heat map and the limits; all of it prints on a page. */
import type { App } from "../app";
import { h, lateImage } from "../dom";
import facts from "../facts.json";
import type { Bundle } from "../model/bundle";
import type { Combined, Verdict } from "../model/triage";
import { ofHundred, toldApart } from "../texts/shares";
import { advice, currentLocale, decimal, t, unbroken } from "../texts/texts";
import { drawHeatmap } from "./heatmap";
import { colourOf, folded, otherTypes, topOf, wordsAndName, wordsOf } from "./lesion-class";
import { nameOf } from "./model-choice";
import { setsView } from "./prediction-sets";
import { answersGiven, bothLines, questionsButton } from "./questions";
import { saveView } from "./save";

export function answerView(app: App, answer: Combined): HTMLElement {
  const bundle = app.bundle!;
  const { verdict } = answer;
  const fit = verdict?.level !== "retake";
  return h(
    "article",
    { class: `answer ${verdict?.level ?? "no_advice"}`, "aria-labelledby": "answer" },
    printHead(app),
    h("h2", { id: "answer", tabindex: -1, class: "verdict" }, verdict ? advice(`level.${verdict.level}.title`) : t("answer.types")),
    bundle.trainingData.rendered && h("p", { class: "warning" }, t("about.rendered")),
    modelUsed(app),
    h("p", { class: "why" }, verdict ? why(verdict) : advice("note.no_referral")),
    ...(fit ? bothLines(bundle.taxonomy, answer, answer.alone) : []),
    fit && questionsButton(app),
    answersForDoctor(app),
    answer.fit < answer.photos && fit && h("p", {}, t("answer.some", { fit: answer.fit, photos: answer.photos })),
    answer.fit > 1 && h("p", {}, t("answer.combined", { fit: answer.fit }), verdict && ` ${t("answer.urgent")}`),
    ...(verdict ? nextSteps(verdict, answer) : []),
    fit ? table(bundle, answer) : h("p", {}, t("answer.unfit")),
    answer.quality.problems.includes(facts.quality.UNLIKE) && app.served.length > 1 && h("p", {}, t("model.unlike")),
    answer.quality.values["cropped"] === 1 && h("p", { class: "hint" }, advice("note.cropped")),
    fit && setsView(bundle, answer),
    fit && heatmapView(app, answer),
    h("h3", {}, t("answer.limits")),
    h("ul", { class: "limits" }, ...limits(bundle, answer.alone !== null).map((line) => h("li", {}, line))),
    fit && saveView(app, answer),
    h("button", { class: "button", onclick: () => print() }, t("print")),
    h("p", { class: "print-only" }, `${bundle.model.name}; SHA-256 ${bundle.sha256}`),
  );
}

function modelUsed({ current, served }: App): HTMLElement | null {
  if (!current || served.length < 2) return null;
  return h("p", { class: "hint model-used" }, `${t("model.legend")} ${nameOf(current)}`);
}

function why({ reason, numbers, kept }: Verdict): string {
  const said = toldApart(Object.values(numbers), decimal);
  const told = advice(`why.${reason}`, Object.fromEntries(Object.keys(numbers).map((name, k) => [name, said[k]!])));
  return kept ? `${told} ${advice("note.answers_kept")}` : told;
}

function answersForDoctor({ bundle, answers }: App): HTMLElement | null {
  const given = answersGiven(bundle!.questions, answers);
  return given ? h("p", { class: "print-only" }, `${t("questions.given")}: ${given}`) : null;
}

function nextSteps({ level }: Verdict, { quality }: Combined): HTMLElement[] {
  const problems = level === "retake" ? quality.problems : [];
  const remedies = problems.map((name) => advice(`problem.${name}`));
  const steps = [...remedies, ...advice(`level.${level}.next`).split("\n")];
  return [h("h3", {}, t("answer.next")), h("ul", { class: "steps" }, ...steps.map((step) => h("li", {}, step)))];
}

/** The lines of Python's `_limits`. */
export function limits({ triage, calibrated }: Bundle, answered = false): string[] {
  const lines = [advice(answered ? "limits.answered" : "limits.general")];
  if (triage.group.length === 0) lines.push(...(calibrated ? [] : [advice("limits.uncalibrated")]));
  else if (triage.threshold === null) lines.push(advice("limits.uncalibrated"));
  else if (triage.sensitivity !== null && triage.interval !== null) {
    const [sensitivity, low, high] = [triage.sensitivity, ...triage.interval].map((share) => `${ofHundred(share)} %`);
    const numbers = { sensitivity: sensitivity!, low: low!, high: high!, images: String(triage.images) };
    lines.push(advice("limits.measured", numbers));
  } else lines.push(advice("limits.unmeasured"));
  return [...lines, advice("limits.device")];
}

function table({ taxonomy, triage }: Bundle, answer: Combined): HTMLElement {
  const ordered = taxonomy
    .map((each, k) => ({ each, share: answer.probabilities[k]! }))
    .sort((a, b) => b.share - a.share);
  const [first, rest] = topOf(ordered);
  const rowOf = ({ each, share }: (typeof ordered)[number]) => row(wordsAndName(each), share, { colour: colourOf(each) });
  const others = rest.reduce((sum, { share }) => sum + share, 0);
  return h("div", { class: "shares" },
    h("table", {},
      h("caption", { class: answer.verdict ? "" : "visually-hidden" }, t("answer.types")),
      h("thead", {}, h("tr", {},
        h("th", { scope: "col" }, advice("heading.class")),
        h("th", { scope: "col" }, advice("heading.probability")))),
      h("tbody", {},
        ...first.map(rowOf),
        rest.length > 0 && row([otherTypes(rest.length)], others, { kind: "rest" }),
        answer.risk !== null && row([advice("heading.risk")], answer.risk, { kind: "sum", mark: triage.threshold }))),
    rest.length > 0 && folded(t("types.more", { n: rest.length }), h("table", {}, h("tbody", {}, ...rest.map(rowOf)))),
  );
}

interface Look { colour?: string; kind?: string; mark?: number | null }

function row(name: (Node | string)[], share: number, { colour = "", kind = "", mark = null }: Look): HTMLElement {
  const [said, limit] = toldApart(mark === null ? [share] : [share, mark], decimal);
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span", { class: "fill" }));
  const fill = bar.firstElementChild as HTMLElement;
  fill.style.width = `${100 * share}%`;
  if (colour) fill.style.background = colour;
  if (mark !== null) {
    const line = h("span", { class: "mark" });
    line.style.left = `${100 * mark}%`;
    bar.append(line);
  }
  return h("tr", { class: kind },
    h("th", { scope: "row" }, ...name, mark !== null && h("small", {}, unbroken(` (${t("answer.limit")}: ${limit})`))),
    h("td", {}, bar, h("span", { class: "share" }, unbroken(said!))),
  );
}

/** The last photograph that is fit, with the evidence for one class over it. */
function heatmapView(app: App, answer: Combined): HTMLElement | null {
  const shot = app.shots.filter(({ diagnosis }) => diagnosis.quality.ok && diagnosis.heatmap).at(-1);
  if (!shot) return null;
  const { taxonomy } = app.bundle!;
  const { rows, columns } = shot.diagnosis.heatmap!;
  const small = Math.min(rows, columns) < facts.heatmap.FEWEST_CELLS;
  const first = answer.probabilities.indexOf(Math.max(...answer.probabilities));
  const canvas = h("canvas", { hidden: true, "aria-hidden": "true" });
  const { left, top, right, bottom } = shot.diagnosis.part;
  const size = { width: right - left, height: bottom - top }; // keeps the place until the picture is there
  const image = lateImage(shot.picture, { alt: t("photo.number", { n: app.shots.indexOf(shot) + 1 }), ...size });
  const choice = h("select", { id: "heat-class", onchange: () => draw() },
    ...taxonomy.map((each, k) => h("option", { value: k, selected: k === first }, wordsOf(each))));
  const legend = h("div", { class: "legend", hidden: true },
    h("label", { for: "heat-class" }, t("heat.class")), choice,
    h("p", { class: "hint" }, t(small ? "heat.small" : "heat.legend", { rows, columns })));
  const draw = () => {
    const scale = facts.heatmap.LARGEST_SIDE / Math.max(size.width, size.height);
    [canvas.width, canvas.height] = [Math.ceil(size.width * scale), Math.ceil(size.height * scale)];
    drawHeatmap(canvas, shot.diagnosis.heatmap!, Number(choice.value));
  };
  const button = h("button", { class: "button", "aria-pressed": "false", onclick: () => {
    canvas.hidden = legend.hidden = !canvas.hidden;
    button.setAttribute("aria-pressed", String(!canvas.hidden));
    if (!canvas.hidden) draw();
  } }, t("heat.show"));
  return h("section", { class: "heat" }, h("div", { class: "overlay" }, image, canvas), button, legend);
}

function printHead(app: App): HTMLElement {
  const now = new Date().toLocaleString(currentLocale(), { dateStyle: "long", timeStyle: "short" });
  return h("header", { class: "print-only" },
    h("h1", {}, t("print.heading")),
    h("p", {}, `${t("print.date")}: ${now}`),
    ...app.shots.map((shot, k) => lateImage(shot.picture, { alt: t("photo.number", { n: k + 1 }) })),
  );
}
