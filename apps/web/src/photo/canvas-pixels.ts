/** Between the browser's pictures and plain pixels. */
import { AppError } from "../app-error";
import { type Pixels, withoutAlpha } from "./pixels";

/** @throws AppError where the device has no room for it. */
export function toPixels(bitmap: ImageBitmap): Pixels {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new AppError("huge");
  context.fillStyle = "white"; // behind transparent pixels, as viewers show them
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  try {
    return withoutAlpha(width, height, context.getImageData(0, 0, width, height).data);
  } catch {
    throw new AppError("huge");
  }
}

/** A picture of at most `longest` pixels a side, to show and to keep. */
export function toJpeg(pixels: Pixels, longest: number): Promise<Blob> {
  const scale = Math.min(1, longest / Math.max(pixels.width, pixels.height));
  const width = Math.max(1, Math.round(pixels.width * scale)), height = Math.max(1, Math.round(pixels.height * scale));
  const small = new OffscreenCanvas(width, height);
  const context = small.getContext("2d", { willReadFrequently: true })!;
  context.imageSmoothingQuality = "high";
  context.drawImage(toCanvas(pixels), 0, 0, width, height);
  return small.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

function toCanvas({ width, height, data }: Pixels): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    image.data[to] = data[from]!;
    image.data[to + 1] = data[from + 1]!;
    image.data[to + 2] = data[from + 2]!;
    image.data[to + 3] = 255;
  }
  canvas.getContext("2d", { willReadFrequently: true })!.putImageData(image, 0, 0);
  return canvas;
}
