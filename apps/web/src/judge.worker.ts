/** The judge, away from the page so that it never stutters: pixels, crop, quality, resize, ONNX Runtime. */
import * as ort from "onnxruntime-web/wasm";
import wasmModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { findCrop } from "./adaptive-crop";
import { AppError, codeOf } from "./app-error";
import { type Bundle, readBundle } from "./bundle";
import { toJpeg, toPixels } from "./canvas-pixels";
import type { Judgement, Question, Reply, Request } from "./judge";
import { judgePhoto } from "./photo-quality";
import { type Box, cut, type Pixels } from "./pixels";
import { BILINEAR, resize } from "./resample";

ort.env.wasm.wasmPaths = { mjs: new URL(wasmModule, self.location.href), wasm: new URL(wasmBinary, self.location.href) };
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
ort.env.logLevel = "error";

const NOVELTY = "novelty"; // an output of the graph
const UNLIKE = "unlike"; // the problem that it may turn out to be
const WARM_SIDE = 640; // of the picture that is judged first, in pixels
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
  if (!opened.inputNames.includes("image") || !opened.outputNames.includes("probabilities")) throw new AppError("bundle");
  [session, bundle] = [opened, described];
  return described;
}

/** A compiler's and a runtime's first time is slow: have it over before the first photograph comes. */
async function warmUp(): Promise<void> {
  const data = new Uint8Array(3 * WARM_SIDE ** 2).map((_, at) => 150 + (at % 61));
  const photo: Pixels = { width: WARM_SIDE, height: WARM_SIDE, data };
  await judge(photo, null).catch(() => undefined); // a network may have no answer to it
}

async function judge(photo: Pixels, frame: Box | null): Promise<Judgement> {
  if (!session || !bundle) throw new AppError("run");
  const start = performance.now();
  const { size, crop } = bundle.imageSpec;
  const chosen = frame === null ? photo : cut(photo, frame);
  const box = findCrop(chosen, crop);
  const part = box === null ? chosen : cut(chosen, box);
  const quality = judgePhoto(part, box !== null);
  const input = new ort.Tensor("uint8", resize(part, size, size, BILINEAR).data, [1, size, size, 3]);
  const wanted = ["probabilities", "risk", "heatmap", NOVELTY].filter((name) => session!.outputNames.includes(name));
  const answer = await session.run({ image: input }, wanted);
  const probabilities = [...(answer["probabilities"]!.data as Float32Array)];
  const sum = probabilities.reduce((a, b) => a + b, 0);
  if (probabilities.length !== bundle.classes.length || !(Math.abs(sum - 1) < 1e-3)) throw new AppError("run");
  const novelty = answer[NOVELTY] ? (answer[NOVELTY].data as Float32Array)[0]! : null;
  if (novelty !== null && bundle.noveltyThreshold !== null && novelty >= bundle.noveltyThreshold) {
    quality.ok = false;
    quality.problems = [...quality.problems, UNLIKE];
  }
  const stated = (answer["risk"]!.data as Float32Array)[0]!;
  if (!Number.isFinite(stated) || (novelty !== null && !Number.isFinite(novelty))) throw new AppError("run");
  const risk = Math.min(1, Math.max(0, stated));
  const seconds = (performance.now() - start) / 1000;
  return { probabilities, risk, quality, seconds, part: judgedPart(photo, frame, box), heatmap: heatmapOf(answer["heatmap"]) };
}

/** In the photograph's own pixels. */
function judgedPart({ width, height }: Pixels, frame: Box | null, box: Box | null): Box {
  const { left, top, right, bottom } = frame ?? { left: 0, top: 0, right: width, bottom: height };
  return box === null
    ? { left, top, right, bottom }
    : { left: left + box.left, top: top + box.top, right: left + box.right, bottom: top + box.bottom };
}

function heatmapOf(output: ort.Tensor | undefined): Judgement["heatmap"] {
  if (!output) return null;
  const [, , rows, columns] = output.dims;
  return { rows: rows!, columns: columns!, data: new Float32Array(output.data as Float32Array) };
}

/** @throws AppError for one that was forgotten. */
function kept(photo: number): Pixels {
  const pixels = photos.get(photo);
  if (!pixels) throw new AppError("run");
  return pixels;
}

async function answerTo(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "load": return load(question.file);
    case "keep": {
      const pixels = toPixels(question.bitmap);
      question.bitmap.close();
      return void photos.set(question.photo, pixels);
    }
    case "judge": return judge(kept(question.photo), question.frame);
    case "picture": {
      const whole = kept(question.photo);
      return toJpeg(question.part === null ? whole : cut(whole, question.part), question.longest);
    }
    case "forget": return void photos.delete(question.photo);
  }
}

async function reply(request: Request): Promise<void> {
  let said: Reply;
  try {
    said = { id: request.id, value: await answerTo(request) };
  } catch (error) {
    said = { id: request.id, error: codeOf(error) };
  }
  self.postMessage(said);
  if (request.ask === "load" && !("error" in said)) await warmUp();
}

let last: Promise<void> = Promise.resolve(); // one after the other: a session runs once at a time
self.onmessage = ({ data }: MessageEvent<Request>) => {
  last = last.then(() => reply(data));
};
