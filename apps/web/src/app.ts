/** What the views share: the model, the photographs of the present spot, and the line that tells what goes on. */
import { AppError, codeOf } from "./app-error";
import type { Bundle } from "./model/bundle";
import { type Compared, type Diagnosis, Predictor } from "./model/predictor";
import { fetchBundle, listBundles, type ServedBundle } from "./model/served-bundles";
import { allowed, type Answers } from "./model/questions";
import { type Combined, combine } from "./model/triage";
import { readPhoto } from "./photo/photo-file";
import type { Box } from "./photo/pixels";
import { t, type TextKey } from "./texts/texts";

/** A photograph of the present spot; its pixels are with the predictor. */
export interface Shot {
  id: number;
  /** As it came, in pixels, and what is left of it after cropping by hand. */
  width: number;
  height: number;
  frame: Box | null;
  /** A blob URL of the part that the network saw; it comes a moment after the diagnosis. */
  picture: Promise<string>;
  diagnosis: Diagnosis;
}

/** What is known of a photograph before its diagnosis. */
type Photo = Pick<Shot, "id" | "width" | "height">;

/** Where the choice among several bundles is stored. */
const STORED_MODEL = "hierattn.model";
/** What is taken where nobody has chosen: without a dermatoscope, most photographs are a phone's. */
const USUAL_MODEL = "phone";

/** What is shown of a photograph, in pixels a side. */
const SHOWN = 1024;

export class App {
  bundle: Bundle | null = null;
  /** The bundles beside the app, and the one of them in use; null for a file of the visitor's own. */
  served: ServedBundle[] = [];
  current: ServedBundle | null = null;
  shots: Shot[] = [];
  /** What was answered of the bundle's questions, about the present spot. */
  answers: Answers = {};
  private readonly predictor = new Predictor();
  private loading: Promise<void> | null = null;
  private count = 0;
  private complaints = 0;

  /** @param changed called after every change, to draw again. */
  constructor(
    private readonly changed: () => void,
    private readonly say: (text: string, alarm: boolean) => void,
  ) {}

  /** Load the bundle that lies beside the app; of several the one that was chosen before. */
  start(): Promise<void> {
    return (this.loading = this.guarded("loading", async () => {
      this.served = await listBundles();
      const named = (name: string | null) => this.served.find((bundle) => bundle.name === name);
      await this.load(named(localStorage.getItem(STORED_MODEL)) ?? named(USUAL_MODEL) ?? this.served[0]!);
    }));
  }

  /** Take another of the bundles beside the app, and predict the photographs again by it. */
  async choose(bundle: ServedBundle): Promise<void> {
    localStorage.setItem(STORED_MODEL, bundle.name);
    await (this.loading = this.guarded("loading", async () => {
      await this.load(bundle);
      const before = this.shots;
      this.shots = []; // their answers are in the former bundle's classes
      for (const shot of before) {
        releasePicture(shot);
        await this.take(shot, shot.frame).catch((error) => this.complain(error));
      }
    }));
  }

  /** Load a bundle from a file. */
  async useFile(file: File): Promise<void> {
    await this.guarded("loading", async () => {
      this.bundle = await this.predictor.load(new Uint8Array(await file.arrayBuffer()));
      this.current = null;
      this.clear();
    });
  }

  private async load(bundle: ServedBundle): Promise<void> {
    this.bundle = await this.predictor.load(await fetchBundle(bundle.file));
    this.current = bundle;
    this.answers = allowed(this.bundle.questions, this.answers);
  }

  /** Predict further photographs of the same spot. */
  async add(files: Blob[]): Promise<void> {
    await this.loading;
    if (!this.bundle) return this.complain(new AppError("fetch"));
    await this.guarded("checking", async () => {
      for (const file of files) {
        const bitmap = await readPhoto(file);
        await this.take({ id: ++this.count, width: bitmap.width, height: bitmap.height }, null, bitmap);
      }
    });
  }

  /** Predict a photograph, with its pixels where the predictor has them not yet; without an answer it is let go. */
  private async take(photo: Photo, frame: Box | null, bitmap?: ImageBitmap): Promise<void> {
    try {
      if (bitmap) await this.predictor.hold(photo.id, bitmap);
      const shot = await this.shoot(photo, frame);
      if (this.predictor.holds(photo.id)) this.shots = [...this.shots, shot];
      else releasePicture(shot); // removed meanwhile
    } catch (error) {
      if (!this.predictor.holds(photo.id)) return;
      void this.predictor.forget(photo.id);
      throw error;
    }
  }

  /** Predict another part of a photograph; null for the whole. */
  async crop(shot: Shot, frame: Box | null): Promise<void> {
    await this.guarded("checking", async () => {
      const again = await this.shoot(shot, frame);
      releasePicture(shot);
      this.shots = this.shots.map((other) => (other.id === shot.id ? again : other));
    });
  }

  private async shoot({ id, width, height }: Photo, frame: Box | null): Promise<Shot> {
    const diagnosis = await this.diagnose(id, frame);
    const picture = this.predictor.picture(id, diagnosis.part, SHOWN).then((jpeg) => URL.createObjectURL(jpeg));
    picture.catch((error) => this.complain(error));
    return { id, width, height, frame, diagnosis, picture };
  }

  /** The answer to a photograph with the present answers to the questions, also where these change meanwhile. */
  private async diagnose(photo: number, frame: Box | null): Promise<Diagnosis> {
    let told: Answers, diagnosis: Diagnosis;
    do {
      told = this.answers;
      diagnosis = await this.predictor.predict(photo, frame, told);
    } while (told !== this.answers);
    return diagnosis;
  }

  /**
   * Answer a question; empty for "I don't know". The photographs are not decoded anew, only the network runs again.
   * The page is not drawn again, so that whoever answers keeps their place.
   */
  async tell(name: string, value: string): Promise<void> {
    const told = allowed(this.bundle!.questions, { ...this.answers, [name]: value });
    this.answers = told;
    try {
      const found = await Promise.all(this.shots.map(async ({ id, frame }) =>
        ({ id, frame, diagnosis: await this.predictor.predict(id, frame, told) })));
      if (told !== this.answers) return; // a later answer is on its way
      const of = (shot: Shot) => found.find(({ id, frame }) => id === shot.id && frame === shot.frame);
      this.shots = this.shots.map((shot) => ({ ...shot, ...of(shot) }));
    } catch (error) {
      this.complain(error);
    }
  }

  /** A JPEG of a photograph inside its frame, or of all of it. */
  jpegOf(shot: Shot, part: Box | null, longest = SHOWN): Promise<Blob> {
    return this.predictor.picture(shot.id, part, longest);
  }

  /** Two saved pictures of one spot. */
  compare(before: Blob, after: Blob): Promise<Compared> {
    return this.predictor.compare(before, after);
  }

  remove(shot: Shot): void {
    releasePicture(shot);
    void this.predictor.forget(shot.id);
    this.shots = this.shots.filter((other) => other.id !== shot.id); // an answer to a question renews the others
    this.changed();
  }

  clear(): void {
    this.shots.forEach(releasePicture);
    this.predictor.forgetAll(); // those too that wait for their answer
    this.shots = [];
    this.answers = {};
    this.changed();
  }

  /** The answer for all photographs together; null without any. */
  get combined(): Combined | null {
    return this.bundle && this.shots.length > 0
      ? combine(this.shots.map((shot) => shot.diagnosis), this.bundle.triage)
      : null;
  }

  complain(error: unknown): void {
    this.complaints += 1;
    this.say(t(`error.${codeOf(error)}` as TextKey), true);
  }

  private async guarded(doing: TextKey, action: () => Promise<void>): Promise<void> {
    this.say(t(doing), false);
    const before = this.complaints;
    try {
      await action();
      if (this.complaints === before) this.say(t("ready"), false); // what another action complained of stays to be read
    } catch (error) {
      this.complain(error);
    }
    this.changed();
  }
}

/** The picture alone; the photograph stays with the predictor. */
function releasePicture(shot: Shot): void {
  shot.picture.then((url) => URL.revokeObjectURL(url), () => undefined);
}
