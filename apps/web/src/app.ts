/** What the views share: the model, the photographs of the present spot, and the line that tells what goes on. */
import { AppError, codeOf } from "./app-error";
import type { Bundle } from "./bundle";
import { fetchBundle, Judge, type Judgement } from "./judge";
import { readPhoto, toJpeg } from "./photo-input";
import { type Box, cut, type Pixels } from "./pixels";
import { t, type TextKey } from "./texts";
import { type Combined, combine } from "./triage";

/** A photograph of the present spot. */
export interface Shot {
  id: number;
  /** As it came, and what is left of it after cropping by hand. */
  whole: Pixels;
  frame: Box | null;
  /** A blob URL of the part that was judged. */
  picture: string;
  judgement: Judgement;
}

/** What is shown of a photograph, in pixels a side. */
const SHOWN = 1024;

export class App {
  bundle: Bundle | null = null;
  shots: Shot[] = [];
  private readonly judge = new Judge();
  private loading: Promise<void> | null = null;
  private count = 0;

  /** @param changed called after every change, to draw again. */
  constructor(private readonly changed: () => void, private readonly say: (text: string, alarm: boolean) => void) {}

  /** Load the bundle that lies beside the app. */
  start(): Promise<void> {
    return (this.loading = this.guarded("loading", async () => this.use(await fetchBundle())));
  }

  /** Load a bundle from a file. */
  async useFile(file: File): Promise<void> {
    await this.guarded("loading", async () => this.use(new Uint8Array(await file.arrayBuffer())));
  }

  private async use(file: Uint8Array<ArrayBuffer>): Promise<void> {
    this.bundle = await this.judge.load(file);
    this.clear();
  }

  /** Judge further photographs of the same spot. */
  async add(files: Blob[]): Promise<void> {
    await this.loading;
    if (!this.bundle) return this.complain(new AppError("fetch"));
    await this.guarded("judging", async () => {
      for (const file of files) {
        const { pixels } = await readPhoto(file);
        this.shots.push(await this.shoot(++this.count, pixels, null));
      }
    });
  }

  /** Judge another part of a photograph; null for all of it. */
  async crop(shot: Shot, frame: Box | null): Promise<void> {
    await this.guarded("judging", async () => {
      const again = await this.shoot(shot.id, shot.whole, frame);
      URL.revokeObjectURL(shot.picture);
      this.shots = this.shots.map((one) => (one.id === shot.id ? again : one));
    });
  }

  private async shoot(id: number, whole: Pixels, frame: Box | null): Promise<Shot> {
    const chosen = frame === null ? whole : cut(whole, frame);
    const judgement = await this.judge.judge(chosen);
    const judged = judgement.box === null ? chosen : cut(chosen, judgement.box);
    return { id, whole, frame, judgement, picture: URL.createObjectURL(await toJpeg(judged, SHOWN)) };
  }

  remove(shot: Shot): void {
    URL.revokeObjectURL(shot.picture);
    this.shots = this.shots.filter((one) => one !== shot);
    this.changed();
  }

  clear(): void {
    this.shots.forEach((shot) => URL.revokeObjectURL(shot.picture));
    this.shots = [];
    this.changed();
  }

  /** The answer for all photographs together; null without any. */
  get combined(): Combined | null {
    return this.bundle && this.shots.length > 0
      ? combine(this.shots.map((shot) => shot.judgement), this.bundle.triage)
      : null;
  }

  complain(error: unknown): void {
    this.say(t(`error.${codeOf(error)}` as TextKey), true);
  }

  private async guarded(doing: TextKey, action: () => Promise<void>): Promise<void> {
    this.say(t(doing), false);
    try {
      await action();
      this.say(t("ready"), false);
    } catch (error) {
      this.complain(error);
    }
    this.changed();
  }
}
