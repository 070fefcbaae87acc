/** The local history: photographs and answers in the browser's own database, on this device and nowhere else. */
import { AppError } from "./app-error";
import { amongTheEight, type LesionClass, readClass, toValues } from "./model/taxonomy";
import type { Level } from "./model/triage";

export interface Visit {
  id: string;
  /** The spot's name, as its owner calls it. */
  spot: string;
  /** ISO 8601. */
  date: string;
  picture: Blob;
  /** Code -> probability. */
  probabilities: Record<string, number>;
  /** What its classes are; in entries of before some of the eight, and not said. */
  classes?: LesionClass[];
  /** Null where nothing was said of which classes need a doctor. */
  risk: number | null;
  level: Level | null;
  /** The classes that could not be excluded, by each rule of the bundle; not in older entries. */
  sets?: SavedSet[];
  model: string;
  sha256: string;
}

/** As in the JSON of `hierattn predict`. */
export interface SavedSet {
  /** Codes, the most probable first. */
  classes: string[];
  /** The target coverage. */
  wished: number;
  /** As measured; null where it was not. */
  coverage: number | null;
}

const STORE = "visits";
const EXPORT_VERSION = 1;

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("hierattn", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new AppError("storage"));
  });
}

async function run<T>(mode: IDBTransactionMode, action: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open().catch(() => {
    throw new AppError("storage");
  });
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = action(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(new AppError("storage"));
    });
  } finally {
    database.close();
  }
}

/** All visits, the oldest first. */
export async function allVisits(): Promise<Visit[]> {
  const visits: Visit[] = await run("readonly", (store) => store.getAll());
  return visits.sort((a, b) => a.date.localeCompare(b.date));
}

export async function saveVisit(visit: Visit): Promise<void> {
  await run("readwrite", (store) => store.put(visit));
  await navigator.storage?.persist?.().catch(() => false); // else the browser may clear it
}

export function deleteVisit(id: string): Promise<unknown> {
  return run("readwrite", (store) => store.delete(id));
}

export function deleteAll(): Promise<unknown> {
  return run("readwrite", (store) => store.clear());
}

/** Everything as one JSON file, pictures included. */
export async function exportVisits(): Promise<Blob> {
  const visits = await Promise.all(
    (await allVisits()).map(async (visit) => ({
      ...visit, classes: classesOf(visit).map(toValues), picture: await toDataUrl(visit.picture),
    })),
  );
  return new Blob([JSON.stringify({ hierattn_history: EXPORT_VERSION, visits }, null, 1)], { type: "application/json" });
}

/** The inverse of {@link exportVisits}; returns how many came. @throws AppError for another file. */
export async function importVisits(file: Blob): Promise<number> {
  try {
    const { hierattn_history, visits } = JSON.parse(await file.text());
    if (hierattn_history !== EXPORT_VERSION) throw new Error();
    for (const visit of visits) {
      if (typeof visit.id !== "string" || Number.isNaN(Date.parse(visit.date))) throw new Error();
      const classes = visit.classes?.map(readClass) ?? amongTheEight(Object.keys(visit.probabilities));
      const codes = new Set<string>(classes.map(({ code }: LesionClass) => code));
      if (!Object.keys(visit.probabilities).every((code) => codes.has(code))) throw new Error();
      if (visit.sets !== undefined && !visit.sets.every((set: unknown) => isSavedSet(set, codes))) throw new Error();
      await saveVisit({ ...visit, classes, picture: fromDataUrl(visit.picture) });
    }
    return visits.length;
  } catch {
    throw new AppError("import");
  }
}

/** The classes of a visit. */
export function classesOf({ classes, probabilities }: Visit): LesionClass[] {
  return classes ?? amongTheEight(Object.keys(probabilities));
}

function isSavedSet(set: any, codes: Set<string>): set is SavedSet {
  const known = Array.isArray(set.classes) && set.classes.every((code: string) => codes.has(code));
  return known && typeof set.wished === "number";
}

function toDataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new AppError("storage"));
    reader.readAsDataURL(blob);
  });
}

function fromDataUrl(url: string): Blob {
  const [, kind, base64] = /^data:(image\/[a-z]+);base64,([A-Za-z0-9+/=]+)$/.exec(url)!;
  return new Blob([Uint8Array.from(atob(base64!), (letter) => letter.charCodeAt(0))], { type: kind! });
}
