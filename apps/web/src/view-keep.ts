/** Saving an answer in the local history, under the spot's name. */
import type { App } from "./app";
import { h } from "./dom";
import { allVisits, keepVisit, type Visit } from "./history";
import { t } from "./texts";
import type { Combined } from "./triage";
import { setsOf } from "./view-sets";

const KEPT_SIDE = 512;

export function keepView(app: App, answer: Combined): HTMLElement {
  const names = h("datalist", { id: "spots" });
  allVisits().then(
    (visits) => names.append(...[...new Set(visits.map(({ spot }) => spot))].map((spot) => h("option", { value: spot }))),
    () => undefined, // the history's own page says so
  );
  const name = h("input", { id: "spot", required: true, maxlength: 60, list: "spots", autocomplete: "off", placeholder: t("keep.example") });
  const said = h("p", { role: "status" });
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      await keepVisit(await visitOf(app, answer, name.value.trim()));
      said.textContent = t("keep.saved");
    } catch (error) {
      app.complain(error);
    }
  };
  return h("form", { class: "keep", onsubmit: save },
    h("h3", {}, t("keep.heading")),
    h("label", { for: "spot" }, t("keep.spot")), name, names,
    h("button", { class: "button" }, t("keep.save")), said,
  );
}

async function visitOf(app: App, answer: Combined, spot: string): Promise<Visit> {
  const bundle = app.bundle!;
  const shot = app.shots.filter((one) => one.judgement.quality.ok).at(-1)!;
  return {
    id: `${Date.now()}-${Math.random().toString(36).slice(2, 10)}`,
    spot,
    date: new Date().toISOString(),
    picture: await app.jpegOf(shot, shot.frame, KEPT_SIDE),
    probabilities: Object.fromEntries(bundle.classes.map(({ code }, k) => [code, answer.probabilities[k]!])),
    risk: answer.risk,
    level: answer.verdict.level,
    sets: setsOf(bundle, answer).map(({ classes, rule }) => ({ classes, wished: rule.wished, coverage: rule.coverage })),
    model: bundle.model.name,
    sha256: bundle.sha256,
  };
}
