/** Reads raw pictures named on standard input, one JSON object a line, and says what the app makes of each. */
import { readFileSync } from "node:fs";
import { type CropRule, findCrop } from "../src/adaptive-crop";
import { readMetadata } from "../src/onnx-metadata";
import { judgePhoto } from "../src/photo-quality";
import { cut } from "../src/pixels";
import { BILINEAR, resize } from "../src/resample";
import { combine, decide, percent } from "../src/triage";

interface Picture { raw: string; width: number; height: number; size: number; rule: CropRule }

function answer(line: any): unknown {
  if ("onnx" in line) return Object.fromEntries(readMetadata(readFileSync(line.onnx)));
  if ("percent" in line) return line.percent.map(percent);
  if ("risks" in line) return line.risks.map((risk: number) => decide(risk, line.triage, { ok: line.ok }));
  if ("answers" in line) return combine(line.answers, line.triage);
  return picture(line);
}

function picture({ raw, width, height, size, rule }: Picture): unknown {
  const photo = { width, height, data: new Uint8Array(readFileSync(raw)) };
  const box = findCrop(photo, rule);
  const part = box === null ? photo : cut(photo, box);
  const resized = resize(part, size, size, BILINEAR).data;
  return { box, quality: judgePhoto(part, box !== null), resized: Buffer.from(resized).toString("base64") };
}

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
