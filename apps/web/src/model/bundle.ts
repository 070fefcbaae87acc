/** What a bundle says of itself, checked: the one place that knows its keys, as `hierattn.bundle.bundle` is in Python. */
import { AppError } from "../app-error";
import facts from "../facts.json";
import type { CropRule } from "../photo/adaptive-crop";
import type { ColourConstancy } from "../photo/colour-constancy";
import { readMetadata } from "./onnx-file";
import type { SetRule } from "./prediction-set";
import type { Tested } from "./prevalence";
import { type Question, readQuestions } from "./questions";
import { amongTheEight, type LesionClass, readTaxonomy, toValues } from "./taxonomy";

export interface Triage {
  /** The classes that a doctor must see; none where nothing is said of that: then there is no risk and no advice. */
  group: string[];
  threshold: number | null;
  sensitivity: number | null;
  interval: [number, number] | null;
  images: number;
}

export interface Bundle {
  model: { name: string; parameters: number };
  /** Codes, in the order of the probabilities. */
  classes: string[];
  /** What they are, in the same order. */
  taxonomy: LesionClass[];
  /** What may be asked, in the order of the second input; none where the photograph alone is read. */
  questions: Question[];
  imageSpec: { size: number; crop: CropRule; colourConstancy: ColourConstancy };
  triage: Triage;
  /** Whether its temperature was fitted. */
  calibrated: boolean;
  /** Of the advice on the outer fold; null where it was not measured. */
  tested: Tested | null;
  setRules: SetRule[];
  noveltyThreshold: number | null;
  trainingData: { source: string; licence: string; images: number; rendered: boolean };
  metrics: Record<string, Metric>;
  commit: string;
  intendedUse: string;
  /** Of the file; empty where the browser computes none. */
  sha256: string;
}

export interface Metric {
  value: number;
  interval: [number, number] | null;
}

type Values = Record<string, any>;

/** @throws AppError where the file is no bundle that this app can read. */
export async function readBundle(file: Uint8Array<ArrayBuffer>): Promise<Bundle> {
  if (file.length > facts.bundle.MAX_BYTES) throw new AppError("bundle");
  let metadata: Map<string, string>;
  try {
    metadata = readMetadata(file);
  } catch {
    throw new AppError("bundle");
  }
  return describe(metadata, await sha256(file));
}

/** @throws AppError where the metadata are not ours, damaged or of a newer format. */
export function describe(metadata: Map<string, string>, digest: string): Bundle {
  try {
    return checked(currentFormat(parse(metadata)), digest);
  } catch (error) {
    throw error instanceof AppError ? error : new AppError("bundle");
  }
}

function parse(metadata: Map<string, string>): Values {
  const { PREFIX } = facts.bundle;
  const ours = [...metadata].filter(([key]) => key.startsWith(PREFIX));
  return Object.fromEntries(ours.map(([key, text]) => [key.slice(PREFIX.length), JSON.parse(text)]));
}

/** The values under the keys of the newest format, of whichever format they are. @throws AppError for a newer one. */
function currentFormat(values: Values): Values {
  const version = values["format_version"];
  if (!(version >= 1)) throw new AppError("bundle");
  if (version > facts.bundle.FORMAT_VERSION) throw new AppError("newer");
  if (version > 2) return values;
  const taxonomy = { classes: amongTheEight(values["classes"].map(({ code }: Values) => code)).map(toValues) };
  if (version > 1) return { ...values, taxonomy };
  const rules = ((values["prediction_sets"] ?? []) as Values[]).map(({ wished, ...rule }) => ({ target: wished, ...rule }));
  return { ...values, taxonomy, prediction_sets: rules };
}

function checked(values: Values, digest: string): Bundle {
  const classes: string[] = values["classes"].map(({ code }: Values) => code);
  const taxonomy = readTaxonomy(values["taxonomy"]);
  if (taxonomy.map(({ code }) => code).join() !== classes.join()) throw new Error("classes that are not the taxonomy's");
  if (!values["triage"].group.every((code: string) => classes.includes(code))) throw new Error("a group of other classes");
  const data = values["training_data"] ?? {};
  return {
    model: values["model"],
    classes,
    taxonomy,
    questions: readQuestions(values["taxonomy"].questions),
    imageSpec: readImageSpec(values["image_spec"]),
    triage: readTriage(values["triage"]),
    calibrated: Object.keys(values["calibration"] ?? {}).length > 0,
    tested: values["triage"].group.length > 0 ? optional(values["calibration"]?.test, readTested) : null,
    setRules: readSetRules(values["prediction_sets"]),
    noveltyThreshold: values["novelty"]?.threshold ?? null,
    trainingData: {
      source: data.source || "?",
      licence: data.licence || "?",
      images: data.images ?? 0,
      rendered: /synthetic|rendered/i.test(`${data.source} ${data.licence}`),
    },
    metrics: readMetrics(values["metrics"]),
    commit: values["provenance"]?.commit || "?",
    intendedUse: String(values["intended_use"] ?? ""),
    sha256: digest,
  };
}

function readImageSpec({ size, crop, hair_removal: hair, colour_constancy: colour }: Values): Bundle["imageSpec"] {
  if (hair) throw new AppError("cleaning"); // done in Python alone
  const { MIN_SIZE, MAX_SIZE, CROP_RULES } = facts.image;
  if (!(size >= MIN_SIZE && size <= MAX_SIZE)) throw new Error(`image size ${size}`);
  if (!CROP_RULES.includes(crop)) throw new Error(`crop rule ${crop}`);
  const colourConstancy = colour ?? "none";
  if (colourConstancy !== "none" && !Object.hasOwn(facts.colour_constancy.ORDERS, colourConstancy)) throw new Error(`colour constancy ${colour}`);
  return { size, crop, colourConstancy };
}

function readTriage({ group, threshold, sensitivity, interval, images }: Values): Triage {
  return {
    group: [...group],
    threshold: optional(threshold, share),
    sensitivity: optional(sensitivity, share),
    interval: optional(interval, pair),
    images: images ?? 0,
  };
}

/** Null where one of the two was not measured, or has no interval. */
function readTested(test: unknown): Tested | null {
  const { sensitivity, specificity, interval, specificity_interval: spared, images } = test as Values;
  if ([sensitivity, specificity, interval, spared].some((value) => value == null)) return null;
  return {
    sensitivity: share(sensitivity), specificity: share(specificity),
    sensitivityInterval: pair(interval), specificityInterval: pair(spared), images: Number(images ?? 0),
  };
}

function readSetRules(rules: Values[] | undefined): SetRule[] {
  return (rules ?? []).map((rule) => ({
    target: share(rule["target"]),
    threshold: share(rule["threshold"]),
    coverage: optional(rule["coverage"], share),
    interval: optional(rule["interval"], pair),
    meanSize: optional(rule["mean_size"], Number),
  }));
}

function readMetrics(values: Record<string, Values>): Bundle["metrics"] {
  const measured = Object.entries(values ?? {}).filter(([, metric]) => typeof metric?.["value"] === "number");
  return Object.fromEntries(
    measured.map(([name, { value, interval }]) => [name, { value, interval: interval ?? null } as Metric]),
  );
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value == null ? null : read(value);
}

function pair(values: unknown): [number, number] {
  const [low, high] = values as unknown[];
  return [share(low), share(high)];
}

function share(value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) throw new Error(`${value} is no share`);
  return value;
}

async function sha256(file: Uint8Array<ArrayBuffer>): Promise<string> {
  if (!globalThis.crypto?.subtle) return ""; // only in secure contexts: https, or localhost
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", file));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
