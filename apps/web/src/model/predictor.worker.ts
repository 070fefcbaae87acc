/** The predictor, away from the page so that it never stutters: pixels, crop, quality, resize, ONNX Runtime. */
import * as ort from "onnxruntime-web/wasm";
import wasmModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { AppError, codeOf } from "../app-error";
import facts from "../facts.json";
import { findCrop } from "../photo/adaptive-crop";
import { toJpeg, toPixels } from "../photo/canvas-pixels";
import { judgePhoto, withNovelty } from "../photo/photo-quality";
import { type Box, cut, type Pixels } from "../photo/pixels";
import { BILINEAR, resize } from "../photo/resample";
import { type Bundle, readBundle } from "./bundle";
import type { Diagnosis, Question, Reply, Request } from "./predictor";

const { MAX_THREADS, SLACK } = facts.prediction;
const { INPUT, PROBABILITIES, RISK, HEATMAP, NOVELTY } = facts.bundle;
const WARM_UP_SIDE = 640; // of the picture that is predicted first, in pixels

const cores = navigator.hardwareConcurrency || 1;
ort.env.wasm.wasmPaths = { mjs: new URL(wasmModule, self.location.href), wasm: new URL(wasmBinary, self.location.href) };
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MAX_THREADS, cores) : 1;
ort.env.logLevel = "error";

const photos = new Map<number, Pixels>();
let session: ort.InferenceSession | null = null;
let bundle: Bundle | null = null;

async function load(file: Uint8Array<ArrayBuffer>): Promise<Bundle> {
  const described = await readBundle(file);
  let opened: ort.InferenceSession;
  try {
    opened = await ort.InferenceSession.create(file, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  } catch {
    throw new AppError("bundle");
  }
  if (!opened.inputNames.includes(INPUT) || !opened.outputNames.includes(PROBABILITIES)) throw new AppError("bundle");
  [session, bundle] = [opened, described];
  return described;
}

/** A compiler's and a runtime's first time is slow: have it over before the first photograph comes. */
async function warmUp(): Promise<void> {
  const data = new Uint8Array(3 * WARM_UP_SIDE ** 2).map((_, at) => 150 + (at % 61));
  const photo: Pixels = { width: WARM_UP_SIDE, height: WARM_UP_SIDE, data };
  await predict(photo, null).catch(() => undefined); // a network may have no answer to it
}

async function predict(photo: Pixels, frame: Box | null): Promise<Diagnosis> {
  if (!session || !bundle) throw new AppError("run");
  const start = performance.now();
  const { size, crop } = bundle.imageSpec;
  const framed = frame === null ? photo : cut(photo, frame);
  const box = findCrop(framed, crop);
  const part = box === null ? framed : cut(framed, box);
  let quality = judgePhoto(part, box !== null);
  const input = new ort.Tensor("uint8", resize(part, size, size, BILINEAR).data, [1, size, size, 3]);
  const outputs = [PROBABILITIES, RISK, HEATMAP, NOVELTY].filter((name) => session!.outputNames.includes(name));
  const answer = await session.run({ [INPUT]: input }, outputs);
  const { probabilities, risk, novelty } = checked(answer, bundle);
  if (novelty !== null && bundle.noveltyThreshold !== null) {
    quality = withNovelty(quality, novelty, bundle.noveltyThreshold);
  }
  const seconds = (performance.now() - start) / 1000;
  return { probabilities, risk, quality, seconds, part: partOf(photo, frame, box), heatmap: heatmapOf(answer[HEATMAP]) };
}

/** @throws AppError where a damaged graph gave what is no probability or no number. */
function checked(answer: ort.InferenceSession.OnnxValueMapType, { classes, triage }: Bundle) {
  const probabilities = [...(answer[PROBABILITIES]!.data as Float32Array)];
  const sum = probabilities.reduce((a, b) => a + b, 0);
  const risk = (answer[RISK]!.data as Float32Array)[0]!;
  const novelty = answer[NOVELTY] ? (answer[NOVELTY].data as Float32Array)[0]! : null;
  if (probabilities.length !== classes.length || !(Math.abs(sum - 1) < SLACK)) throw new AppError("run");
  if (!Number.isFinite(risk) || (novelty !== null && !Number.isFinite(novelty))) throw new AppError("run");
  return { probabilities, risk: triage.group.length > 0 ? Math.min(1, Math.max(0, risk)) : null, novelty };
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

async function answerTo(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "load": return load(question.file);
    case "hold": {
      const pixels = toPixels(question.bitmap);
      question.bitmap.close();
      return void photos.set(question.photo, pixels);
    }
    case "predict": return predict(pixelsOf(question.photo), question.frame);
    case "picture": {
      const whole = pixelsOf(question.photo);
      return toJpeg(question.part === null ? whole : cut(whole, question.part), question.longest);
    }
    case "forget": return void photos.delete(question.photo);
  }
}

async function reply(request: Request): Promise<void> {
  let answer: Reply;
  try {
    answer = { id: request.id, value: await answerTo(request) };
  } catch (error) {
    answer = { id: request.id, error: codeOf(error) };
  }
  self.postMessage(answer);
  if (request.ask === "load" && !("error" in answer)) await warmUp();
}

let last: Promise<void> = Promise.resolve(); // one after the other: a session runs once at a time
self.onmessage = ({ data }: MessageEvent<Request>) => {
  last = last.then(() => reply(data));
};
