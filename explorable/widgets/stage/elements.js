// The elements of the stage, from top to bottom: panels, choices, slider, caption; thumbnails beside them.
import { icon, make, makeFocusable, uniqueId } from "./dom.js";

/**
 * Returns the elements that the stage changes later, by name. The owner has: playback, scrub(frame), count, paint(),
 * opacity, saveImage(). parts: the elements of the choices of layers and along axes, the strip of thumbnails, and the
 * opacity at first.
 */
export function buildElements(owner, { choices, axes, strip, opacity }) {
  const id = uniqueId();
  const button = (name, title, action) =>
    makeFocusable("button", { type: "button", class: "ex-icon", title, "aria-label": title, onclick: action }, icon(name));
  const slider = makeFocusable("input", { type: "range", id, min: 0, step: 1, class: "ex-slider",
    oninput: () => owner.scrub(Number(slider.value)) });
  for (const event of ["pointerdown", "pointerup", "pointercancel", "blur"]) {
    slider.addEventListener(event, () => owner.reporter.hold(event === "pointerdown"));
  }
  const playButton = button("play", "Play", () => owner.playback.toggle());
  const transport = make("div", { class: "ex-transport" }, button("first", "First frame", () => owner.scrub(0)), playButton,
    button("last", "Last frame", () => owner.scrub(owner.count - 1)), slider);
  const opacityBox = buildOpacity(owner, opacity);
  const caption = make("label", { class: "ex-caption", for: id });
  const key = make("div", { class: "ex-key" });
  const below = make("div", { class: "ex-below" }, caption, key, opacityBox,
    button("save", "Save the image as a PNG file", () => owner.saveImage()));
  const grid = make("div", { class: "ex-panels" });
  const placeholder = make("div", { class: "ex-waiting" });
  const staleLabel = make("div", { class: "ex-stale-label" });
  const live = make("div", { class: "ex-live", "aria-live": "polite" });
  const side = make("div", { class: "ex-side" }, strip.title, strip.strip);
  const root = make("div", { class: "ex-stage", role: "group", "aria-label": "Recording", onkeydown: (e) => owner.playback.onKey(e) },
    make("div", { class: "ex-main" }, make("div", { class: "ex-canvas-area" }, grid, placeholder, staleLabel), choices, axes, transport, below),
    side, live);
  return { root, grid, placeholder, staleLabel, slider, playButton, transport, opacityBox, caption, key, below, live, side };
}

function buildOpacity(owner, value) {
  const slider = makeFocusable("input", { type: "range", min: 0, max: 1, step: 0.05, value, class: "ex-veil", "aria-label": "Opacity of maps",
    oninput: () => {
      owner.opacity = Number(slider.value);
      owner.paint();
    } });
  return make("label", { class: "ex-veil-box" }, "opacity", slider);
}
