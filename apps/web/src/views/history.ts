/** The history: each spot with its photographs in time, two of them side by side. */
import type { App } from "../app";
import { download, fileButton, h } from "../dom";
import { allVisits, classesOf, deleteAll, deleteVisit, exportVisits, importVisits, type Visit } from "../history-store";
import type { LesionClass } from "../model/taxonomy";
import { percent } from "../texts/shares";
import { advice, currentLocale, t, unbroken } from "../texts/texts";
import { typeList, wordsOf } from "./lesion-class";
import { alignedPictures, changeView, measureChange, type Pair, widthView } from "./over-time";
import { aloneLine, answersGiven } from "./questions";

const DAY = 24 * 3600 * 1000;

export async function historyView(app: App, redraw: () => void): Promise<HTMLElement> {
  const visits = await allVisits();
  const pictures = new Map(visits.map((visit) => [visit.id, URL.createObjectURL(visit.picture)]));
  const guarded = (action: () => Promise<unknown>) => () => action().then(redraw, (error) => app.complain(error));
  const side = h("section", { class: "side", "aria-label": t("history.side") });
  const status = h("p", { class: "visually-hidden", role: "status" });
  let latest = 0;
  const compare = async () => {
    const turn = ++latest;
    const pair = [...picked.slice(-2)].sort((a, b) => a.date.localeCompare(b.date)) as Pair;
    if (pair.length < 2) return side.replaceChildren();
    const shown = await sideBySide(app, pair, pictures, compare).catch((error) => app.complain(error));
    if (turn !== latest || !shown) return; // others have been picked meanwhile
    const focused = document.activeElement?.id;
    side.replaceChildren(...shown);
    if (focused) document.getElementById(focused)?.focus();
    status.textContent = t("over.status");
  };
  const picked: Visit[] = [];
  const pick = (visit: Visit, on: boolean) => {
    if (on) picked.push(visit);
    else picked.splice(picked.indexOf(visit), 1);
    void compare();
  };
  const view = h("section", { class: "history", "aria-labelledby": "history" },
    h("h2", { id: "history" }, t("history.heading")),
    visits.length === 0 ? h("p", {}, t("history.empty")) : h("p", {}, t("history.pick")),
    ...spots(visits).map(([spot, ofSpot]) =>
      spotView(spot, ofSpot, pictures, pick, (id) => guarded(() => deleteVisit(id)))),
    status,
    side,
    storeButtons(visits.length > 0, guarded),
  );
  new MutationObserver((_, observer) => {
    if (view.isConnected) return;
    observer.disconnect();
    pictures.forEach((url) => URL.revokeObjectURL(url));
  }).observe(document.body, { childList: true, subtree: true });
  return view;
}

/** Export, import and delete; `guarded` makes a click of an action, and draws the page again after it. */
function storeButtons(filled: boolean, guarded: (action: () => Promise<unknown>) => () => void): HTMLElement {
  const save = guarded(async () => download(await exportVisits(), "hierattn-history.json"));
  const empty = () => confirm(t("history.confirm")) && guarded(deleteAll)();
  const read = ([file]: File[]) => guarded(() => importVisits(file!))();
  return h("div", { class: "buttons" },
    filled && h("button", { class: "button", onclick: save }, t("history.export")),
    fileButton(t("history.import"), { accept: "application/json,.json", id: "import" }, read),
    filled && h("button", { class: "button danger", onclick: empty }, t("history.deleteall")),
  );
}

function spots(visits: Visit[]): [string, Visit[]][] {
  const groups = new Map<string, Visit[]>();
  for (const visit of visits) groups.set(visit.spot, [...(groups.get(visit.spot) ?? []), visit]);
  return [...groups];
}

function spotView(
  spot: string, visits: Visit[], pictures: Map<string, string>,
  pick: (visit: Visit, on: boolean) => void, remove: (id: string) => () => void,
): HTMLElement {
  const item = (visit: Visit) => {
    const box = h("input", { type: "checkbox", onchange: () => pick(visit, box.checked) });
    const label = `${t("history.delete")}: ${spot}, ${dateOf(visit)}`;
    return h("li", {},
      h("img", { src: pictures.get(visit.id)!, alt: `${spot}, ${dateOf(visit)}` }),
      h("p", {}, h("time", { datetime: visit.date }, dateOf(visit)), h("br"), titleOf(visit)),
      h("label", { class: "check" }, box, t("history.compare")),
      h("button", { class: "button small", "aria-label": label, onclick: remove(visit.id) }, t("history.delete")),
    );
  };
  return h("section", {}, h("h3", {}, spot), h("ul", { class: "visits" }, ...visits.map(item)));
}

async function sideBySide(app: App, pair: Pair, pictures: Map<string, string>, again: () => void): Promise<HTMLElement[]> {
  const [before, after] = pair;
  const days = Math.round((Date.parse(after.date) - Date.parse(before.date)) / DAY);
  const named = (visit: Visit) => `${visit.spot}, ${dateOf(visit)}`;
  const measured = before.spot === after.spot ? await measureChange(app, pair) : null;
  const aligned = measured && alignedPictures(measured, [named(before), named(after)]);
  const figure = (visit: Visit, k: number) => h("figure", {},
    aligned?.canvases[k] ?? h("img", { src: pictures.get(visit.id)!, alt: named(visit) }),
    h("figcaption", {},
      h("p", {}, h("strong", {}, dateOf(visit))),
      h("p", {}, titleOf(visit)),
      h("p", {}, unbroken(visit.risk === null ? first(visit) : `${advice("heading.risk")}: ${percent(visit.risk)}`)),
      ...askedOf(visit),
      ...possible(visit),
      measured?.compared && widthView(app, visit, again)));
  return [
    h("div", { class: "print-only" },
      h("h2", {}, t("print.heading")),
      h("p", {}, `${before.spot}: ${[before, after].map((visit) => `${dateOf(visit)}, ${visit.model}, SHA-256 ${visit.sha256.slice(0, 12)}`).join("; ")}`)),
    h("h3", {}, t("history.side")),
    h("div", { class: "pair" }, figure(before, 0), figure(after, 1)),
    h("p", {}, t("history.days", { n: days })),
    ...(before.sha256 === after.sha256 ? [] : [h("p", {}, t("history.models"))]),
    ...(aligned ? [aligned.stage] : []),
    ...(measured ? changeView(measured) : [h("p", {}, t("over.names")), h("p", {}, t("history.change"))]),
    h("button", { class: "button", onclick: () => print() }, t("over.print")),
  ];
}

/** The widest of the sets that were saved with it. */
function possible(visit: Visit): HTMLElement[] {
  const widest = [...(visit.sets ?? [])].sort((a, b) => b.wished - a.wished)[0];
  return widest && widest.classes.length > 0 ? [h("p", {}, `${t("sets.heading")}:`), typeList(widest.classes.map((code) => classOf(visit, code)))] : [];
}

/** What was answered, and what the photographs alone said. */
function askedOf(visit: Visit): HTMLElement[] {
  if (!visit.asked) return [];
  const classes = classesOf(visit);
  const { questions, answers, alone } = visit.asked;
  const probabilities = classes.map(({ code }) => alone.probabilities[code] ?? 0);
  return [
    h("p", {}, `${t("questions.given")}: ${answersGiven(questions, answers)}`),
    aloneLine(classes, { probabilities, risk: alone.risk }),
  ];
}

function titleOf({ level }: Visit): string {
  return level === null ? t("answer.none") : advice(`level.${level}.title`);
}

/** The most probable class. */
function first(visit: Visit): string {
  const [code, share] = Object.entries(visit.probabilities).reduce((a, b) => (b[1] > a[1] ? b : a));
  return `${wordsOf(classOf(visit, code))}: ${percent(share)}`;
}

function classOf(visit: Visit, code: string): LesionClass {
  return classesOf(visit).find((each) => each.code === code)!;
}

function dateOf(visit: Visit): string {
  return new Date(visit.date).toLocaleDateString(currentLocale(), { dateStyle: "medium" });
}
