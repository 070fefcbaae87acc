/** What the app is and is not, and where its model comes from. */
import type { App } from "../app";
import { fileButton, h } from "../dom";
import type { Bundle } from "../model/bundle";
import { fraction, percent } from "../texts/shares";
import { advice, currentLocale, decimal, t, type TextKey, unbroken } from "../texts/texts";
import { limits } from "./answer";
import { prevalenceView } from "./prevalence";

const FIGURES = ["top1", "balanced_accuracy", "macro_auc", "malignant_auc", "melanoma_auc", "melanoma_sensitivity"];

export function aboutView(app: App): HTMLElement {
  const { bundle } = app;
  const lines = bundle ? limits(bundle) : [advice("limits.general"), advice("limits.device")];
  return h("section", { class: "about", "aria-labelledby": "about" },
    h("h2", { id: "about" }, t("about.heading")),
    h("ul", {}, ...lines.map((line) => h("li", {}, line))),
    h("h3", {}, t("about.privacy")),
    h("p", {}, t("about.privacy.text")),
    bundle && modelView(bundle),
    h("h3", {}, t("about.own")),
    h("p", {}, t("about.own.text")),
    fileButton(t("about.own"), { accept: ".onnx", id: "own-model" }, ([file]) => app.useFile(file!)),
  );
}

function modelView(bundle: Bundle): HTMLElement {
  const { trainingData: data } = bundle;
  const count = (n: number) => n.toLocaleString(currentLocale());
  const images = data.images ? ` (${t("about.images", { n: count(data.images) })})` : "";
  const rows: [TextKey, string][] = [
    ["about.name", `${bundle.model.name}, ${t("about.parameters", { n: count(bundle.model.parameters) })}`],
    ["about.data", `${data.source}${images}`],
    ["about.licence", data.licence],
    ["about.commit", bundle.commit],
    ["about.size", `${bundle.imageSpec.size} × ${bundle.imageSpec.size}`],
    ["about.digest", bundle.sha256 || "?"],
    ["about.use", bundle.intendedUse],
  ];
  return h("section", {},
    h("h3", {}, t("about.model")),
    data.rendered && h("p", { class: "warning" }, t("about.rendered")),
    h("dl", {}, ...rows.flatMap(([key, value]) => [h("dt", {}, t(key)), h("dd", {}, value)])),
    figures(bundle.metrics),
    bundle.tested && prevalenceView(bundle.tested),
  );
}

/** A row for each figure that came with the bundle. */
function figures(metrics: Bundle["metrics"]): HTMLElement {
  const rows = FIGURES.filter((name) => name in metrics).map((name) => {
    const { value, interval } = metrics[name]!;
    const show = (share: number) => (name.endsWith("auc") ? fraction(share, 3, decimal) : percent(share));
    const range = interval ? unbroken(`${show(interval[0])} – ${show(interval[1])}`) : "";
    const heading = h("th", { scope: "row" }, t(`metric.${name}` as TextKey));
    return h("tr", {}, heading, h("td", {}, unbroken(show(value))), h("td", {}, range));
  });
  if (rows.length === 0) return h("p", {}, t("about.nofigures"));
  return h("table", { class: "figures" }, h("caption", {}, t("about.figures")), h("tbody", {}, ...rows));
}
