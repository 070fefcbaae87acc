/** From a file to an upright picture, by the browser's own decoders: JPEG, PNG, WebP, and HEIC where the device knows it. */
import { AppError } from "../app-error";
import facts from "../facts.json";

const LIMIT = facts.photo;

/** @throws AppError where the file cannot be used. */
export async function readPhoto(file: Blob): Promise<ImageBitmap> {
  if (file.size > LIMIT.MAX_BYTES) throw new AppError("huge");
  const bitmap = await decode(file);
  try {
    checkSize(bitmap);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  return bitmap;
}

function checkSize({ width, height }: ImageBitmap): void {
  if (width * height > LIMIT.MAX_PIXELS) throw new AppError("huge");
  if (Math.min(width, height) < LIMIT.MIN_SIDE) throw new AppError("tiny");
  if (Math.max(width, height) > LIMIT.MAX_ASPECT * Math.min(width, height)) throw new AppError("strip");
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
