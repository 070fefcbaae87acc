/** The choice among several bundles: by how the photograph was taken, which is what they differ in. */
import type { App } from "./app";
import { h } from "./dom";
import type { Offer } from "./judge";
import { t, type TextKey } from "./texts";

const KNOWN: readonly string[] = ["phone", "dermoscopy", "model"];

/** Null where there is nothing to choose. */
export function modelChoice(app: App): HTMLElement | null {
  if (app.offers.length < 2) return null;
  const option = (offer: Offer) => {
    const box = h("input", {
      type: "radio", name: "model", value: offer.name, checked: offer === app.offer,
      onchange: async () => {
        await app.choose(offer);
        document.querySelector<HTMLElement>(`input[name="model"][value="${offer.name}"]`)?.focus();
      },
    });
    return h("label", { class: "check" }, box, nameOf(offer));
  };
  return h("fieldset", { class: "models" }, h("legend", {}, t("model.legend")), ...app.offers.map(option));
}

/** What a bundle is for, in the visitor's words; its own name where it is none of ours. */
export function nameOf(offer: Offer): string {
  return KNOWN.includes(offer.name) ? t(`model.${offer.name}` as TextKey) : offer.name;
}
