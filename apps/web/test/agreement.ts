/** Reads questions from standard input, one JSON object a line, and answers as the app does. */
import { readFileSync } from "node:fs";
import { codeOf } from "../src/app-error";
import { describe } from "../src/model/bundle";
import { threadsFor } from "../src/model/device";
import { readMetadata, withoutDefault } from "../src/model/onnx-file";
import { carry } from "../src/model/prevalence";
import { predictionSets } from "../src/model/prediction-set";
import { allowed, answerCodes } from "../src/model/questions";
import { classWords } from "../src/model/taxonomy";
import { combine, decide } from "../src/model/triage";
import { type CropRule, findCrop } from "../src/photo/adaptive-crop";
import { changeOf } from "../src/photo/change";
import { balanceColours } from "../src/photo/colour-constancy";
import { judgePhoto } from "../src/photo/photo-quality";
import { cut, type Pixels } from "../src/photo/pixels";
import { BILINEAR, BOX, resize } from "../src/photo/resample";
import { findSpot } from "../src/photo/spot";
import { fraction, ofHundred, percent, toldApart } from "../src/texts/shares";

interface Picture { raw: string; width: number; height: number; size: number; rule: CropRule }

function answer(line: any): unknown {
  if ("onnx" in line) return Object.fromEntries(readMetadata(readFileSync(line.onnx)));
  if ("percent" in line) return line.percent.map((share: number) => percent(share, line.digits));
  if ("fraction" in line) return line.fraction.map((share: number) => fraction(share, line.digits));
  if ("device" in line) return threadsFor(line.device, line.isolated);
  if ("told_apart" in line) return line.told_apart.map((pair: number[]) => toldApart(pair));
  if ("of_hundred" in line) return line.of_hundred.map(ofHundred);
  if ("risks" in line) return line.risks.map((risk: number) => decide(risk, line.triage, { ok: line.ok }));
  if ("answers" in line) return combine(line.answers, line.triage);
  if ("lesions" in line) {
    const { classes, setRules } = bundleOf(line.bundle);
    const sets = (photos: number[][], k: number) => predictionSets(classes, photos, setRules, line.alone?.[k]);
    return line.lesions.map((photos: number[][], k: number) => sets(photos, k).map((set) => set.classes));
  }
  if ("told" in line) {
    const { questions } = bundleOf(line.bundle);
    return line.told.map((given: Record<string, string>) => {
      const answers = allowed(questions, given);
      return { answers, codes: [...answerCodes(questions, answers)] };
    });
  }
  if ("optional" in line) return Buffer.from(withoutDefault(readFileSync(line.optional), line.input)).toString("base64");
  if ("words" in line) return bundleOf(line.words).taxonomy.map((each) => classWords(each, line.language));
  if ("bundle" in line) return described(line.bundle);
  if ("prevalences" in line) return line.prevalences.map((prevalence: number) => carry(line.tested, prevalence));
  if ("over_time" in line) return overTime(line.over_time.map(pixelsOf));
  if ("colours" in line) return Buffer.from(balanceColours(pixelsOf(line), line.colours).data).toString("base64");
  return picture(line);
}

/** The change between two pictures, null where the spot was not found on both; and what was found on each. */
function overTime(pictures: Pixels[]): unknown {
  const [before, after] = pictures.map(findSpot);
  const spots = [before, after].map((spot) => spot && (({ relief, ...rest }) => rest)(spot));
  return { change: before && after ? changeOf(before, after) : null, spots };
}

function bundleOf(metadata: Record<string, string>) {
  return describe(new Map(Object.entries(metadata)), "");
}

function described(metadata: Record<string, string>): unknown {
  try {
    return bundleOf(metadata);
  } catch (error) {
    return codeOf(error);
  }
}

function pixelsOf({ raw, width, height }: { raw: string; width: number; height: number }): Pixels {
  return { width, height, data: new Uint8Array(readFileSync(raw)) };
}

function picture({ size, rule, ...raw }: Picture): unknown {
  const photo = pixelsOf(raw);
  const box = findCrop(photo, rule);
  const part = box === null ? photo : cut(photo, box);
  const resized = resize(part, size, size, BILINEAR).data;
  const averaged = resize(part, size, size, BOX).data; // right after, from the same picture to the same width
  const [linear, average] = [resized, averaged].map((data) => Buffer.from(data).toString("base64"));
  return { box, quality: judgePhoto(part, box !== null), resized: linear, averaged: average };
}

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
