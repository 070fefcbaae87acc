/** The types to consider: prediction sets, each with how often such a set held the right type. */
import type { Bundle } from "../model/bundle";
import { h } from "../dom";
import facts from "../facts.json";
import { type PredictionSet, predictionSets, type SetRule } from "../model/prediction-set";
import { ofHundred, percent } from "../texts/shares";
import { advice, decimal, t, unbroken } from "../texts/texts";
import type { Combined } from "../model/triage";

/** The sets of an answer; none where the bundle has no rules. */
export function setsOf({ classes, setRules }: Bundle, answer: Combined): PredictionSet[] {
  return predictionSets(classes, answer.each, setRules);
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
      h("tbody", {}, ...sets.map((set) =>
        h("tr", {}, h("td", {}, members(set, bundle.classes.length)), h("td", {}, ...measured(set.rule))))),
    ),
    answer.fit > 1 && h("p", {}, t("sets.several")),
    h("p", { class: "hint limit" }, t("sets.limits")),
    ...sets.map(({ rule }) => h("p", { class: "print-only" }, forDoctors(rule))),
  );
}

function members({ classes }: PredictionSet, all: number): HTMLElement {
  if (classes.length === 0) return h("p", {}, t("sets.none"));
  if (classes.length === all) return h("p", {}, t("sets.all"));
  return typeList(classes);
}

/** Lesion types with their colours in the table of probabilities. */
export function typeList(codes: string[]): HTMLElement {
  return h("ul", { class: "types" }, ...codes.map((code) => {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colourOf(code);
    return h("li", {}, swatch, advice(`class.${code}`) || code);
  }));
}

/** A class's colour in every picture of the project. */
export function colourOf(code: string): string {
  return (facts.colours as Record<string, string>)[code] ?? "";
}

function measured({ target, coverage, interval }: SetRule): (Node | string)[] {
  if (coverage === null) return [t("sets.unmeasured", { target: ofHundred(target) })];
  const share = h("strong", {}, t("sets.measured", { coverage: ofHundred(coverage) }));
  if (interval === null) return [share];
  const [low, high] = interval.map(ofHundred) as [number, number];
  return [share, h("small", {}, t("sets.interval", { low, high }))];
}

/** The same in the terms of statistics. */
function forDoctors({ target, threshold, coverage, interval, meanSize }: SetRule): string {
  const exact = (share: number) => percent(share, 1, decimal);
  const range = interval ? ` (${interval.map(exact).join(" – ")})` : "";
  const parts = [
    t("sets.doctor", { target: percent(target), threshold: exact(threshold) }),
    coverage === null
      ? t("sets.doctor.unmeasured")
      : t("sets.doctor.measured", { coverage: exact(coverage) }) + range,
  ];
  if (meanSize !== null) parts.push(t("sets.doctor.size", { size: decimal(meanSize, 1) }));
  return unbroken(parts.join("; "));
}
