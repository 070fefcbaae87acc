/** The app's own words in the visitor's language; those of the advice come from Python by facts.json. */
import facts from "../facts.json";
import { chinese } from "./chinese";
import { english, type TextKey } from "./english";
import { portuguese } from "./portuguese";

export type { TextKey };
export type Language = keyof typeof facts.languages;
export const LANGUAGES = Object.keys(facts.languages) as Language[];

const TEXTS: Record<Language, Record<TextKey, string>> = { en: english, pt: portuguese, zh: chinese };
const STORED = "hierattn.language";

let language: Language = preferred();

function preferred(): Language {
  const candidates = [localStorage.getItem(STORED), ...navigator.languages].map((tag) => tag?.slice(0, 2));
  return (candidates.find((code) => code && code in TEXTS) ?? "en") as Language;
}

export function currentLanguage(): Language {
  return language;
}

/** For dates and numbers: the browser's own where it is of the language, British or American, say. */
export function currentLocale(): string {
  return navigator.languages.find((tag) => tag.slice(0, 2) === language) ?? language;
}

/** A number with as many digits after the comma or point. */
export function decimal(value: number, digits: number): string {
  return value.toLocaleString(currentLocale(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function setLanguage(code: Language): void {
  language = code;
  localStorage.setItem(STORED, code);
  document.documentElement.lang = facts.languages[code].tag;
  document.title = t("app.title");
}

/** One of the app's own texts, with `{names}` filled in. */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  return fill(TEXTS[language][key], values);
}

/** One of the advice's texts; empty where Python has none of that key. */
export function advice(key: string, values: Record<string, string> = {}): string {
  return fill((facts.texts[language] as Record<string, string>)[key] ?? "", values);
}

function fill(text: string, values: Record<string, string | number>): string {
  return unbroken(text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)));
}

/** With figures that stay on one line: "< 1 %". */
export function unbroken(text: string): string {
  return text.replace(/ %/g, "\u00a0%").replace(/([<>]) (?=\d)/g, "$1\u00a0");
}
