// The strip of thumbnails: some frames of one layer, evenly spread.
import { copyCanvas, make, makeFocusable } from "./dom.js";
import { indexAt } from "./layers.js";

const MAX_THUMBNAILS = 24;

/** At most MAX_THUMBNAILS frames, evenly spread, with the first and the last. */
function thumbnailFrames(count) {
  const shown = Math.min(count, MAX_THUMBNAILS);
  return Array.from({ length: shown }, (_, i) => Math.round((i * (count - 1)) / Math.max(shown - 1, 1)));
}

/** The owner has: layers (opened, by name), selection, captions, count, scrub(frame). */
export class Thumbnails {
  constructor(owner) {
    Object.assign(this, { owner, frames: [], buttons: [] });
    this.title = make("div", { class: "ex-strip-title" });
    this.strip = makeFocusable("div", { class: "ex-strip", role: "group", tabindex: 0 }); // it scrolls, so by keyboard too
  }

  /** spec: of the layer; without one the strip is empty. */
  build(spec) {
    const layer = spec && this.owner.layers.get(spec.name);
    this.frames = layer ? thumbnailFrames(this.owner.count) : [];
    this.title.textContent = spec ? `${spec.label}, step by step` : "";
    this.strip.setAttribute("aria-label", spec ? spec.label : "");
    const used = new Set(); // a canvas can be on the page once: where two frames share one, the second has a copy
    const canvasOf = (k) => {
      const canvas = layer.at(indexAt(spec, { ...this.owner.selection, frame: k }));
      const own = used.has(canvas) ? copyCanvas(canvas) : canvas;
      used.add(canvas);
      return own;
    };
    // With the keyboard, the slider reaches every frame, so that the thumbnails stay out of the tab order.
    this.buttons = this.frames.map((k) =>
      makeFocusable("button", { type: "button", class: "ex-thumb", tabindex: -1, title: this.owner.captions[k],
        "aria-label": this.owner.captions[k], onclick: () => this.owner.scrub(k) }, canvasOf(k)));
    this.strip.replaceChildren(...this.buttons);
  }

  /** Bring a thumbnail into the strip's view, without scrolling the page. */
  scrollTo(button) {
    if (!button) return;
    const { strip } = this;
    const left = button.offsetLeft - strip.offsetLeft;
    if (left < strip.scrollLeft) strip.scrollLeft = left;
    else if (left + button.offsetWidth > strip.scrollLeft + strip.clientWidth) strip.scrollLeft = left + button.offsetWidth - strip.clientWidth;
  }

  /** Mark the thumbnail of a frame, or the next one after it. */
  mark(frame) {
    let near = this.frames.findIndex((k) => k >= frame);
    if (near < 0) near = this.frames.length - 1;
    if (this.marked !== this.buttons[near]) this.marked?.removeAttribute("aria-current");
    this.marked = this.buttons[near];
    this.marked?.setAttribute("aria-current", "true");
    this.scrollTo(this.marked);
  }
}
