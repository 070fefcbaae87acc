/** What a bundle says of itself, checked: the same file that Python reads. */
import type { CropRule } from "./adaptive-crop";
import { AppError } from "./app-error";
import facts from "./facts.json";
import { readMetadata } from "./onnx-metadata";
import { readRules, type SetRule } from "./prediction-set";

export interface Triage {
  group: string[];
  threshold: number | null;
  sensitivity: number | null;
  interval: [number, number] | null;
  images: number;
}

export interface Bundle {
  model: { name: string; parameters: number };
  classes: { code: string; name: string }[];
  imageSpec: { size: number; crop: CropRule };
  temperature: number;
  triage: Triage;
  setRules: SetRule[];
  trainingData: Record<string, unknown>;
  metrics: Record<string, unknown>;
  provenance: Record<string, unknown>;
  noveltyThreshold: number | null;
  heatmap: string;
  intendedUse: string;
  sha256: string;
  bytes: number;
}

/** @throws AppError where the file is no bundle that this app can read. */
export async function readBundle(file: Uint8Array<ArrayBuffer>): Promise<Bundle> {
  if (file.length > facts.bundle.max_bytes) throw new AppError("bundle");
  let values: Record<string, any>;
  try {
    values = parse(readMetadata(file));
  } catch {
    throw new AppError("bundle");
  }
  if (!(values["format_version"] >= 1)) throw new AppError("bundle");
  if (values["format_version"] > facts.bundle.format_version) throw new AppError("newer");
  try {
    return checked(values, await sha256(file), file.length);
  } catch (error) {
    throw error instanceof AppError ? error : new AppError("bundle");
  }
}

function parse(metadata: Map<string, string>): Record<string, any> {
  const ours = [...metadata].filter(([key]) => key.startsWith("hierattn."));
  return Object.fromEntries(ours.map(([key, text]) => [key.slice("hierattn.".length), JSON.parse(text)]));
}

function checked(values: Record<string, any>, digest: string, bytes: number): Bundle {
  const classes: Bundle["classes"] = values["classes"];
  const { size, crop } = values["image_spec"];
  const { hair_removal: hair, colour_constancy: colour } = values["image_spec"];
  if (hair || (colour ?? "none") !== "none") throw new AppError("cleaning"); // done in Python alone
  const triage = values["triage"];
  const known = classes.every(({ code }) => code in facts.classes);
  if (!known || classes.length < 2 || !(size >= 32 && size <= 2048)) throw new Error();
  if (!["surround", "paper", "none"].includes(crop)) throw new Error();
  if (triage.threshold !== null && !(triage.threshold >= 0 && triage.threshold <= 1)) throw new Error();
  return {
    model: values["model"],
    classes,
    imageSpec: { size, crop },
    temperature: values["temperature"],
    triage: { ...triage, group: [...triage.group] },
    setRules: readRules(values["prediction_sets"]),
    trainingData: values["training_data"] ?? {},
    metrics: values["metrics"] ?? {},
    provenance: values["provenance"] ?? {},
    noveltyThreshold: values["novelty"]?.threshold ?? null,
    heatmap: values["heatmap"] ?? "",
    intendedUse: String(values["intended_use"] ?? ""),
    sha256: digest,
    bytes,
  };
}

async function sha256(file: Uint8Array<ArrayBuffer>): Promise<string> {
  if (!globalThis.crypto?.subtle) return ""; // only in secure contexts: https, or localhost
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", file));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
