/** The page's side of the predictor: asks the worker, one question after the other. */
import { AppError, type ErrorCode } from "../app-error";
import type { Box } from "../photo/pixels";
import type { Bundle } from "./bundle";
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

/** What the worker is asked; `photo` is the number of a photograph that it holds. */
export type Question =
  | { ask: "load"; file: Uint8Array<ArrayBuffer> }
  | { ask: "hold"; photo: number; bitmap: ImageBitmap }
  | { ask: "predict"; photo: number; frame: Box | null; answers: Answers }
  | { ask: "picture"; photo: number; part: Box | null; longest: number }
  | { ask: "forget"; photo: number };
export type Request = Question & { id: number };
export type Reply = { id: number; value: unknown } | { id: number; error: ErrorCode };

export class Predictor {
  private readonly worker = new Worker(new URL("./predictor.worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, { resolve(value: any): void; reject(error: AppError): void }>();
  private count = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const question = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) question?.reject(new AppError(data.error));
      else question?.resolve(data.value);
    };
    this.worker.onerror = () => {
      for (const question of this.waiting.values()) question.reject(new AppError("run"));
      this.waiting.clear();
    };
  }

  /** Load a bundle in place of the one before. */
  load(file: Uint8Array<ArrayBuffer>): Promise<Bundle> {
    return this.ask({ ask: "load", file });
  }

  /** Hand a photograph over: its pixels stay in the worker until they are forgotten. */
  hold(photo: number, bitmap: ImageBitmap): Promise<void> {
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

  forget(photo: number): Promise<void> {
    return this.ask({ ask: "forget", photo });
  }

  private ask<T>(question: Question, transferred: Transferable[] = []): Promise<T> {
    const id = ++this.count;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...question, id } satisfies Request, transferred);
    });
  }
}
