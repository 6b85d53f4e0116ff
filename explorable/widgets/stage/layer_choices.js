// The choice of the layer that panels with several alternatives show: one button for each of the first panel.
import { make, makeFocusable } from "./dom.js";

/** The owner has: chooseLayer(name). */
export class LayerChoices {
  constructor(owner) {
    Object.assign(this, { owner, names: [], chosen: "" });
    this.element = make("div", { class: "ex-choices", role: "group", "aria-label": "What the image shows" });
  }

  /** specs: of the layers that can be chosen. */
  build(specs, chosen) {
    this.names = specs.map((spec) => spec.name);
    this.element.replaceChildren(...specs.map((spec) =>
      makeFocusable("button", { type: "button", class: "ex-choice", title: spec.note || undefined, "data-layer": spec.name,
        onclick: () => this.owner.chooseLayer(spec.name) }, spec.label)));
    this.element.hidden = specs.length < 2;
    this.mark(chosen);
  }

  /** Of the layers of a panel, the chosen one; of a further panel, that in the same place. */
  inPlace(names) {
    return names.includes(this.chosen) ? this.chosen : names[Math.max(this.names.indexOf(this.chosen), 0)];
  }

  mark(chosen) {
    this.chosen = chosen;
    for (const button of this.element.children) button.setAttribute("aria-pressed", button.dataset.layer === chosen);
  }
}
