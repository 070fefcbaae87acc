/** How classes are shown: in the visitor's words, with their colours, and the long rest of many folded away. */
import { h } from "../dom";
import { classWords, isBuiltIn, type LesionClass } from "../model/taxonomy";
import { advice, currentLanguage, t } from "../texts/texts";

/** So many are shown at once; more are folded away. */
const SHOWN = 8;

/** What the visitor reads for a class. */
export function wordsOf(each: LesionClass): string {
  return classWords(each, currentLanguage());
}

/** The same, with the clinical name after words for patients that are the bundle's own. */
export function wordsAndName(each: LesionClass): (Node | string)[] {
  const words = wordsOf(each);
  return !isBuiltIn(each) && words !== each.name ? [words, h("small", {}, ` (${each.name})`)] : [words];
}

/** A class's colour, on whichever page. */
export function colourOf({ colour, colourDark }: LesionClass): string {
  return `light-dark(${colour}, ${colourDark})`;
}

/** Lesion types with their colours in the table of probabilities; the first few, and the others folded away. */
export function typeList(classes: LesionClass[]): HTMLElement {
  const list = (some: LesionClass[]) => h("ul", { class: "types" }, ...some.map((each) => {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colourOf(each);
    return h("li", {}, swatch, wordsOf(each));
  }));
  const [first, rest] = topOf(classes);
  if (rest.length === 0) return list(first);
  return h("div", {}, list(first), folded(t("types.more", { n: rest.length }), list(rest)));
}

/** What opens by a click. */
export function folded(summary: string, ...content: Node[]): HTMLElement {
  return h("details", { class: "more" }, h("summary", {}, summary), ...content);
}

/** The first of a list, and the others; all where only one would be folded away. */
export function topOf<T>(ordered: T[]): [T[], T[]] {
  return ordered.length <= SHOWN + 1 ? [ordered, []] : [ordered.slice(0, SHOWN), ordered.slice(SHOWN)];
}

/** "92 other types, together". */
export function otherTypes(count: number): string {
  return advice("heading.rest", { count: String(count) });
}
