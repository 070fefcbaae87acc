/** The judge, away from the page so that it never stutters: crop, quality, resize, ONNX Runtime. */
import * as ort from "onnxruntime-web/wasm";
import wasmModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { findCrop } from "./adaptive-crop";
import { AppError, codeOf } from "./app-error";
import { type Bundle, readBundle } from "./bundle";
import type { Judgement, Request, Reply } from "./judge";
import { judgePhoto } from "./photo-quality";
import { cut, type Pixels } from "./pixels";
import { BILINEAR, resize } from "./resample";

ort.env.wasm.wasmPaths = { mjs: new URL(wasmModule, self.location.href), wasm: new URL(wasmBinary, self.location.href) };
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
ort.env.logLevel = "error";

const NOVELTY = "novelty"; // an output of the graph
const UNLIKE = "unlike"; // the problem that it may turn out to be
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

async function judge(photo: Pixels): Promise<Judgement> {
  if (!session || !bundle) throw new AppError("run");
  const start = performance.now();
  const { size, crop } = bundle.imageSpec;
  const box = findCrop(photo, crop);
  const part = box === null ? photo : cut(photo, box);
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
  return { probabilities, risk, quality, seconds, box, heatmap: heatmapOf(answer["heatmap"]) };
}

function heatmapOf(output: ort.Tensor | undefined): Judgement["heatmap"] {
  if (!output) return null;
  const [, , rows, columns] = output.dims;
  return { rows: rows!, columns: columns!, data: new Float32Array(output.data as Float32Array) };
}

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  let reply: Reply;
  try {
    reply = { id: data.id, value: "file" in data ? await load(data.file) : await judge(data.photo) };
  } catch (error) {
    reply = { id: data.id, error: codeOf(error) };
  }
  self.postMessage(reply);
};
