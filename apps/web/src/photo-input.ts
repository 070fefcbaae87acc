/** From a file to upright pixels, by the browser's own decoders: JPEG, PNG, WebP, and HEIC where the device knows it. */
import { AppError } from "./app-error";
import { type Pixels, withoutAlpha } from "./pixels";

const MAX_PIXELS = 100_000_000;
const MIN_SIDE = 8;
const MAX_ASPECT = 20;
const MAX_BYTES = 512 * 1024 * 1024;

/** A decoded photograph: its pixels for the network, and a picture of it to show. */
export interface Photo {
  pixels: Pixels;
  name: string;
}

/** @throws AppError where the file cannot be used. */
export async function readPhoto(file: Blob, name = ""): Promise<Photo> {
  if (file.size > MAX_BYTES) throw new AppError("huge");
  const bitmap = await decode(file);
  try {
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) throw new AppError("huge");
    if (Math.min(width, height) < MIN_SIDE) throw new AppError("tiny");
    if (Math.max(width, height) > MAX_ASPECT * Math.min(width, height)) throw new AppError("strip");
    return { pixels: toPixels(bitmap), name };
  } finally {
    bitmap.close();
  }
}

/** Upright by its EXIF; colour profiles are not applied, as in training. */
async function decode(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    const head = new Uint8Array(await file.slice(4, 8).arrayBuffer().catch(() => new ArrayBuffer(0)));
    throw new AppError(String.fromCharCode(...head) === "ftyp" ? "heic" : "image");
  }
}

function toPixels(bitmap: ImageBitmap): Pixels {
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
export async function toJpeg(pixels: Pixels, longest: number): Promise<Blob> {
  const scale = Math.min(1, longest / Math.max(pixels.width, pixels.height));
  const small = new OffscreenCanvas(Math.round(pixels.width * scale), Math.round(pixels.height * scale));
  const context = small.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(toCanvas(pixels), 0, 0, small.width, small.height);
  return small.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

export function toCanvas({ width, height, data }: Pixels): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    image.data[to] = data[from]!;
    image.data[to + 1] = data[from + 1]!;
    image.data[to + 2] = data[from + 2]!;
    image.data[to + 3] = 255;
  }
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  return canvas;
}
