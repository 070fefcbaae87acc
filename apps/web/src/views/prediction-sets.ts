/** The types to consider: prediction sets, each with how often such a set held the right type. */
import type { Bundle } from "../model/bundle";
import { h } from "../dom";
import { type PredictionSet, predictionSets, type SetRule } from "../model/prediction-set";
import { ofHundred, percent } from "../texts/shares";
import { decimal, t, unbroken } from "../texts/texts";
import type { Combined } from "../model/triage";
import { typeList } from "./lesion-class";

/** The sets of an answer; none where the bundle has no rules. */
export function setsOf({ classes, setRules }: Bundle, answer: Combined): PredictionSet[] {
  return predictionSets(classes, answer.each, setRules, answer.alone?.each);
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
        h("tr", {}, h("td", {}, members(set, bundle)), h("td", {}, ...measured(set.rule))))),
    ),
    answer.fit > 1 && h("p", {}, t("sets.several")),
    h("p", { class: "hint limit" }, `${t("sets.limits")} ${t(answer.verdict ? "sets.wait" : "sets.wait.alone")}`),
    ...sets.map(({ rule }) => h("p", { class: "print-only" }, forDoctors(rule))),
  );
}

function members({ classes }: PredictionSet, bundle: Bundle): HTMLElement {
  if (classes.length === 0) return h("p", {}, t("sets.none"));
  if (classes.length === bundle.classes.length) return h("p", {}, t("sets.all"));
  return typeList(classes.map((code) => bundle.taxonomy[bundle.classes.indexOf(code)]!));
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
