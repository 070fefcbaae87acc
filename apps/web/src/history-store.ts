/** The local history: photographs and answers in the browser's own database, on this device and nowhere else. */
import { AppError } from "./app-error";
import facts from "./facts.json";
import { allowed, type Answers, type Question, readQuestions } from "./model/questions";
import { amongTheEight, type LesionClass, readClass, toValues } from "./model/taxonomy";
import type { Level } from "./model/triage";

/** What was said of one spot at one visit. */
interface Said {
  /** Code -> probability. */
  probabilities: Record<string, number>;
  /** Null where nothing was said of which classes need a doctor. */
  risk: number | null;
  level: Level | null;
}

export interface Visit extends Said {
  id: string;
  /** The spot's name, as its owner calls it. */
  spot: string;
  /** ISO 8601. */
  date: string;
  picture: Blob;
  /** The picture's longer side in that of the whole photograph, from which it was cropped by hand; not in older entries. */
  field?: number;
  /** The picture's width in mm, where its owner knows it. */
  width?: number;
  /** What its classes are; in entries of before some of the eight, and not said. */
  classes?: LesionClass[];
  /** Only where a question was answered. */
  asked?: Asked;
  /** The classes that could not be excluded, by each rule of the bundle; not in older entries. */
  sets?: SavedSet[];
  model: string;
  sha256: string;
}

/** The questions that were answered, the answers, and what the photographs alone said. */
export interface Asked {
  questions: Question[];
  answers: Answers;
  alone: Said;
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
    const read: Visit[] = visits.map(readVisit);
    for (const visit of read) await saveVisit(visit); // once all are known to be sound
    return read.length;
  } catch (error) {
    throw error instanceof AppError ? error : new AppError("import");
  }
}

/** @throws Error for what is no visit. */
function readVisit(visit: any): Visit {
  const texts = [visit.id, visit.spot, visit.date, visit.model, visit.sha256];
  if (!texts.every((text) => typeof text === "string")) throw new Error("no visit");
  if (Number.isNaN(Date.parse(visit.date))) throw new Error("no date");
  const classes: LesionClass[] = visit.classes?.map(readClass) ?? amongTheEight(Object.keys(visit.probabilities));
  const codes = new Set(classes.map(({ code }) => code));
  if (!isSaid(visit, codes)) throw new Error("no answer");
  if (visit.sets !== undefined && !visit.sets.every((set: unknown) => isSavedSet(set, codes))) throw new Error("no set");
  if ([visit.field, visit.width].some((length) => length !== undefined && !(length > 0 && Number.isFinite(length)))) throw new Error("no length");
  const asked = visit.asked === undefined ? {} : { asked: readAsked(visit.asked, codes) };
  return { ...visit, ...asked, classes, picture: fromDataUrl(visit.picture) };
}

function readAsked({ questions: asked, answers, alone }: any, codes: Set<string>): Asked {
  const questions = readQuestions(asked);
  const given = Object.entries(answers), kept = allowed(questions, answers);
  if (given.length !== questions.length || !given.every(([name, value]) => kept[name] === value)) throw new Error("no answer to a question");
  if (!isSaid(alone, codes)) throw new Error("no answer");
  return { questions, answers: kept, alone };
}

function isSaid({ probabilities, risk, level }: any, codes: Set<string>): boolean {
  const shares = [...Object.values(probabilities), ...(risk === null ? [] : [risk])];
  const known = Object.keys(probabilities).every((code) => codes.has(code)) && (level === null || level in facts.triage.URGENCY);
  return known && shares.every((share) => typeof share === "number" && share >= 0 && share <= 1);
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
