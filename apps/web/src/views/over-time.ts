/**
 * Two photographs of one spot in one frame, and what changed beside what photographs of an unchanged spot show.
 *
 * Nothing here soothes: a change within the noise may be one all the same, and the words say so.
 */
import type { App } from "../app";
import { h } from "../dom";
import { saveVisit, type Visit } from "../history-store";
import { type Floor, type NoiseFloor, noiseFloor } from "../model/noise-floor";
import type { Compared } from "../model/predictor";
import { drawAligned, frameOf, type Placed } from "../photo/aligned-picture";
import { ofHundred } from "../texts/shares";
import { advice, decimal, t, unbroken } from "../texts/texts";

export type Pair = [before: Visit, after: Visit];

interface Measured {
  pair: Pair;
  compared: Compared;
  pictures: [ImageBitmap, ImageBitmap];
  /** The longer side of each picture in one unit, a millimetre where both widths are known; null where nothing is known. */
  lengths: [number, number] | null;
  scaled: boolean;
}

/** Compares two visits of one spot. @throws AppError where a picture cannot be read. */
export async function measureChange(app: App, pair: Pair): Promise<Measured> {
  const [compared, ...pictures] = await Promise.all([
    app.compare(pair[0].picture, pair[1].picture), ...pair.map(({ picture }) => createImageBitmap(picture)),
  ]);
  const scaled = pair.every(({ width }) => width !== undefined);
  const lengths = pair.map(({ field, width }, k) =>
    scaled ? (width! * Math.max(pictures[k]!.width, pictures[k]!.height)) / pictures[k]!.width : field);
  const known = lengths.every((length) => length !== undefined);
  return { pair, compared, pictures: pictures as [ImageBitmap, ImageBitmap], lengths: known ? (lengths as [number, number]) : null, scaled };
}

/** Both pictures turned alike and in one scale, for each one's figure; null where the spot was not found on both. */
export function alignedPictures({ compared, pictures, lengths }: Measured, names: [string, string]): { canvases: HTMLElement[]; stage: HTMLElement } | null {
  if (!compared) return null;
  const radii = compared.spots.map(({ area }) => Math.sqrt(area)) as [number, number];
  const [first, second] = lengths ?? [1, radii[0] / radii[1]]; // without a scale both spots are drawn as large
  const placed: Placed[] = [
    { picture: pictures[0], spot: compared.spots[0], angle: 0, length: first },
    { picture: pictures[1], spot: compared.spots[1], angle: compared.change.alignment.angle, length: second },
  ];
  const half = frameOf(placed);
  const canvas = (k: number, attributes = {}) => h("canvas", { role: "img", "aria-label": names[k]!, ...attributes });
  const canvases = [canvas(0), canvas(1)];
  const [under, over] = [canvas(0, { "aria-hidden": "true" }), canvas(1, { "aria-hidden": "true" })];
  const outlines = h("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const draw = () => [...canvases, under, over].forEach((one, k) => drawAligned(one, placed[k % 2]!, half, outlines.checked));
  draw();
  const slider = h("input", { type: "range", id: "over-slider", min: 0, max: 100, value: 50, oninput: () => slide() });
  const slide = () => {
    over.style.clipPath = `inset(0 0 0 ${100 - Number(slider.value)}%)`;
    slider.setAttribute("aria-valuetext", t("over.shown", { n: slider.value }));
  };
  slide();
  const stage = h("div", { class: "stage" },
    h("div", { class: "overlay" }, under, over),
    h("label", { for: "over-slider" }, t("over.slider")), slider,
    h("label", { class: "check" }, outlines, t("over.outlines")),
    h("p", { class: "hint" }, t("over.look")),
  );
  return { canvases, stage };
}

/** The table of changes with its floors, and what it does not mean. */
export function changeView(measured: Measured): HTMLElement[] {
  const { pair: [before, after], compared, lengths, scaled } = measured;
  const same = before.sha256 === after.sha256;
  const floors = noiseFloor(same ? before.sha256 : "", scaled);
  const rows = [
    compared && lengths && sizeRow(measured, floors.size),
    compared && colourRow(compared, floors.colour),
    same && riskRow(before, after, floors.risk),
  ].filter((row) => row !== null && row !== false);
  return [
    h("h3", { id: "over" }, t("over.heading")),
    !compared && h("p", {}, t("over.none")),
    compared && !lengths && h("p", {}, t("over.old")),
    rows.length > 0 && h("table", { class: "changes", "aria-labelledby": "over" },
      h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, t("over.change")), h("th", { scope: "col" }, t("over.floor")))),
      h("tbody", {}, ...rows)),
    h("p", { class: "warning" }, t("over.never")),
    h("p", {}, t("history.change")),
    compared && h("p", { class: "hint" }, t("over.measured", shares(floors, "under"))),
    compared && h("p", { class: "hint" }, t("over.real", shares(floors, "real"))),
    compared && lengths && !scaled && h("p", { class: "hint" }, t("over.distance")),
    compared && h("p", { class: "print-only" }, forDoctors(compared)),
  ].filter((child) => child instanceof HTMLElement);
}

/** Asks how wide a picture is; what is written is kept with the visit. */
export function widthView(app: App, visit: Visit, changed: () => void): HTMLElement {
  const id = `width-${visit.id}`;
  const keep = async () => {
    const width = input.valueAsNumber;
    delete visit.width;
    if (width > 0) visit.width = width;
    await saveVisit(visit).then(changed, (error) => app.complain(error));
  };
  const input = h("input", { id, type: "number", min: 0.1, step: "any", inputmode: "decimal", value: visit.width ?? "", onchange: keep });
  return h("p", { class: "width" }, h("label", { for: id }, t("over.width")), input);
}

function sizeRow({ compared, lengths, scaled }: Measured, floor: Floor): HTMLElement {
  const [first, second] = lengths!;
  const growth = compared!.change.growth * (second / first) ** 2;
  const across = compared!.spots.map(({ area }, k) => `${decimal(2 * Math.sqrt(area / Math.PI) * lengths![k]!, 1)} mm`);
  const times = t("over.times", { n: decimal(growth, growth < 1 ? 2 : 1) });
  const said = scaled ? [times, h("br"), `${t("over.across")}: ${across.join(" → ")}`] : [times];
  const range = t("over.range", { low: decimal(1 / floor.floor, 2), high: decimal(floor.floor, 2) });
  return row(t("over.size"), said, range, Math.max(growth, 1 / growth) > floor.floor);
}

function colourRow({ change: { colour, lighter } }: NonNullable<Compared>, floor: Floor): HTMLElement {
  const shade = Math.abs(lighter) < 1 ? "" : `, ${t(lighter > 0 ? "over.lighter" : "over.darker")}`;
  return row(t("over.colour"), [`${decimal(colour, 1)}${shade}`], t("over.most", { n: decimal(floor.floor, 1) }), colour > floor.floor);
}

/** By the photographs alone: answers may have changed for their own reasons. */
function riskRow(before: Visit, after: Visit, floor: Floor | null): HTMLElement | null {
  const [first, second] = [before, after].map(({ asked, risk }) => asked?.alone.risk ?? risk) as [number | null, number | null];
  if (first === null || second === null) return null;
  const points = (share: number) => decimal(100 * share, 1);
  const said = t("over.points", { n: `${second < first ? "−" : "+"}${points(Math.abs(second - first))}` });
  const limit = floor === null ? t("over.unmeasured") : t("over.most", { n: t("over.points", { n: points(floor.floor) }) });
  return row(advice("heading.risk"), [said], limit, floor === null ? null : Math.abs(second - first) > floor.floor);
}

function row(name: string, said: (Node | string)[], limit: string, above: boolean | null): HTMLElement {
  return h("tr", { class: above ? "above" : "" },
    h("th", { scope: "row" }, name),
    h("td", {}, ...said, above !== null && h("small", {}, t(above ? "over.above" : "over.within"))),
    h("td", {}, unbroken(limit)));
}

function shares(floors: NoiseFloor, which: "under" | "real"): Record<string, number> {
  const named = { size: floors.size, colour: floors.colour };
  const share = (floor: Floor) => (which === "under" ? ofHundred(floor.under) : 100 - ofHundred(floor.real ?? 0));
  return Object.fromEntries(Object.entries(named).map(([name, floor]) => [name, share(floor)]));
}

function forDoctors({ change: { growth, colour, lighter, alignment } }: NonNullable<Compared>): string {
  const degrees = (180 / Math.PI) * alignment.angle;
  return t("over.doctor", {
    growth: decimal(growth, 2), colour: decimal(colour, 1), lighter: decimal(lighter, 1),
    degrees: decimal(degrees, 0), likeness: decimal(alignment.likeness, 2),
  });
}
