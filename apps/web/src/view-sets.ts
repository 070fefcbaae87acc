/** The types that stay possible: prediction sets, each with how often such a set held the right type. */
import type { Bundle } from "./bundle";
import { h } from "./dom";
import { type PredictionSet, predictionSets, type SetRule } from "./prediction-set";
import { advice, decimal, t, unbroken } from "./texts";
import { CLASS_FACTS, type Combined, ofHundred, percent } from "./triage";

/** The sets of an answer; none where the bundle has no rules. */
export function setsOf({ classes, setRules }: Bundle, answer: Combined): PredictionSet[] {
  return predictionSets(classes.map(({ code }) => code), answer.each, setRules);
}

/** Null where the bundle has no rules. */
export function setsView(bundle: Bundle, answer: Combined): HTMLElement | null {
  const sets = setsOf(bundle, answer);
  if (sets.length === 0) return null;
  return h("section", { class: "sets" },
    h("h3", { id: "sets" }, t("sets.heading")),
    h("p", {}, t("sets.why")),
    h("table", { "aria-labelledby": "sets" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("sets.list")), h("th", { scope: "col" }, t("sets.share")))),
      h("tbody", {}, ...sets.map((set) => h("tr", {}, h("td", {}, members(set, bundle.classes.length)), h("td", {}, ...measured(set.rule))))),
    ),
    answer.fit > 1 && h("p", {}, t("sets.several")),
    h("p", { class: "hint limit" }, t("sets.limits")),
    ...sets.map(({ rule }) => h("p", { class: "print-only" }, forDoctors(rule))),
  );
}

function members({ classes }: PredictionSet, known: number): HTMLElement {
  if (classes.length === 0) return h("p", {}, t("sets.none"));
  if (classes.length === known) return h("p", {}, t("sets.all"));
  return typeList(classes);
}

/** Lesion types with their colours in the table of probabilities. */
export function typeList(codes: string[]): HTMLElement {
  return h("ul", { class: "types" }, ...codes.map((code) => {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = CLASS_FACTS[code]?.colour ?? "";
    return h("li", {}, swatch, advice(`class.${code}`) || code);
  }));
}

function measured({ wished, coverage, interval }: SetRule): (Node | string)[] {
  if (coverage === null) return [t("sets.unmeasured", { wished: ofHundred(wished) })];
  const said = h("strong", {}, t("sets.measured", { coverage: ofHundred(coverage) }));
  if (interval === null) return [said];
  const [low, high] = interval.map(ofHundred) as [number, number];
  return [said, h("small", {}, t("sets.interval", { low, high }))];
}

/** The same in the terms of the trade. */
function forDoctors({ wished, threshold, coverage, interval, meanSize }: SetRule): string {
  const exact = (share: number) => `${decimal(100 * share, 1)} %`;
  const parts = [t("sets.doctor", { wished: percent(wished), threshold: exact(threshold) })];
  if (coverage === null) parts.push(t("sets.doctor.unmeasured"));
  else parts.push(t("sets.doctor.measured", { coverage: exact(coverage) }) + (interval ? ` (${interval.map(exact).join(" – ")})` : ""));
  if (meanSize !== null) parts.push(t("sets.doctor.size", { size: decimal(meanSize, 1) }));
  return unbroken(parts.join("; "));
}
