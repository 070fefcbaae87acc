/** What the views share: the model, the photographs of the present spot, and the line that tells what goes on. */
import { AppError, codeOf } from "./app-error";
import type { Bundle } from "./bundle";
import { fetchBundle, fetchOffers, Judge, type Judgement, type Offer } from "./judge";
import { readPhoto } from "./photo-input";
import type { Box } from "./pixels";
import { t, type TextKey } from "./texts";
import { type Combined, combine } from "./triage";

/** A photograph of the present spot; its pixels are with the judge. */
export interface Shot {
  id: number;
  /** As it came, in pixels, and what is left of it after cropping by hand. */
  width: number;
  height: number;
  frame: Box | null;
  /** A blob URL of the part that was judged; it comes a moment after the judgement. */
  picture: Promise<string>;
  judgement: Judgement;
}

/** Where the choice among several bundles is kept. */
const CHOSEN = "hierattn.model";
/** What is taken where nobody has chosen: without a dermatoscope, most photographs are a phone's. */
const USUAL = "phone";

/** What is shown of a photograph, in pixels a side. */
const SHOWN = 1024;

export class App {
  bundle: Bundle | null = null;
  /** The bundles beside the app, and the one of them in use; null for a file of the visitor's own. */
  offers: Offer[] = [];
  offer: Offer | null = null;
  shots: Shot[] = [];
  private readonly judge = new Judge();
  private loading: Promise<void> | null = null;
  private count = 0;

  /** @param changed called after every change, to draw again. */
  constructor(private readonly changed: () => void, private readonly say: (text: string, alarm: boolean) => void) {}

  /** Load the bundle that lies beside the app; of several the one that was chosen before. */
  start(): Promise<void> {
    return (this.loading = this.guarded("loading", async () => {
      this.offers = await fetchOffers();
      const named = (name: string | null) => this.offers.find((offer) => offer.name === name);
      await this.load(named(localStorage.getItem(CHOSEN)) ?? named(USUAL) ?? this.offers[0]!);
    }));
  }

  /** Take another of the bundles beside the app, and judge the photographs again by it. */
  async choose(offer: Offer): Promise<void> {
    localStorage.setItem(CHOSEN, offer.name);
    await (this.loading = this.guarded("loading", async () => {
      await this.load(offer);
      const again: Shot[] = [];
      for (const shot of this.shots) again.push(await this.shoot(shot, shot.frame));
      this.shots.forEach(letGo);
      this.shots = again;
    }));
  }

  /** Load a bundle from a file. */
  async useFile(file: File): Promise<void> {
    await this.guarded("loading", async () => {
      this.bundle = await this.judge.load(new Uint8Array(await file.arrayBuffer()));
      this.offer = null;
      this.clear();
    });
  }

  private async load(offer: Offer): Promise<void> {
    this.bundle = await this.judge.load(await fetchBundle(offer.file));
    this.offer = offer;
  }

  /** Judge further photographs of the same spot. */
  async add(files: Blob[]): Promise<void> {
    await this.loading;
    if (!this.bundle) return this.complain(new AppError("fetch"));
    await this.guarded("judging", async () => {
      for (const file of files) {
        const bitmap = await readPhoto(file);
        const photo = { id: ++this.count, width: bitmap.width, height: bitmap.height };
        await this.judge.keep(photo.id, bitmap);
        this.shots.push(await this.shoot(photo, null).catch((error) => {
          void this.judge.forget(photo.id);
          throw error;
        }));
      }
    });
  }

  /** Judge another part of a photograph; null for all of it. */
  async crop(shot: Shot, frame: Box | null): Promise<void> {
    await this.guarded("judging", async () => {
      const again = await this.shoot(shot, frame);
      letGo(shot);
      this.shots = this.shots.map((one) => (one.id === shot.id ? again : one));
    });
  }

  private async shoot({ id, width, height }: Pick<Shot, "id" | "width" | "height">, frame: Box | null): Promise<Shot> {
    const judgement = await this.judge.judge(id, frame);
    const picture = this.judge.picture(id, judgement.part, SHOWN).then((jpeg) => URL.createObjectURL(jpeg));
    picture.catch((error) => this.complain(error));
    return { id, width, height, frame, judgement, picture };
  }

  /** A JPEG of a photograph inside its frame, or of all of it. */
  jpegOf(shot: Shot, part: Box | null, longest = SHOWN): Promise<Blob> {
    return this.judge.picture(shot.id, part, longest);
  }

  remove(shot: Shot): void {
    this.forget(shot);
    this.shots = this.shots.filter((one) => one !== shot);
    this.changed();
  }

  clear(): void {
    this.shots.forEach((shot) => this.forget(shot));
    this.shots = [];
    this.changed();
  }

  private forget(shot: Shot): void {
    letGo(shot);
    void this.judge.forget(shot.id);
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

/** Of the picture; the photograph itself stays. */
function letGo(shot: Shot): void {
  shot.picture.then((url) => URL.revokeObjectURL(url), () => undefined);
}
