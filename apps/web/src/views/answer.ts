/** The answer: what to do next first, then the percentages, the heat map and the limits; all of it prints on a page. */
import type { App } from "../app";
import { h, lateImage } from "../dom";
import facts from "../facts.json";
import type { Bundle, Triage } from "../model/bundle";
import type { Combined } from "../model/triage";
import { ofHundred, toldApart } from "../texts/shares";
import { advice, currentLocale, decimal, t, unbroken } from "../texts/texts";
import { drawHeatmap } from "./heatmap";
import { nameOf } from "./model-choice";
import { colourOf, setsView } from "./prediction-sets";
import { saveView } from "./save";

export function answerView(app: App, answer: Combined): HTMLElement {
  const bundle = app.bundle!;
  const fit = answer.verdict.level !== "retake";
  return h(
    "article",
    { class: `answer ${answer.verdict.level}`, "aria-labelledby": "answer" },
    printHead(app),
    h("h2", { id: "answer", tabindex: -1, class: "verdict" }, advice(`level.${answer.verdict.level}.title`)),
    bundle.trainingData.rendered && h("p", { class: "warning" }, t("about.rendered")),
    modelUsed(app),
    h("p", { class: "why" }, why(answer)),
    answer.fit < answer.photos && fit && h("p", {}, t("answer.some", { fit: answer.fit, photos: answer.photos })),
    answer.fit > 1 && h("p", {}, t("answer.combined", { fit: answer.fit })),
    h("h3", {}, t("answer.next")),
    h("ul", { class: "steps" }, ...steps(answer).map((step) => h("li", {}, step))),
    fit ? table(bundle, answer) : h("p", {}, t("answer.unfit")),
    answer.quality.problems.includes(facts.quality.UNLIKE) && app.served.length > 1 && h("p", {}, t("model.unlike")),
    answer.quality.values["cropped"] === 1 && h("p", { class: "hint" }, advice("note.cropped")),
    fit && setsView(bundle, answer),
    fit && heatmapView(app, answer),
    h("h3", {}, t("answer.limits")),
    h("ul", { class: "limits" }, ...limits(bundle.triage).map((line) => h("li", {}, line))),
    fit && saveView(app, answer),
    h("button", { class: "button", onclick: () => print() }, t("print")),
    h("p", { class: "print-only" }, `${bundle.model.name}; SHA-256 ${bundle.sha256}`),
  );
}

function modelUsed({ current, served }: App): HTMLElement | null {
  if (!current || served.length < 2) return null;
  return h("p", { class: "hint model-used" }, `${t("model.legend")} ${nameOf(current)}`);
}

function why({ verdict }: Combined): string {
  const said = toldApart(Object.values(verdict.numbers), decimal);
  return advice(`why.${verdict.reason}`, Object.fromEntries(Object.keys(verdict.numbers).map((name, k) => [name, said[k]!])));
}

function steps({ verdict, quality }: Combined): string[] {
  const problems = verdict.level === "retake" ? quality.problems : [];
  const remedies = problems.map((name) => advice(`problem.${name}`));
  return [...remedies, ...advice(`level.${verdict.level}.next`).split("\n")];
}

/** The lines of Python's `_limits`. */
export function limits(triage: Triage): string[] {
  const lines = [advice("limits.general")];
  if (triage.threshold === null) lines.push(advice("limits.uncalibrated"));
  else if (triage.sensitivity !== null && triage.interval !== null) {
    const [sensitivity, low, high] = [triage.sensitivity, ...triage.interval].map((share) => `${ofHundred(share)} %`);
    const numbers = { sensitivity: sensitivity!, low: low!, high: high!, images: String(triage.images) };
    lines.push(advice("limits.measured", numbers));
  } else lines.push(advice("limits.unmeasured"));
  return [...lines, advice("limits.device")];
}

function table({ classes, triage }: Bundle, answer: Combined): HTMLElement {
  const ordered = classes
    .map((code, k) => ({ code, share: answer.probabilities[k]! }))
    .sort((a, b) => b.share - a.share);
  const threshold = triage.threshold;
  return h("table", {},
    h("caption", {}, t("answer.types")),
    h("thead", {}, h("tr", {},
      h("th", { scope: "col" }, advice("heading.class")),
      h("th", { scope: "col" }, advice("heading.probability")))),
    h("tbody", {},
      ...ordered.map(({ code, share }) => row(advice(`class.${code}`), share, colourOf(code), null)),
      row(advice("heading.risk"), answer.risk, "", threshold)),
  );
}

function row(name: string, share: number, colour: string, mark: number | null): HTMLElement {
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
  return h("tr", { class: colour ? "" : "sum" },
    h("th", { scope: "row" }, name, mark !== null && h("small", {}, unbroken(` (${t("answer.limit")}: ${limit})`))),
    h("td", {}, bar, h("span", { class: "share" }, unbroken(said!))),
  );
}

/** The last photograph that is fit, with the evidence for one class over it. */
function heatmapView(app: App, answer: Combined): HTMLElement | null {
  const shot = app.shots.filter(({ diagnosis }) => diagnosis.quality.ok && diagnosis.heatmap).at(-1);
  if (!shot) return null;
  const { classes } = app.bundle!;
  const { rows, columns } = shot.diagnosis.heatmap!;
  const small = Math.min(rows, columns) < facts.heatmap.FEWEST_CELLS;
  const first = answer.probabilities.indexOf(Math.max(...answer.probabilities));
  const canvas = h("canvas", { hidden: true, "aria-hidden": "true" });
  const { left, top, right, bottom } = shot.diagnosis.part;
  const size = { width: right - left, height: bottom - top }; // keeps the place until the picture is there
  const image = lateImage(shot.picture, { alt: t("photo.number", { n: app.shots.indexOf(shot) + 1 }), ...size });
  const choice = h("select", { id: "heat-class", onchange: () => draw() },
    ...classes.map((code, k) => h("option", { value: k, selected: k === first }, advice(`class.${code}`))));
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
