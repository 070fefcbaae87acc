/** What a device can bear: how many threads the runtime takes there. */
import facts from "../facts.json";

export type Device = Pick<Navigator, "userAgent" | "maxTouchPoints" | "hardwareConcurrency">;

/**
 * One on iPhones and iPads: with more the runtime has hung there, or found no memory (onnxruntime issues 11679, 22086).
 * Without isolation from other sites a browser lends no memory to several threads.
 */
export function threadsFor(device: Device, isolated: boolean): number {
  return isolated && !isAppleTouch(device) ? Math.min(facts.prediction.MAX_THREADS, device.hardwareConcurrency || 1) : 1;
}

/** An iPad says that it is a Mac, but no Mac has a touch screen. All browsers there are Safari's engine. */
function isAppleTouch({ userAgent, maxTouchPoints }: Device): boolean {
  return /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}
