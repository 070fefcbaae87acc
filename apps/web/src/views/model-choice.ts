/** The choice among several bundles: by how the photograph was taken, which is what they differ in. */
import type { App } from "../app";
import { h } from "../dom";
import type { ServedBundle } from "../model/served-bundles";
import { t, type TextKey } from "../texts/texts";

const OURS: readonly string[] = ["phone", "dermoscopy", "dermoscopy-large", "model"];

/** Null where there is nothing to choose. */
export function modelChoice(app: App): HTMLElement | null {
  if (app.served.length < 2) return null;
  const option = (bundle: ServedBundle) => {
    const box = h("input", {
      type: "radio", name: "model", value: bundle.name, checked: bundle === app.current,
      onchange: async () => {
        await app.choose(bundle);
        document.querySelector<HTMLElement>(`input[name="model"][value="${bundle.name}"]`)?.focus();
      },
    });
    return h("label", { class: "check" }, box, nameOf(bundle));
  };
  return h("fieldset", { class: "models" }, h("legend", {}, t("model.legend")), ...app.served.map(option));
}

/** What a bundle is for, in the visitor's words; its own name where it is none of ours. */
export function nameOf(bundle: ServedBundle): string {
  return OURS.includes(bundle.name) ? t(`model.${bundle.name}` as TextKey) : bundle.name;
}
