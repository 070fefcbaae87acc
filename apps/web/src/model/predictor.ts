/** The page's side of the predictor: asks the worker, one question after the other. */
import { AppError, type ErrorCode } from "../app-error";
import type { Box } from "../photo/pixels";
import type { Bundle } from "./bundle";
import { threadsFor } from "./device";
import type { Change } from "../photo/change";
import type { Spot } from "../photo/spot";
import type { Answers } from "./questions";
import type { Answer } from "./triage";

/** Evidence for each class by place: `data[(class * rows + row) * columns + column]`. */
export interface Heatmap {
  rows: number;
  columns: number;
  data: Float32Array;
}

export interface Diagnosis extends Answer {
  /** The part of the photograph that the network saw: the frame, less a dark surround. */
  part: Box;
  heatmap: Heatmap | null;
}

/** Two pictures of a spot; null where the spot was not found on both. */
export type Compared = { spots: [Spot, Spot]; change: Change } | null;

/** What the worker is asked; `photo` is the number of a photograph that it holds. */
export type Question =
  | { ask: "load"; file: Uint8Array<ArrayBuffer>; threads: number }
  | { ask: "hold"; photo: number; bitmap: ImageBitmap }
  | { ask: "predict"; photo: number; frame: Box | null; answers: Answers }
  | { ask: "picture"; photo: number; part: Box | null; longest: number }
  | { ask: "forget"; photo: number }
  | { ask: "compare"; before: Blob; after: Blob };
export type Request = Question & { id: number };
/** With the bytes that the runtime holds by now. */
export type Reply = { id: number; memory: number } & ({ value: unknown } | { error: ErrorCode });

/** Of the runtime's memory, which never shrinks: so many times what it took for the first photograph. */
const MOST_GROWTH = 2;

export class Predictor {
  private worker = this.hire();
  private readonly waiting = new Map<number, { resolve(value: any): void; reject(error: AppError): void }>();
  private readonly held = new Set<number>();
  private file: Uint8Array<ArrayBuffer> | null = null;
  private count = 0;
  /** Whether the worker has read a photograph, and what its runtime held after the first. */
  private used = false;
  private usual: number | null = null;

  /** Load a bundle in place of the one before. */
  async load(file: Uint8Array<ArrayBuffer>): Promise<Bundle> {
    const threads = threadsFor(navigator, self.crossOriginIsolated);
    const bundle = await this.ask<Bundle>({ ask: "load", file, threads });
    [this.file, this.usual] = [file, null];
    return bundle;
  }

  /** Hand a photograph over: its pixels stay in the worker until they are forgotten. */
  hold(photo: number, bitmap: ImageBitmap): Promise<void> {
    this.held.add(photo);
    this.used = true;
    return this.ask({ ask: "hold", photo, bitmap }, [bitmap]);
  }

  /** The answer to what is inside the frame; null for the whole photograph. Other answers alone take the network's time. */
  predict(photo: number, frame: Box | null, answers: Answers): Promise<Diagnosis> {
    return this.ask({ ask: "predict", photo, frame, answers });
  }

  /** A JPEG of a part, of at most `longest` pixels a side. */
  picture(photo: number, part: Box | null, longest: number): Promise<Blob> {
    return this.ask({ ask: "picture", photo, part, longest });
  }

  /** The spot on two saved pictures, and how the second is turned against the first and what changed. */
  compare(before: Blob, after: Blob): Promise<Compared> {
    return this.ask({ ask: "compare", before, after });
  }

  /** Whether a photograph was given and not forgotten since. */
  holds(photo: number): boolean {
    return this.held.has(photo);
  }

  forgetAll(): void {
    for (const photo of [...this.held]) void this.forget(photo);
  }

  forget(photo: number): Promise<void> {
    this.held.delete(photo);
    return this.ask({ ask: "forget", photo });
  }

  private ask<T>(question: Question, transferred: Transferable[] = []): Promise<T> {
    const id = ++this.count;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...question, id } satisfies Request, transferred);
    });
  }

  private hire(): Worker {
    const worker = new Worker(new URL("./predictor.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const question = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) question?.reject(new AppError(data.error));
      else question?.resolve(data.value);
      this.watch(data.memory);
    };
    worker.onerror = () => {
      for (const question of this.waiting.values()) question.reject(new AppError("run"));
      this.waiting.clear();
    };
    return worker;
  }

  /** Between two spots, where the runtime has grown: a fresh worker takes the bundle, and the old one's memory goes. */
  private watch(memory: number): void {
    document.documentElement.dataset["runtimeBytes"] = String(memory); // for benchmarks/browser_soak.py
    if (!this.file || !this.used || this.held.size > 0 || this.waiting.size > 0) return;
    this.usual ??= memory;
    if (memory <= MOST_GROWTH * this.usual) return;
    this.worker.terminate();
    this.worker = this.hire();
    this.used = false;
    void this.load(this.file).catch(() => undefined); // who asks next hears of it
  }
}
