/** Saving an answer in the local history, under the spot's name. */
import type { App } from "../app";
import { h } from "../dom";
import { allVisits, type Asked, saveVisit, type Visit } from "../history-store";
import type { Bundle } from "../model/bundle";
import { t } from "../texts/texts";
import type { Combined } from "../model/triage";
import { setsOf } from "./prediction-sets";

const SAVED_SIDE = 512;

export function saveView(app: App, answer: Combined): HTMLElement {
  const names = h("datalist", { id: "spots" });
  allVisits().then(
    (visits) => names.append(...[...new Set(visits.map(({ spot }) => spot))].map((spot) => h("option", { value: spot }))),
    () => undefined, // the history's own page says so
  );
  const name = h("input", {
    id: "spot", required: true, maxlength: 60, list: "spots", autocomplete: "off", placeholder: t("save.example"),
  });
  const status = h("p", { role: "status" });
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      await saveVisit(await visitOf(app, answer, name.value.trim()));
      status.textContent = t("save.done");
    } catch (error) {
      app.complain(error);
    }
  };
  return h("form", { class: "save", onsubmit: save },
    h("h3", {}, t("save.heading")),
    h("label", { for: "spot" }, t("save.spot")), name, names,
    h("button", { class: "button" }, t("save.button")), status,
  );
}

function askedOf({ bundle, answers }: App, { probabilities, risk, verdict }: Combined): Asked {
  const alone = { probabilities: byCode(bundle!, probabilities), risk, level: verdict?.level ?? null };
  return { questions: bundle!.questions.filter(({ name }) => answers[name]), answers, alone };
}

function byCode({ classes }: Bundle, probabilities: number[]): Record<string, number> {
  return Object.fromEntries(classes.map((code, k) => [code, probabilities[k]!]));
}

async function visitOf(app: App, answer: Combined, spot: string): Promise<Visit> {
  const bundle = app.bundle!;
  const shot = app.shots.filter(({ diagnosis }) => diagnosis.quality.ok).at(-1)!;
  return {
    id: `${Date.now()}-${Math.random().toString(36).slice(2, 10)}`,
    spot,
    date: new Date().toISOString(),
    picture: await app.jpegOf(shot, shot.frame, SAVED_SIDE),
    field: shot.frame === null ? 1 : Math.max(shot.frame.right - shot.frame.left, shot.frame.bottom - shot.frame.top) / Math.max(shot.width, shot.height),
    probabilities: byCode(bundle, answer.probabilities),
    classes: bundle.taxonomy,
    risk: answer.risk,
    level: answer.verdict?.level ?? null,
    sets: setsOf(bundle, answer).map(({ classes, rule }) => ({ classes, wished: rule.target, coverage: rule.coverage })),
    model: bundle.model.name,
    sha256: bundle.sha256,
    ...(answer.alone ? { asked: askedOf(app, answer.alone) } : {}),
  };
}
