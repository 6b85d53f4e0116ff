// Brushing a region of a panel, by pointer or keyboard, and what the region attends to: at its side, at once.
import { make, makeFocusable } from "./dom.js";
import { percent, ranking, toBox } from "./regions.js";

const NUDGE = 1 / 32; // of the panel's side: one step with an arrow key
const FIRST = [0.375, 0.375, 0.625, 0.625]; // the region with which the keyboard begins
const GAP = 4; // pixels between the region and its label

/** The panel has: canvas, box, element, spec, positionOf(event), and owner, with axes and inputs. */
export class Brush {
  constructor(panel) {
    this.panel = panel;
    this.lines = make("div", { class: "ex-ranking" });
    const clear = makeFocusable("button", { type: "button", class: "ex-clear", title: "Clear the region",
      "aria-label": "Clear the region", onclick: () => this.clear() }, "×");
    this.label = make("div", { class: "ex-brush-label" }, this.lines, clear);
    this.label.hidden = true;
    this.hint = make("div", { class: "ex-hint" }, make("span", { class: "ex-by-pointer" }, "Drag over a region"),
      make("span", { class: "ex-by-key" }, "Arrow keys; with Shift: size"));
    panel.box.append(this.hint);
    panel.element.append(this.label);
    const { canvas } = panel;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.start && this.move(event));
    canvas.addEventListener("pointerup", () => this.up());
    canvas.addEventListener("pointercancel", () => this.up());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  down(event) {
    if (event.button) return;
    this.panel.canvas.setPointerCapture(event.pointerId);
    this.panel.canvas.focus();
    this.start = this.panel.positionOf(event);
    this.move(event);
    event.preventDefault();
  }

  move(event) {
    this.panel.owner.inputs.brush(toBox([...this.start, ...this.panel.positionOf(event)]));
  }

  up() {
    if (this.start) this.panel.owner.inputs.reportRegionSoon();
    this.start = null;
  }

  clear() {
    this.panel.owner.inputs.brush(null);
    this.panel.owner.inputs.reportRegionSoon();
    this.panel.canvas.focus();
  }

  /** Arrow keys move the region; with Shift they move its right and lower edges; Escape clears it. */
  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { inputs } = this.panel.owner;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      inputs.brush(inputs.region ? moved(inputs.region, moves[event.key], event.shiftKey) : FIRST);
      inputs.reportRegionSoon();
    } else if (event.key === "Escape" && inputs.region) this.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Show what the present region attends to, or, without a region, that one may brush. */
  paint() {
    const { owner, spec } = this.panel;
    const { region } = owner.inputs;
    const axis = owner.axes.find(({ name }) => name === spec.ranks);
    this.hint.hidden = Boolean(region);
    this.label.hidden = !region || !axis;
    if (this.label.hidden) return;
    this.lines.replaceChildren(make("div", { class: "ex-ranking-title" }, spec.ranking_title),
      ...ranking(owner, axis, region).map(({ label, share }) => make("div", {}, make("b", {}, label), ` ${percent(share)}`)));
    this.place(region);
  }

  /** The ranking as a sentence, for screen readers. */
  describe() {
    return [...this.lines.children].map((line) => line.textContent).join(", ");
  }

  /** Below the region, or above it, where the panel has room; otherwise beside it, over the next panel. */
  place([left, top, right, bottom]) {
    const { offsetTop, clientWidth: width, clientHeight: height } = this.panel.box;
    const [tall, wide] = [this.label.offsetHeight, this.label.offsetWidth];
    const below = bottom * height + GAP + tall <= height;
    const above = top * height - GAP - tall >= 0;
    const x = below || above ? Math.max(0, Math.min(left * width, width - wide)) : right * width + GAP;
    const beside = Math.max(0, Math.min(top * height, height - tall));
    const y = below ? bottom * height + GAP : above ? top * height - GAP - tall : beside;
    this.label.style.left = `${x}px`;
    this.label.style.top = `${offsetTop + y}px`;
  }
}

function moved([left, top, right, bottom], [dx, dy], stretches) {
  if (stretches) return toBox([left, top, Math.max(right + dx * NUDGE, left), Math.max(bottom + dy * NUDGE, top)]);
  const shift = (low, high, by) => Math.max(-low, Math.min(1 - high, by * NUDGE));
  const [x, y] = [shift(left, right, dx), shift(top, bottom, dy)];
  return [left + x, top + y, right + x, bottom + y];
}
