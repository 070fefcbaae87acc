/** The classes of a bundle: `hierattn.taxonomy.records` in Python, and what a patient reads for them. */
import facts from "../facts.json";

export interface LesionClass {
  code: string;
  /** The clinical name. */
  name: string;
  /** Language tag -> a few words for patients. */
  plain: Record<string, string>;
  /** `#rrggbb` on a light and on a dark page. */
  colour: string;
  colourDark: string;
}

const COLOUR = new RegExp(`^(?:${facts.classes.COLOUR})$`);

/** The classes under a bundle's metadata, in order. @throws Error for what is no list of classes. */
export function readTaxonomy(values: any): LesionClass[] {
  const classes: LesionClass[] = values["classes"].map(readClass);
  const { FEWEST, MOST } = facts.classes;
  const codes = new Set(classes.map(({ code }) => code));
  if (codes.size < FEWEST || codes.size > MOST || codes.size < classes.length) throw new Error(`${classes.length} classes`);
  return classes;
}

/** @throws Error for what is no class. */
export function readClass({ code, name, plain, colour, colour_dark }: any): LesionClass {
  const words = Object.entries(plain ?? {});
  if (![code, name, ...words.flat()].every((text) => text && typeof text === "string")) throw new Error("no class");
  if (![colour, colour_dark].every((one) => COLOUR.test(one))) throw new Error(`the colours of ${code}`);
  return { code, name, plain: Object.fromEntries(words) as Record<string, string>, colour, colourDark: colour_dark };
}

/** The inverse of {@link readClass}. */
export function toValues({ colourDark: colour_dark, ...rest }: LesionClass): object {
  return { ...rest, colour_dark };
}

/** Classes by their codes alone, as bundles and histories of before have them. @throws Error for none of the eight. */
export function amongTheEight(codes: string[]): LesionClass[] {
  return codes.map((code) => readClass(facts.classes.EIGHT.find((each) => each.code === code)));
}

/** Whether it is of a built-in taxonomy, whose classes have words of ours. */
export function isBuiltIn({ code, name }: LesionClass): boolean {
  return (facts.classes.KNOWN as Record<string, string>)[code] === name;
}

/** What a class is called in a language: the rule of `hierattn.deploy.predict.advice_texts.class_name`. */
export function classWords(each: LesionClass, language: keyof typeof facts.texts): string {
  if (isBuiltIn(each)) return (facts.texts[language] as Record<string, string>)[`class.${each.code}`]!;
  const { name, plain } = each;
  return plain[language] ?? Object.entries(plain).find(([tag]) => tag.split("-")[0] === language)?.[1] ?? name;
}
