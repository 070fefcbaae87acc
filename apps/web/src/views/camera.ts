/** The camera with a circle to put the spot in. */
import { h } from "../dom";
import { t } from "../texts/texts";

/** A photograph; null where it was cancelled. Rejects where there is no camera. */
export async function openCamera(): Promise<Blob | null> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1920 } },
  });
  const video = h("video", { autoplay: true, playsinline: true, muted: true, "aria-label": t("camera.heading") });
  video.srcObject = stream;
  video.muted = true;
  const dialog = h("dialog", { class: "camera", "aria-labelledby": "camera-heading" });
  return new Promise((resolve) => {
    const end = (photo: Blob | null) => {
      stream.getTracks().forEach((track) => track.stop());
      dialog.remove();
      resolve(photo);
    };
    dialog.append(
      h("h2", { id: "camera-heading" }, t("camera.heading")),
      h("div", { class: "finder" }, video, h("div", { class: "guide", "aria-hidden": "true" })),
      h("p", {}, t("camera.guide")),
      h("div", { class: "buttons" },
        h("button", { class: "button main", onclick: async () => end(await frameOf(video)) }, t("camera.shoot")),
        h("button", { class: "button", onclick: () => end(null) }, t("cancel")),
      ),
    );
    dialog.addEventListener("cancel", () => end(null));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The square around the guide circle, which is what the finder shows. */
async function frameOf(video: HTMLVideoElement): Promise<Blob> {
  if (video.readyState < 2) await new Promise((resolve) => video.addEventListener("loadeddata", resolve, { once: true }));
  const { videoWidth: width, videoHeight: height } = video;
  const side = Math.min(width, height);
  const canvas = new OffscreenCanvas(side, side);
  canvas.getContext("2d")!.drawImage(video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, side, side);
  return canvas.convertToBlob({ type: "image/png" });
}
