// The key of the stage: what the colours of points, arrows and heat maps mean.
import { make } from "./dom.js";
import { heat } from "./layers.js";

const STOPS = [0, 0.25, 0.5, 0.75, 1]; // of the gradient that stands for heat maps

/** The shown layers of all panels, each once, as descriptions. */
function shownSpecs(owner) {
  const names = new Set(owner.panels.flatMap(({ spec }) => spec.layers));
  return [...owner.specs.values()].filter(({ name }) => names.has(name));
}

/** The colours with a meaning: [name in the palette, meaning], each once. */
export function entriesOf(specs) {
  const pairs = specs.flatMap(({ legend = [], colours, colour }) =>
    legend.map((text, k) => [(colours ?? [colour])[k], text]).filter(([, text]) => text));
  return [...new Map(pairs.map((pair) => [pair.join(), pair])).values()];
}

function swatch(text, colour) {
  const mark = make("span", { class: "ex-key-mark" });
  mark.style.background = `var(--ex-${colour})`;
  return make("span", { class: "ex-key-entry" }, mark, text);
}

function heatScale() {
  const scale = make("span", { class: "ex-key-scale" });
  scale.style.background = `linear-gradient(to right, ${STOPS.map((share) => `rgb(${heat(share).join(" ")})`).join(", ")})`;
  return make("span", { class: "ex-key-entry", title: "The colours of a map, each map on its own scale: point at it for numbers" },
    "less", scale, "more");
}

/** Show the key of what the panels show, and the opacity of maps where one lies over an image. */
export function updateKey(owner) {
  const specs = shownSpecs(owner);
  const entries = entriesOf(specs).map(([colour, text]) => swatch(text, colour));
  if (specs.some(({ kind }) => kind === "heatmap")) entries.push(heatScale());
  owner.key.replaceChildren(...entries);
  owner.key.hidden = !entries.length;
  owner.opacityBox.hidden = !owner.panels.some(({ spec }) => !spec.switchable
    && spec.layers.slice(1).some((name) => owner.layers.get(name)?.overlays));
}
