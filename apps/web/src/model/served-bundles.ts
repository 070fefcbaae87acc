/** The bundles that lie beside the app: which there are, and their bytes. */
import { AppError } from "../app-error";
import facts from "../facts.json";

const { MODEL, MODELS, MODEL_NAME } = facts.service;

export interface ServedBundle {
  name: string;
  file: string;
}

const ALONE: ServedBundle[] = [{ name: "model", file: MODEL }];
const NAMED_FILE = new RegExp(`^model-${MODEL_NAME}\\.onnx$`);

/** The server's default first; one where no list lies beside the app. */
export async function listBundles(): Promise<ServedBundle[]> {
  try {
    const answer = await fetch(MODELS, { cache: "no-cache" });
    const listed: ServedBundle[] = answer.ok ? await answer.json() : ALONE;
    return listed.length > 0 && listed.every(isServed) ? listed : ALONE;
  } catch {
    return ALONE;
  }
}

function isServed({ name, file }: ServedBundle): boolean {
  return typeof name === "string" && (file === MODEL || NAMED_FILE.test(file));
}

/** @throws AppError where the bundle cannot be had. */
export async function fetchBundle(file: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const answer = await fetch(file, { cache: "no-cache" });
    if (!answer.ok) throw new Error();
    return new Uint8Array(await answer.arrayBuffer());
  } catch {
    throw new AppError("fetch");
  }
}
