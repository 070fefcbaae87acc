/** Between the browser's pictures and plain pixels. */
import { AppError } from "../app-error";
import { copyOpaque, type Pixels } from "./pixels";
import { BILINEAR, resize } from "./resample";

/** Of a canvas: a phone's whole photograph would take 48 MB twice, and Safari refuses canvases above 16 million. */
const MOST_PIXELS = 1 << 22;

/** @throws AppError where the device has no room for it. */
export function toPixels(bitmap: ImageBitmap): Pixels {
  const { width, height } = bitmap;
  const rows = Math.min(height, Math.max(1, Math.floor(MOST_PIXELS / width)));
  const canvas = new OffscreenCanvas(width, rows);
  try {
    const data = new Uint8Array(3 * width * height);
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.fillStyle = "white"; // behind transparent pixels, as viewers show them
    for (let top = 0; top < height; top += rows) {
      const count = Math.min(rows, height - top);
      context.fillRect(0, 0, width, count);
      context.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
      copyOpaque(context.getImageData(0, 0, width, count).data, data, 3 * width * top);
    }
    return { width, height, data };
  } catch {
    throw new AppError("huge");
  } finally {
    empty(canvas);
  }
}

/** A picture of at most `longest` pixels a side, to show and to keep. */
export async function toJpeg(pixels: Pixels, longest: number): Promise<Blob> {
  const scale = Math.min(1, longest / Math.max(pixels.width, pixels.height));
  const width = Math.max(1, Math.round(pixels.width * scale)), height = Math.max(1, Math.round(pixels.height * scale));
  const { data } = resize(pixels, width, height, BILINEAR);
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    image.data[to] = data[from]!;
    image.data[to + 1] = data[from + 1]!;
    image.data[to + 2] = data[from + 2]!;
    image.data[to + 3] = 255;
  }
  canvas.getContext("2d", { willReadFrequently: true })!.putImageData(image, 0, 0);
  try {
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  } finally {
    empty(canvas);
  }
}

/** Safari keeps a canvas' pixels until it collects, and gives no new ones beyond a bound on them all. */
function empty(canvas: OffscreenCanvas): void {
  canvas.width = canvas.height = 0;
}
