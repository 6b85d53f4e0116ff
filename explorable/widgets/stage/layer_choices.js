// The choice of the layer that a panel with several alternatives shows: one button for each.
import { make, makeFocusable } from "./dom.js";

/** The owner has: chooseLayer(name). */
export class LayerChoices {
  constructor(owner) {
    this.owner = owner;
    this.element = make("div", { class: "ex-choices", role: "group", "aria-label": "What the image shows" });
  }

  /** specs: of the layers that can be chosen. */
  build(specs, chosen) {
    this.element.replaceChildren(...specs.map((spec) =>
      makeFocusable("button", { type: "button", class: "ex-choice", title: spec.note || undefined, "data-layer": spec.name,
        onclick: () => this.owner.chooseLayer(spec.name) }, spec.label)));
    this.element.hidden = specs.length < 2;
    this.mark(chosen);
  }

  mark(chosen) {
    for (const button of this.element.children) button.setAttribute("aria-pressed", button.dataset.layer === chosen);
  }
}
