/** The page's side of the judge: asks the worker, one question after the other. */
import { AppError, type ErrorCode } from "./app-error";
import type { Bundle } from "./bundle";
import type { Box } from "./pixels";
import type { Answer } from "./triage";

/** Evidence for each class by place: `data[(class * rows + row) * columns + column]`. */
export interface Heatmap {
  rows: number;
  columns: number;
  data: Float32Array;
}

export interface Judgement extends Answer {
  /** The part of the photograph that was judged: the frame, less a dark surround. */
  part: Box;
  heatmap: Heatmap | null;
}

/** What the worker is asked; `photo` is the name of a photograph that it keeps. */
export type Question =
  | { ask: "load"; file: Uint8Array<ArrayBuffer> }
  | { ask: "keep"; photo: number; bitmap: ImageBitmap }
  | { ask: "judge"; photo: number; frame: Box | null }
  | { ask: "picture"; photo: number; part: Box | null; longest: number }
  | { ask: "forget"; photo: number };
export type Request = Question & { id: number };
export type Reply = { id: number; value: unknown } | { id: number; error: ErrorCode };

export class Judge {
  private readonly worker = new Worker(new URL("./judge.worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, { resolve(value: any): void; reject(error: AppError): void }>();
  private count = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const asked = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) asked?.reject(new AppError(data.error));
      else asked?.resolve(data.value);
    };
    this.worker.onerror = () => {
      for (const asked of this.waiting.values()) asked.reject(new AppError("run"));
      this.waiting.clear();
    };
  }

  /** Load a bundle in place of the one before. */
  load(file: Uint8Array<ArrayBuffer>): Promise<Bundle> {
    return this.ask({ ask: "load", file });
  }

  /** Hand a photograph over: its pixels stay in the worker until they are forgotten. */
  keep(photo: number, bitmap: ImageBitmap): Promise<void> {
    return this.ask({ ask: "keep", photo, bitmap }, [bitmap]);
  }

  /** Judge what is inside the frame; null for all of it. */
  judge(photo: number, frame: Box | null): Promise<Judgement> {
    return this.ask({ ask: "judge", photo, frame });
  }

  /** A JPEG of a part, of at most `longest` pixels a side. */
  picture(photo: number, part: Box | null, longest: number): Promise<Blob> {
    return this.ask({ ask: "picture", photo, part, longest });
  }

  forget(photo: number): Promise<void> {
    return this.ask({ ask: "forget", photo });
  }

  private ask<T>(question: Question, handedOver: Transferable[] = []): Promise<T> {
    const id = ++this.count;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...question, id } satisfies Request, handedOver);
    });
  }
}

/** A bundle that lies beside the app. */
export interface Offer {
  name: string;
  file: string;
}

const ALONE: Offer[] = [{ name: "model", file: "model.onnx" }];
const FILE = /^model(-[a-z0-9-]{1,32})?\.onnx$/;

/** The bundles that are offered, the server's default first; one where no list lies beside the app. */
export async function fetchOffers(): Promise<Offer[]> {
  try {
    const answer = await fetch("models.json", { cache: "no-cache" });
    const offers: Offer[] = answer.ok ? await answer.json() : ALONE;
    return offers.length > 0 && offers.every(({ name, file }) => typeof name === "string" && FILE.test(file)) ? offers : ALONE;
  } catch {
    return ALONE;
  }
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
