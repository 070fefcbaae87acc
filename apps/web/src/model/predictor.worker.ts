/** The predictor, away from the page so that it never stutters: pixels, crop, quality, colours, resize, ONNX Runtime. */
import * as ort from "onnxruntime-web/wasm";
import wasmModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { AppError, codeOf } from "../app-error";
import facts from "../facts.json";
import { findCrop } from "../photo/adaptive-crop";
import { toJpeg, toPixels } from "../photo/canvas-pixels";
import { changeOf } from "../photo/change";
import { balanceColours } from "../photo/colour-constancy";
import { readPhoto } from "../photo/photo-file";
import { judgePhoto, type Quality, withNovelty } from "../photo/photo-quality";
import { type Box, cut, type Pixels } from "../photo/pixels";
import { BILINEAR, resize } from "../photo/resample";
import { findSpot } from "../photo/spot";
import { type Bundle, readBundle } from "./bundle";
import { withoutDefault } from "./onnx-file";
import type { Compared, Diagnosis, Question, Reply, Request } from "./predictor";
import { type Answers, answerCodes } from "./questions";
import type { Numbers } from "./triage";

const { SLACK } = facts.prediction;
const { INPUT, ANSWERS, PROBABILITIES, RISK, HEATMAP, NOVELTY, PHOTO_PROBABILITIES, PHOTO_RISK } = facts.bundle;
const WARM_UP_SIDE = 640; // of the picture that is predicted first, in pixels

ort.env.wasm.wasmPaths = { mjs: new URL(wasmModule, self.location.href), wasm: new URL(wasmBinary, self.location.href) };
ort.env.logLevel = "error";
const runtimeMemory = watchMemory();

/** What comes before the network. */
interface Prepared {
  frame: Box | null;
  pixels: Uint8Array;
  quality: Quality;
  /** The part of the photograph that the network sees. */
  part: Box;
}

const photos = new Map<number, Pixels>();
/** Of each photograph its last frame: with other answers the network alone runs again. */
const prepared = new Map<number, Prepared>();
let session: ort.InferenceSession | null = null;
let bundle: Bundle | null = null;

/** Open a bundle, then let go of the one before. `threads` count at the first: a runtime keeps those it started with. */
async function load(file: Uint8Array<ArrayBuffer>, threads: number): Promise<Bundle> {
  const described = await readBundle(file);
  ort.env.wasm.numThreads = threads;
  let opened: ort.InferenceSession;
  try {
    opened = await ort.InferenceSession.create(withoutDefault(file, ANSWERS), { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  } catch {
    throw new AppError("bundle");
  }
  const fits = fitting(opened, described);
  const other = fits ? session : opened; // the runtime keeps what nobody releases
  if (fits) [session, bundle] = [opened, described];
  await other?.release();
  if (!fits) throw new AppError("bundle");
  prepared.clear();
  return described;
}

/** Whether the graph takes and gives what its description says. */
function fitting({ inputNames, outputNames }: ort.InferenceSession, { questions }: Bundle): boolean {
  const asks = questions.length > 0;
  const outputs = [PROBABILITIES, RISK, ...(asks ? [PHOTO_PROBABILITIES, PHOTO_RISK] : [])];
  return inputNames.join() === [INPUT, ...(asks ? [ANSWERS] : [])].join() && outputs.every((name) => outputNames.includes(name));
}

/** A compiler's and a runtime's first time is slow: have it over before the first photograph comes. */
async function warmUp(): Promise<void> {
  const data = new Uint8Array(3 * WARM_UP_SIDE ** 2).map((_, at) => 150 + (at % 61));
  const photo: Pixels = { width: WARM_UP_SIDE, height: WARM_UP_SIDE, data };
  await predict(prepare(photo, null), {}).catch(() => undefined); // a network may have no answer to it
}

function prepare(photo: Pixels, frame: Box | null): Prepared {
  const { size, crop, colourConstancy } = loaded().bundle.imageSpec;
  const framed = frame === null ? photo : cut(photo, frame);
  const box = findCrop(framed, crop);
  const part = box === null ? framed : cut(framed, box);
  const quality = judgePhoto(part, box !== null); // of what the camera saw
  const balanced = balanceColours(part, colourConstancy);
  return { frame, pixels: resize(balanced, size, size, BILINEAR).data, quality, part: partOf(photo, frame, box) };
}

/** As {@link prepare}, of a photograph that is held. */
function preparedOf(photo: number, frame: Box | null): Prepared {
  const before = prepared.get(photo);
  if (before && JSON.stringify(before.frame) === JSON.stringify(frame)) return before;
  const fresh = prepare(pixelsOf(photo), frame);
  prepared.set(photo, fresh);
  return fresh;
}

async function predict({ pixels, quality, part }: Prepared, answers: Answers): Promise<Omit<Diagnosis, "seconds">> {
  const { session, bundle } = loaded();
  const { imageSpec: { size }, noveltyThreshold: threshold } = bundle;
  const codes = answerCodes(bundle.questions, answers);
  const feeds = {
    [INPUT]: new ort.Tensor("uint8", pixels, [1, size, size, 3]),
    ...(codes.length > 0 ? { [ANSWERS]: new ort.Tensor("float32", codes, [1, codes.length]) } : {}),
  };
  const wanted = [PROBABILITIES, RISK, HEATMAP, NOVELTY, ...(codes.some(Boolean) ? [PHOTO_PROBABILITIES, PHOTO_RISK] : [])];
  const answer = await session.run(feeds, wanted.filter((name) => session.outputNames.includes(name)));
  const novelty = answer[NOVELTY] ? finite(answer[NOVELTY]) : null;
  return {
    ...numbers(answer, PROBABILITIES, RISK, bundle),
    alone: answer[PHOTO_PROBABILITIES] ? numbers(answer, PHOTO_PROBABILITIES, PHOTO_RISK, bundle) : null,
    quality: novelty === null || threshold === null ? quality : withNovelty(quality, novelty, threshold),
    part,
    heatmap: heatmapOf(answer[HEATMAP]),
  };
}

/** @throws AppError where there is no bundle. */
function loaded(): { session: ort.InferenceSession; bundle: Bundle } {
  if (!session || !bundle) throw new AppError("run");
  return { session, bundle };
}

/** Of two outputs. @throws AppError where a damaged graph gave what is no probability or no number. */
function numbers(answer: ort.InferenceSession.OnnxValueMapType, ofClasses: string, ofRisk: string, { classes, triage }: Bundle): Numbers {
  const probabilities = [...(answer[ofClasses]!.data as Float32Array)];
  const sum = probabilities.reduce((a, b) => a + b, 0);
  if (probabilities.length !== classes.length || !(Math.abs(sum - 1) < SLACK)) throw new AppError("run");
  const risk = finite(answer[ofRisk]!);
  return { probabilities, risk: triage.group.length > 0 ? Math.min(1, Math.max(0, risk)) : null };
}

/** The first value. @throws AppError where it is no number. */
function finite(output: ort.Tensor): number {
  const value = (output.data as Float32Array)[0]!;
  if (!Number.isFinite(value)) throw new AppError("run");
  return value;
}

/** What the network saw, in the photograph's own pixels. */
function partOf({ width, height }: Pixels, frame: Box | null, box: Box | null): Box {
  const { left, top, right, bottom } = frame ?? { left: 0, top: 0, right: width, bottom: height };
  return box === null
    ? { left, top, right, bottom }
    : { left: left + box.left, top: top + box.top, right: left + box.right, bottom: top + box.bottom };
}

function heatmapOf(output: ort.Tensor | undefined): Diagnosis["heatmap"] {
  if (!output) return null;
  const [, , rows, columns] = output.dims;
  return { rows: rows!, columns: columns!, data: new Float32Array(output.data as Float32Array) };
}

/** @throws AppError for one that was forgotten. */
function pixelsOf(photo: number): Pixels {
  const pixels = photos.get(photo);
  if (!pixels) throw new AppError("run");
  return pixels;
}

async function compare(...files: [Blob, Blob]): Promise<Compared> {
  const [before, after] = await Promise.all(files.map(async (file) => {
    const bitmap = await readPhoto(file);
    const pixels = toPixels(bitmap);
    bitmap.close();
    return findSpot(pixels);
  }));
  return before && after ? { spots: [before, after], change: changeOf(before, after) } : null;
}

async function answerTo(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "load": return load(question.file, question.threads);
    case "hold": {
      try {
        return void photos.set(question.photo, toPixels(question.bitmap));
      } finally {
        question.bitmap.close();
      }
    }
    case "predict": {
      const start = performance.now();
      const diagnosis = await predict(preparedOf(question.photo, question.frame), question.answers);
      return { ...diagnosis, seconds: (performance.now() - start) / 1000 } satisfies Diagnosis;
    }
    case "picture": {
      const whole = pixelsOf(question.photo);
      return toJpeg(question.part === null ? whole : cut(whole, question.part), question.longest);
    }
    case "compare": return compare(question.before, question.after);
    case "forget": {
      prepared.delete(question.photo);
      return void photos.delete(question.photo);
    }
  }
}

async function reply(request: Request): Promise<void> {
  let answer: Reply;
  try {
    answer = { id: request.id, value: await answerTo(request), memory: runtimeMemory() };
  } catch (error) {
    answer = { id: request.id, error: codeOf(error), memory: runtimeMemory() };
  }
  self.postMessage(answer);
  if (request.ask === "load" && !("error" in answer)) await warmUp();
}

/** Tells how many bytes the runtime holds. It keeps its memory to itself, so that the making of it is watched. */
function watchMemory(): () => number {
  let latest: WebAssembly.Memory | null = null;
  WebAssembly.Memory = class extends WebAssembly.Memory {
    constructor(described: WebAssembly.MemoryDescriptor) {
      super(described);
      if (described.initial > 0) latest = this; // none: to learn what the browser can do
    }
  };
  return () => latest?.buffer.byteLength ?? 0;
}

let last: Promise<void> = Promise.resolve(); // one after the other: a session runs once at a time
self.onmessage = ({ data }: MessageEvent<Request>) => {
  last = last.then(() => reply(data)).catch(() => undefined); // a failed warming up keeps nobody waiting
};
