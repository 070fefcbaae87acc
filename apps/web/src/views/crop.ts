/** Cropping by hand: a square frame to drag, to move by the arrow keys and to size by a slider. */
import { h } from "../dom";
import type { Box } from "../photo/pixels";
import { t } from "../texts/texts";

const SMALLEST = 0.15; // of the shorter side
const STEP = 0.02;

/** A photograph's size in pixels, and what is left of it by now. */
interface Framed {
  width: number;
  height: number;
  frame: Box | null;
}

/** The frame; null for the whole photograph, undefined where it was cancelled. `shown` is a picture of all of it. */
export function openCrop(photo: Framed, shown: Blob): Promise<Box | null | undefined> {
  const picture = URL.createObjectURL(shown);
  const shorter = Math.min(photo.width, photo.height);
  const frame = new Frame(photo);
  const size = h("input", {
    type: "range", min: SMALLEST, max: 1, step: 0.01, value: frame.side / shorter, id: "crop-size",
    oninput: () => frame.resize(Number(size.value) * shorter),
  });
  const dialog = h("dialog", { class: "crop", "aria-labelledby": "crop-heading" });
  return new Promise((resolve) => {
    const end = (answer: Box | null | undefined) => {
      URL.revokeObjectURL(picture);
      dialog.remove();
      resolve(answer);
    };
    dialog.append(
      h("h2", { id: "crop-heading" }, t("crop.heading")),
      h("p", {}, t("crop.how")),
      h("div", { class: "cropper" }, h("img", { src: picture, alt: "" }), frame.element),
      h("label", { for: "crop-size" }, t("crop.size")),
      size,
      h("div", { class: "buttons" },
        h("button", { class: "button main", onclick: () => end(frame.box) }, t("crop.use")),
        h("button", { class: "button", onclick: () => end(null) }, t("crop.whole")),
        h("button", { class: "button", onclick: () => end(undefined) }, t("cancel")),
      ),
    );
    dialog.addEventListener("cancel", () => end(undefined));
    document.body.append(dialog);
    dialog.showModal();
    frame.element.focus();
  });
}

/** A square inside the photograph, in its pixels; drawn in percent of the picture, whatever its size on the screen. */
class Frame {
  side: number;
  private left: number;
  private top: number;
  readonly element: HTMLElement;

  constructor(private readonly photo: Framed) {
    const present = photo.frame;
    this.side = present ? present.right - present.left : Math.min(photo.width, photo.height) * 0.6;
    this.left = present?.left ?? (photo.width - this.side) / 2;
    this.top = present?.top ?? (photo.height - this.side) / 2;
    this.element = h("div", {
      class: "frame", tabindex: 0, role: "application", "aria-label": t("crop.frame"),
      onkeydown: (event: KeyboardEvent) => this.key(event),
      onpointerdown: (event: PointerEvent) => this.drag(event),
    });
    this.draw();
  }

  get box(): Box {
    const left = Math.round(this.left), top = Math.round(this.top), side = Math.round(this.side);
    return {
      left, top,
      right: Math.min(this.photo.width, left + side),
      bottom: Math.min(this.photo.height, top + side),
    };
  }

  resize(side: number): void {
    const grown = (side - this.side) / 2;
    this.side = side;
    this.move(-grown, -grown);
  }

  private move(across: number, down: number): void {
    this.left = Math.min(Math.max(0, this.left + across), this.photo.width - this.side);
    this.top = Math.min(Math.max(0, this.top + down), this.photo.height - this.side);
    this.draw();
  }

  private key(event: KeyboardEvent): void {
    const step = STEP * Math.min(this.photo.width, this.photo.height);
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step],
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    this.move(...move);
  }

  private drag(event: PointerEvent): void {
    event.preventDefault();
    this.element.focus();
    this.element.setPointerCapture(event.pointerId);
    const scale = this.photo.width / this.element.parentElement!.clientWidth;
    let { clientX, clientY } = event;
    const follow = (to: PointerEvent) => {
      this.move((to.clientX - clientX) * scale, (to.clientY - clientY) * scale);
      ({ clientX, clientY } = to);
    };
    this.element.addEventListener("pointermove", follow);
    const release = () => this.element.removeEventListener("pointermove", follow);
    this.element.addEventListener("lostpointercapture", release, { once: true });
  }

  private draw(): void {
    const { style } = this.element;
    style.left = `${(100 * this.left) / this.photo.width}%`;
    style.top = `${(100 * this.top) / this.photo.height}%`;
    style.width = `${(100 * this.side) / this.photo.width}%`;
    style.height = `${(100 * this.side) / this.photo.height}%`;
  }
}
