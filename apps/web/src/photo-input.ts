/** From a file to an upright picture, by the browser's own decoders: JPEG, PNG, WebP, and HEIC where the device knows it. */
import { AppError } from "./app-error";

const MAX_PIXELS = 100_000_000;
const MIN_SIDE = 8;
const MAX_ASPECT = 20;
const MAX_BYTES = 512 * 1024 * 1024;

/** @throws AppError where the file cannot be used. */
export async function readPhoto(file: Blob): Promise<ImageBitmap> {
  if (file.size > MAX_BYTES) throw new AppError("huge");
  const bitmap = await decode(file);
  const fault = faultOf(bitmap);
  if (fault === null) return bitmap;
  bitmap.close();
  throw fault;
}

function faultOf({ width, height }: ImageBitmap): AppError | null {
  if (width * height > MAX_PIXELS) return new AppError("huge");
  if (Math.min(width, height) < MIN_SIDE) return new AppError("tiny");
  return Math.max(width, height) > MAX_ASPECT * Math.min(width, height) ? new AppError("strip") : null;
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
