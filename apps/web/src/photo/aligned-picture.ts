/** Two pictures of a spot in one frame: its middle in the middle, turned alike, in one scale. */
import type { Spot } from "./spot";

export interface Placed {
  picture: ImageBitmap;
  spot: Spot;
  /** How the picture is turned clockwise, in radians. */
  angle: number;
  /** Its longer side, in a unit that all pictures share. */
  length: number;
}

const SIDE = 480; // pixels
const AROUND = 1.5; // skin that is shown, in the spot's own reach

/** Half a side of the frame that holds every spot with the skin around it. */
export function frameOf(placed: Placed[]): number {
  return AROUND * Math.max(...placed.map(({ spot, length }) =>
    length * Math.max(...spot.outline.map(([x, y]) => Math.hypot(x - spot.x, y - spot.y)))));
}

export function drawAligned(canvas: HTMLCanvasElement, { picture, spot, angle, length }: Placed, half: number, outlined: boolean): void {
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d")!;
  const unit = (SIDE / (2 * half)) * length; // pixels of the longer side
  context.translate(SIDE / 2, SIDE / 2);
  context.rotate(-angle);
  context.translate(-spot.x * unit, -spot.y * unit);
  const scale = unit / Math.max(picture.width, picture.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, picture.width * scale, picture.height * scale);
  if (!outlined) return;
  const path = new Path2D();
  spot.outline.forEach(([x, y]) => path.lineTo(x * unit, y * unit));
  path.closePath();
  for (const [width, colour] of [[6, "rgb(0 0 0 / .55)"], [2.5, "white"]] as const) {
    [context.lineWidth, context.strokeStyle] = [width, colour];
    context.stroke(path);
  }
}
