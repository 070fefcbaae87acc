/** What the advice means at another prevalence: a slider, and a row for each figure. */
import { h } from "../dom";
import facts from "../facts.json";
import { carry, type Figure, type Tested } from "../model/prevalence";
import { percent } from "../texts/shares";
import { currentLocale, decimal, t, type TextKey, unbroken } from "../texts/texts";

const { PREVALENCES, PEOPLE, FIRST_CHOICE } = facts.prevalence;
const ROWS: TextKey[] = ["prevalence.ppv", "prevalence.npv", "prevalence.referrals", "prevalence.missed"];

export function prevalenceView(tested: Tested): HTMLElement {
  const people = PEOPLE.toLocaleString(currentLocale());
  const body = h("tbody", {});
  const slider = h("input", {
    type: "range", id: "prevalence", min: 0, max: PREVALENCES.length - 1, value: PREVALENCES.indexOf(FIRST_CHOICE), oninput: () => show(),
  });
  const said = h("output", { for: "prevalence" });
  const show = () => {
    const prevalence = PREVALENCES[slider.valueAsNumber]!;
    said.textContent = t("prevalence.chosen", { share: percent(prevalence, prevalence < 0.01 ? 1 : 0, decimal) });
    slider.setAttribute("aria-valuetext", said.textContent);
    body.replaceChildren(...carry(tested, prevalence).map((figure, k) => row(t(ROWS[k]!, { people }), figure, k < 2)));
  };
  show();
  const own = {
    n: tested.images.toLocaleString(currentLocale()),
    sensitivity: withRange(tested.sensitivity, tested.sensitivityInterval),
    specificity: withRange(tested.specificity, tested.specificityInterval),
  };
  return h("section", { class: "prevalence" },
    h("h3", { id: "prevalence-heading" }, t("prevalence.heading")),
    h("p", {}, t("prevalence.tested", own)),
    h("label", { for: "prevalence" }, t("prevalence.choose")), slider, said,
    h("table", { class: "figures", "aria-labelledby": "prevalence-heading" }, body),
    h("p", { class: "hint" }, t("prevalence.limit")),
  );
}

function withRange(share: number, [low, high]: [number, number]): string {
  return `${percent(share)} (${percent(low)} – ${percent(high)})`;
}

function row(name: string, { value, least, most }: Figure, share: boolean): HTMLElement {
  const show = (figure: number) => (share ? percent(figure, 1, decimal) : decimal(figure, 1));
  const range = [least, most].map(show).join(" – ");
  return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, unbroken(Number.isNaN(value) ? "–" : show(value)), h("small", {}, unbroken(range))));
}
