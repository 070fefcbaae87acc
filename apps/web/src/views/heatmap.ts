/** Lay the evidence for a class over the photograph: red speaks for it, blue against it. */
import facts from "../facts.json";
import type { Heatmap } from "../model/predictor";

const { STRONGEST, FOR, AGAINST } = facts.heatmap;

/** Draw on a canvas of the shape of the part that the network saw, which shows through. */
export function drawHeatmap(canvas: HTMLCanvasElement, heatmap: Heatmap, index: number): void {
  const { rows, columns, data } = heatmap;
  const cells = data.subarray(index * rows * columns, (index + 1) * rows * columns);
  const largest = cells.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
  const small = new OffscreenCanvas(columns, rows);
  const image = new ImageData(columns, rows);
  cells.forEach((value, cell) => {
    const colour = value > 0 ? FOR : AGAINST;
    image.data.set([...colour, Math.round(255 * STRONGEST * (Math.abs(value) / largest))], 4 * cell);
  });
  small.getContext("2d")!.putImageData(image, 0, 0);
  const context = canvas.getContext("2d")!;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}
