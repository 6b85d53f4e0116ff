// The choices along the further axes of a recording (word, layer, head): one row of chips for each axis.
import { make, makeFocusable, uniqueId } from "./dom.js";
import { indexAt } from "./layers.js";

const THUMBNAIL_SIZE = 40; // pixels per side

/**
 * The owner has: axes, layers (opened, by name), specs, selection, positions(), choose(axis, index), peek(axis, index).
 */
export class AxisChoices {
  constructor(owner) {
    this.owner = owner;
    this.element = make("div", { class: "ex-axes" });
  }

  /** Build the rows again if the axes have changed. */
  build() {
    const description = JSON.stringify(this.owner.axes);
    if (description !== this.description) this.element.replaceChildren(...this.owner.axes.map((axis) => this.buildRow(axis)));
    this.description = description;
    this.mark();
  }

  /** A row of choices. Pointing at one shows it until the pointer leaves. */
  buildRow(axis) {
    const group = uniqueId();
    const chips = axis.labels.map((label, k) => {
      const input = makeFocusable("input", { type: "radio", name: group, value: k, onchange: () => this.owner.choose(axis.name, k) });
      const thumbnail = axis.thumbnail_layer
        ? [make("canvas", { class: "ex-mini", width: THUMBNAIL_SIZE, height: THUMBNAIL_SIZE, "aria-hidden": "true" })] : [];
      return make("label", { class: "ex-chip", title: axis.tooltips?.[k] || undefined,
        onmouseenter: () => this.owner.peek(axis.name, k), onmouseleave: () => this.owner.peek() },
      input, make("span", {}, ...thumbnail, label));
    });
    return make("div", { class: "ex-axis", role: "radiogroup", "aria-label": axis.title, "data-axis": axis.name },
      make("span", { class: "ex-axis-title" }, axis.title), ...chips);
  }

  mark() {
    for (const row of this.element.children) {
      const axis = this.owner.axes.find(({ name }) => name === row.dataset.axis);
      const count = axis?.counts?.[this.owner.selection[axis.counts_along]] ?? Infinity;
      row.hidden = count < 2 || axis.in_diagram === true; // nothing to choose, or in a diagram
      row.querySelectorAll("label").forEach((chip, k) => (chip.hidden = k >= count));
      row.querySelectorAll("input").forEach((input, k) => (input.checked = k === this.owner.selection[row.dataset.axis]));
    }
  }

  /** Paint the thumbnail of each choice, at the present position along all other axes. */
  paint() {
    for (const row of this.element.children) {
      const axis = this.owner.axes.find(({ name }) => name === row.dataset.axis);
      const layer = axis?.thumbnail_layer && this.owner.layers.get(axis.thumbnail_layer);
      if (!layer) continue;
      row.querySelectorAll("canvas").forEach((canvas, k) => {
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, canvas.width, canvas.height);
        const positions = { ...this.owner.positions(), [axis.name]: k };
        layer.paint(context, indexAt(this.owner.specs.get(axis.thumbnail_layer), positions), { over: false, opacity: 1 });
      });
    }
  }
}
