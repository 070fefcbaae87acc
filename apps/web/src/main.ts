/** The page: language, navigation, one view at a time. */
import { App } from "./app";
import { h } from "./dom";
import facts from "./facts.json";
import "./style.css";
import { currentLanguage, type Language, LANGUAGES, setLanguage, t, type TextKey } from "./texts/texts";
import { aboutView } from "./views/about";
import { historyView } from "./views/history";
import { listenToPaste, photoView } from "./views/photo";

const PAGES = ["photo", "history", "about"] as const;
type Page = (typeof PAGES)[number];

const main = h("main", { id: "main", tabindex: -1 });
const status = h("p", { class: "status", role: "status" });
const header = h("header", { class: "top" });
let answered = 0;
let drawing = 0;

const app = new App(changed, (text, alarm) => {
  status.textContent = text;
  status.classList.toggle("alarm", alarm);
  status.setAttribute("role", alarm ? "alert" : "status");
});

function page(): Page {
  const asked = location.hash.slice(1);
  return PAGES.find((name) => name === asked) ?? "photo";
}

/** The history shows nothing of the app's own: a model that has loaded meanwhile must not undo what is picked there. */
function changed(): void {
  if (page() !== "history") draw();
}

async function draw(): Promise<void> {
  const turn = ++drawing;
  drawHeader();
  const view =
    page() === "history" ? await historyView(app, draw).catch(failed) : page() === "about" ? aboutView(app) : photoView(app);
  if (turn !== drawing) return; // another page was asked for while the history was read
  main.replaceChildren(view);
  if (app.shots.length > answered && page() === "photo") document.getElementById("answer")?.focus();
  answered = app.shots.length;
}

function failed(error: unknown): HTMLElement {
  app.complain(error);
  return h("section", {}, h("h2", {}, t("history.heading")));
}

function drawHeader(): void {
  const language = h("select", { id: "language", "aria-label": t("language"), onchange: () => {
    setLanguage(language.value as Language);
    draw().then(() => document.getElementById("language")?.focus());
  } }, ...LANGUAGES.map((code) =>
    h("option", { value: code, lang: code, selected: code === currentLanguage() }, facts.languages[code].name)));
  header.replaceChildren(
    h("h1", {}, t("app.title")),
    language,
    h("p", { class: "notice" }, t("app.notice")),
    h("nav", { "aria-label": t("nav.label") }, ...PAGES.map((name) =>
      h("a", { href: `#${name}`, ...(name === page() ? { "aria-current": "page" } : {}) }, t(`nav.${name}` as TextKey)))),
  );
}

setLanguage(currentLanguage());
document.body.append(header, status, main);
addEventListener("hashchange", () => draw().then(() => main.focus()));
listenToPaste(app);
draw();
app.start();
if ("serviceWorker" in navigator && import.meta.env.PROD) navigator.serviceWorker.register("sw.js");
