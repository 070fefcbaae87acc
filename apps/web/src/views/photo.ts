/** The page on which photographs come in, and the list of those of the present spot. */
import type { App, Shot } from "../app";
import { AppError } from "../app-error";
import { fileButton, h, lateImage } from "../dom";
import { t, type TextKey } from "../texts/texts";
import { answerView } from "./answer";
import { openCamera } from "./camera";
import { openCrop } from "./crop";
import { modelChoice } from "./model-choice";
import { questionsView } from "./questions";

export function photoView(app: App): HTMLElement {
  if (!app.combined) return h("div", {}, captureArea(app), questionsView(app, () => undefined));
  let answer = answerView(app, app.combined);
  const questions = questionsView(app, () => {
    if (!app.combined || !answer.isConnected) return;
    const place = () => questions!.getBoundingClientRect().top;
    const before = place();
    const next = answerView(app, app.combined);
    answer.replaceWith(next);
    answer = next;
    scrollBy(0, place() - before); // whoever answers keeps their place
  });
  return h("div", {}, answer, questions, shotList(app), captureArea(app));
}

function captureArea(app: App): HTMLElement {
  const area = h(
    "section",
    { class: "capture", "aria-labelledby": "capture" },
    h("h2", { id: "capture" }, t(app.shots.length > 0 ? "photo.more" : "photo.heading")),
    app.shots.length === 0 && h("p", {}, t("photo.how")),
    app.shots.length === 0 && modelChoice(app),
    h("div", { class: "buttons" }, cameraButton(app), fileButton(t("photo.choose"), PHOTOS, (files) => app.add(files))),
    h("p", { class: "hint drop" }, t("photo.drop")),
  );
  const mark = (on: boolean) => (event: DragEvent) => {
    event.preventDefault();
    area.classList.toggle("over", on);
  };
  area.addEventListener("dragover", mark(true));
  area.addEventListener("dragleave", mark(false));
  area.addEventListener("drop", (event) => {
    mark(false)(event);
    app.add([...(event.dataTransfer?.files ?? [])]);
  });
  return area;
}

const PHOTOS = { accept: "image/*,.heic", multiple: true, id: "choose" };

/** The camera with a guide frame; where the browser gives none, the phone's own camera app. */
function cameraButton(app: App): HTMLElement {
  if (!navigator.mediaDevices?.getUserMedia) {
    return fileButton(t("photo.camera"), { accept: "image/*", capture: "environment" }, (files) => app.add(files));
  }
  const open = () =>
    openCamera().then(
      (photo) => photo && app.add([photo]),
      () => app.complain(new AppError("camera")),
    );
  return h("button", { class: "button main", onclick: open }, t("photo.camera"));
}

function shotList(app: App): HTMLElement {
  return h(
    "section",
    { class: "shots", "aria-labelledby": "shots" },
    h("h2", { id: "shots" }, t("photo.list")),
    modelChoice(app),
    h("ul", {}, ...app.shots.map((shot, number) => shotItem(app, shot, t("photo.number", { n: number + 1 })))),
    h("button", { class: "button", onclick: () => app.clear() }, t("photo.again")),
  );
}

function shotItem(app: App, shot: Shot, name: string): HTMLElement {
  const crop = async () => {
    try {
      const frame = await openCrop(shot, await app.jpegOf(shot, null));
      if (frame !== undefined) await app.crop(shot, frame);
    } catch (error) {
      app.complain(error);
    }
  };
  const small = (key: TextKey, onclick: () => void) =>
    h("button", { class: "button small", "aria-label": `${t(key)}: ${name}`, onclick }, t(key));
  return h(
    "li",
    {},
    lateImage(shot.picture, { alt: name }),
    h("div", {},
      small("photo.crop", crop),
      small("photo.remove", () => app.remove(shot)),
    ),
  );
}

/** Photographs that are pasted anywhere on the page. */
export function listenToPaste(app: App): void {
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (files.length > 0) app.add(files);
  });
}
