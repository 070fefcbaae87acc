/** The page's side of the judge: asks the worker, one question after the other. */
import { AppError, type ErrorCode } from "./app-error";
import type { Bundle } from "./bundle";
import type { Box, Pixels } from "./pixels";
import type { Answer } from "./triage";

/** Evidence for each class by place: `data[(class * rows + row) * columns + column]`. */
export interface Heatmap {
  rows: number;
  columns: number;
  data: Float32Array;
}

export interface Judgement extends Answer {
  /** What the adaptive crop kept; null for all of it. */
  box: Box | null;
  heatmap: Heatmap | null;
}

export type Request = { id: number; file: Uint8Array<ArrayBuffer> } | { id: number; photo: Pixels };
export type Reply = { id: number; value: Bundle | Judgement } | { id: number; error: ErrorCode };

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
    return this.ask((id) => ({ id, file }));
  }

  judge(photo: Pixels): Promise<Judgement> {
    return this.ask((id) => ({ id, photo }));
  }

  private ask<T>(question: (id: number) => Request): Promise<T> {
    const id = ++this.count;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage(question(id));
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
