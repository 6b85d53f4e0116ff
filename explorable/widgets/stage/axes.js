// The choices along the further axes of a recording (word, layer, head): a line of chips for each axis, or rows with more.
import { make, makeFocusable, uniqueId } from "./dom.js";
import { indexAt } from "./layers.js";
import { Rows } from "./rows.js";

const THUMBNAIL_SIZE = 40; // pixels per side

const inputName = (input) => `${input.closest("[data-axis]")?.dataset.axis} ${input.getAttribute("aria-label") ?? input.value}`;

/** Whether the pointer is on a choice now: that one is shown at once, without the chosen one in between. */
const isChip = (element) => Boolean(element?.closest?.(".ex-chip"));

/** How many choices there are along an axis, at a selection along the others. */
export function countAlong(axis, selection) {
  return axis.counts?.[selection[axis.counts_along]] ?? axis.labels.length;
}

/**
 * The owner has: axes, layers (opened, by name), specs, selection, positions(), choose(axis, index), peek(axis, index),
 * and what Rows needs.
 */
export class AxisChoices {
  constructor(owner) {
    this.owner = owner;
    this.element = make("div", { class: "ex-axes" });
    this.lines = [];
  }

  /** Build the lines again if the axes have changed. */
  build() {
    const description = JSON.stringify(this.owner.axes);
    if (description !== this.description) {
      const focused = this.focusedName();
      this.lines = this.owner.axes.map((axis) => this.buildLine(axis));
      this.element.replaceChildren(...this.lines.map(({ element }) => element));
      if (focused) [...this.element.querySelectorAll("input")].find((input) => inputName(input) === focused)?.focus();
    }
    this.description = description;
    this.mark();
  }

  /** The name of the choice or fader that has the focus. One that is built anew gets it back: a key may be held down. */
  focusedName() {
    const input = this.element.ownerDocument?.activeElement;
    return input && this.element.contains(input) ? inputName(input) : "";
  }

  /** The choices of an axis. Pointing at one shows it until the pointer leaves. */
  buildLine(axis) {
    const group = uniqueId();
    const radios = axis.labels.map((_, k) => makeFocusable("input", { type: "radio", name: group, value: k,
      onchange: () => this.owner.choose(axis.name, k) }));
    const thumbnails = axis.labels.map(() => (axis.thumbnail_layer
      ? make("canvas", { class: "ex-mini", width: THUMBNAIL_SIZE, height: THUMBNAIL_SIZE, "aria-hidden": "true" }) : null));
    const chips = axis.labels.map((label, k) => make("label", { class: "ex-chip", title: axis.tooltips?.[k] || undefined,
      onmouseenter: () => this.owner.peek(axis.name, k), onmouseleave: (event) => isChip(event.relatedTarget) || this.owner.peek() },
    radios[k], make("span", {}, ...(thumbnails[k] ? [thumbnails[k]] : []), label)));
    const rows = axis.share_layer ? new Rows(this.owner, axis, chips) : null;
    const element = make("div", { class: rows ? "ex-axis ex-rows" : "ex-axis", role: rows ? "group" : "radiogroup",
      "aria-label": axis.title, "data-axis": axis.name },
    ...(rows ? [make("div", { class: "ex-rows-title" }, axis.rows_title), ...rows.elements] : [make("span", { class: "ex-axis-title" }, axis.title), ...chips]));
    return { name: axis.name, element, radios, chips, rows, thumbnails: thumbnails.filter(Boolean) };
  }

  mark() {
    for (const { name, element, radios, chips, rows } of this.lines) {
      const axis = this.owner.axes.find((one) => one.name === name);
      const count = countAlong(axis, this.owner.selection);
      element.hidden = count < 2 || axis.in_diagram === true; // nothing to choose, or in a diagram
      chips.forEach((chip, k) => (chip.hidden = k >= count));
      radios.forEach((radio, k) => (radio.checked = k === this.owner.selection[name]));
      rows?.elements.forEach((row, k) => row.classList.toggle("ex-chosen", k === this.owner.selection[name]));
    }
  }

  markFaders() {
    for (const { rows } of this.lines) rows?.mark();
  }

  /** Paint the thumbnail or the share of each choice, at the present position along all other axes. */
  paint() {
    for (const { name, thumbnails, rows } of this.lines) {
      rows?.paint();
      const axis = this.owner.axes.find((one) => one.name === name);
      const layer = axis?.thumbnail_layer && this.owner.layers.get(axis.thumbnail_layer);
      if (!layer) continue;
      thumbnails.forEach((canvas, k) => {
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, canvas.width, canvas.height);
        const positions = { ...this.owner.positions(), [name]: k };
        layer.paint(context, indexAt(this.owner.specs.get(axis.thumbnail_layer), positions), { over: false, opacity: 1 });
      });
    }
  }
}
