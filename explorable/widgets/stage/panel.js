// A panel: layers painted over each other on one canvas, a title, the value under the pointer, and what the user does there.
import { Brush } from "./brush.js";
import { DiagramChoices } from "./diagram.js";
import { make } from "./dom.js";
import { indexAt } from "./layers.js";

const MAX_PIXELS = 1024; // a side of the canvas, on high-resolution screens
const REACH = 1 / 40; // of a panel's width: the distance at which the pointer is on a point
const WIDE = 1.5; // width / height from which a panel has its own line on a narrow stage
const TINY = 64; // pixels: a narrower panel has no room for its title
const NUDGE = 1 / 32; // of a panel's side: one step of the cross with an arrow key

const INSTRUCTIONS = {
  click: "Click, or move the cross with the arrow keys and press Enter.",
  drag: "Drag, or move with the arrow keys.",
  brush: "Drag over a region. The arrow keys move it, with Shift they change its size, Escape clears it.",
  draw: "Draw with the pointer held down, or move the cross with the arrow keys and press Enter for each point.",
};

/**
 * The owner has: layers (opened, by name), specs, layerChoices, axes, selection, positions(), peeked, peek(axis, index, choices),
 * choose(axis, index), scrub(frame), colour(name), opacity, reporter, inputs.
 */
export class Panel {
  constructor(owner, spec) {
    Object.assign(this, { owner, spec, start: null, cross: [0.5, 0.5], strokes: [] });
    this.canvas = make("canvas", { class: "ex-canvas", role: "img" });
    this.title = make("div", { class: "ex-panel-title" }, spec.title ?? "");
    this.readout = make("div", { class: "ex-readout" });
    this.box = make("div", { class: "ex-frame" }, this.canvas, this.readout);
    this.element = make("div", { class: "ex-panel", "data-panel": spec.name }, this.title, this.box);
    const hasTitle = spec.title || spec.titles_along || spec.layer_axis || this.diagramLayer();
    this.element.classList.toggle("ex-untitled", !hasTitle);
    this.element.classList.toggle("ex-one-line-title", Boolean(spec.titles_along)); // it changes: nothing should move
    this.element.classList.toggle("ex-small", Boolean(spec.compact));
    if (spec.grid_area) {
      const [column, row, columns, rows] = spec.grid_area;
      this.element.style.gridArea = `${row} / ${column} / span ${rows} / span ${columns}`;
    }
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    if (spec.interaction) this.listen();
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.canvas);
  }

  close() {
    this.resize.disconnect();
  }

  /** Take over a description with the same layout. */
  update(spec) {
    this.spec = spec;
    this.element.title = spec.compact ? spec.title : "";
    this.buildChoices();
    this.updateShape();
  }

  /** The choices of a diagram, built again when its elements are others. */
  buildChoices() {
    const diagram = this.diagramLayer();
    const description = diagram && JSON.stringify(diagram.spec.elements);
    if (description === this.choicesDescription) return;
    this.choices?.element.remove();
    this.choices = diagram && new DiagramChoices(this.owner, diagram);
    if (diagram) this.box.append(this.choices.element);
    this.choicesDescription = description;
  }

  diagramLayer() {
    return this.spec.layers.map((name) => this.owner.layers.get(name)).find((layer) => layer?.textOf);
  }

  /** The names of the shown layers, the lowest first. */
  shownLayers() {
    const names = this.spec.layers.filter((name) => this.owner.layers.has(name));
    const along = this.spec.layer_axis;
    if (along) {
      const count = this.owner.axes.find((axis) => axis.name === along).labels.length;
      return names.filter((_, k) => k >= count || k === this.owner.positions()[along]);
    }
    const chosen = this.spec.switchable && this.owner.layerChoices.inPlace(names);
    return this.spec.switchable ? names.filter((name) => name === chosen) : names;
  }

  updateShape() {
    const sized = this.spec.layers.map((name) => this.owner.layers.get(name)).find((layer) => layer?.width);
    const extent = this.spec.layers.map((name) => this.owner.specs.get(name)?.extent).find((e) => e);
    const aspect = extent && (extent[1] - extent[0]) / (extent[3] - extent[2]);
    const ratio = this.spec.ratio ?? this.diagramLayer()?.spec.ratio ?? (sized ? sized.width / sized.height : aspect ?? 1);
    this.box.style.aspectRatio = ratio;
    this.element.classList.toggle("ex-wide", ratio > WIDE || Boolean(this.choices));
  }

  /** moved: only the position along the axes is another: a canvas on which that changes nothing stays as it is. */
  paint(moved = false) {
    const positions = this.owner.positions();
    const painted = this.paintedAt(positions);
    if (moved && painted.length === this.painted?.length && painted.every((part, k) => part === this.painted[k])) {
      this.paintTexts(positions);
      return;
    }
    this.painted = painted;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.shownLayers().forEach((name, k) => {
      this.owner.layers.get(name).paint(context, indexAt(this.owner.specs.get(name), positions), {
        over: k > 0, opacity: this.owner.opacity, frame: positions.frame, colour: (name) => this.owner.colour(name),
        positions, pixelRatio: this.canvas.width / (this.canvas.clientWidth || this.canvas.width),
        tile: (name) => this.owner.layers.get(name)?.at(indexAt(this.owner.specs.get(name), positions)) });
    });
    this.paintTexts(positions);
    if (this.spec.interaction) this.paintMarks(context);
    this.brush?.paint();
  }

  /** What the canvas shows at a position: each layer with its index, and the frame where more depends on it. */
  paintedAt(positions) {
    const names = this.shownLayers();
    const more = this.brush || names.some((name) => this.owner.layers.get(name).textOf) ? [positions]
      : names.some((name) => this.owner.specs.get(name).trail) ? [positions.frame] : [];
    return [...names.flatMap((name) => [this.owner.layers.get(name), indexAt(this.owner.specs.get(name), positions)]), ...more];
  }

  /**
   * The title: of a diagram, what is chosen and its number; where layers take turns, what the shown one is; where there is one
   * for each choice along an axis, that of the position.
   */
  paintTexts(positions) {
    const { of_frame: frame, layer_axis: along, titles_along: axis, titles, title = "" } = this.spec;
    let text = (axis ? titles[positions[axis]] : title) ?? "";
    if (along) text = `${title}${this.owner.specs.get(this.shownLayers()[0])?.label ?? ""}`;
    if (this.choices) {
      const [diagram, name] = [this.diagramLayer(), this.spec.layers.find((n) => this.owner.layers.get(n)?.textOf)];
      const index = indexAt(this.owner.specs.get(name), positions);
      this.choices.mark(diagram, index);
      text = diagram.textOf(index, positions[diagram.spec.selects] ?? 0);
    }
    this.element.classList.toggle("ex-other-frame", frame !== undefined && frame !== null && positions.frame !== frame);
    if (this.title.textContent === text) return;
    this.title.textContent = text;
    this.title.title = text; // where there is no room for all of it
  }

  /** Give the canvas as many pixels as the screen shows. */
  fit() {
    const scale = Math.min(window.devicePixelRatio || 1, MAX_PIXELS / Math.max(this.canvas.clientWidth, 1));
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.round(side * scale));
    this.element.classList.toggle("ex-tiny", width > 0 && this.canvas.clientWidth < TINY);
    if (!width || (width === this.canvas.width && height === this.canvas.height)) return;
    Object.assign(this.canvas, { width, height });
    this.paint();
  }

  clear() {
    this.strokes = [];
    this.paint();
  }

  // ---- what the user does -----------------------------------------------------------------------------------------------

  /** The position of an event, in fractions of the panel. */
  positionOf(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height].map((v) => Math.max(0, Math.min(1, v)));
  }

  /** The nearest point that stands for a frame: {frame, choices, distance}; undefined without such points. */
  nearest([x, y]) {
    const name = this.shownLayers().findLast((n) => this.owner.layers.get(n).near);
    const { width, height } = this.canvas;
    return name && this.owner.layers.get(name).near(indexAt(this.owner.specs.get(name), this.owner.positions()), x, y, width / height);
  }

  /** Show the value under the pointer, and the frame of the point under it, until it leaves. */
  hover(event) {
    const [x, y] = this.positionOf(event);
    const point = this.nearest([x, y]);
    const shown = point && point.distance < REACH ? { frame: point.frame, ...point.choices } : {};
    if (point && JSON.stringify(shown) !== JSON.stringify(this.owner.peeked)) this.owner.peek("frame", shown.frame, point.choices);
    const name = this.shownLayers().findLast((n) => this.owner.layers.get(n).read);
    const isBrushed = this.brush && this.owner.inputs.region; // the region's label has this place
    const index = name && indexAt(this.owner.specs.get(name), this.owner.positions());
    this.readout.textContent = name && !isBrushed ? this.owner.layers.get(name).read(index, x, y) : "";
  }

  leave() {
    this.readout.textContent = "";
    if (this.owner.peeked.frame !== undefined) this.owner.peek();
  }

  listen() {
    const { canvas } = this;
    canvas.tabIndex = 0;
    canvas.setAttribute("data-lm-suppress-shortcuts", "true");
    canvas.classList.add("ex-handled");
    canvas.title = INSTRUCTIONS[this.spec.interaction];
    canvas.addEventListener("focus", () => this.paint());
    canvas.addEventListener("blur", () => this.paint());
    if (this.spec.interaction === "brush") {
      this.brush = new Brush(this);
      return;
    }
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.start && this.move(this.positionOf(event)));
    canvas.addEventListener("pointerup", (event) => this.start && this.up(this.positionOf(event)));
    canvas.addEventListener("pointercancel", () => (this.start = null));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  down(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus();
    this.start = this.positionOf(event);
    this.strokes = [this.start];
    this.cross = this.start;
    if (this.spec.interaction === "drag") this.report(this.start, false);
    event.preventDefault();
  }

  move(at) {
    this.cross = at;
    if (this.spec.interaction === "draw") this.strokes.push(at);
    if (this.spec.interaction === "drag") this.report(at, false);
    this.paint();
  }

  up(at) {
    this.report(at, true);
    this.start = null;
    this.paint();
  }

  /** Report an action, finished or not. */
  report(at, done) {
    const kind = this.spec.interaction;
    const [x, y] = at;
    const action = { panel: this.spec.name, kind, x, y };
    if (kind === "drag") Object.assign(action, { done });
    if (kind === "draw") Object.assign(action, { points: this.strokes });
    const point = kind === "click" && this.nearest(at);
    for (const [axis, choice] of Object.entries(point?.choices ?? {})) this.owner.choose(axis, choice);
    if (point) this.owner.scrub(point.frame);
    this.owner.reporter.action(action);
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const kind = this.spec.interaction;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      this.cross = [this.cross[0] + dx * NUDGE, this.cross[1] + dy * NUDGE].map((v) => Math.max(0, Math.min(1, v)));
      if (kind === "drag") this.report(this.cross, true);
    } else if (event.key === "Enter" && (kind === "click" || kind === "draw")) {
      this.strokes = [...this.strokes, this.cross];
      this.report(this.cross, true);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.paint();
  }

  paintMarks(context) {
    const { width, height } = context.canvas;
    context.strokeStyle = "#fff";
    context.lineWidth = Math.max(2, width / 200);
    context.shadowColor = "#000";
    context.shadowBlur = 4;
    context.beginPath();
    if (this.brush && this.owner.inputs.region) {
      const [left, top, right, bottom] = this.owner.inputs.region;
      context.rect(left * width, top * height, (right - left) * width, (bottom - top) * height);
    }
    if (this.spec.interaction === "draw") {
      for (const [x, y] of this.strokes) context.rect(x * width - 2, y * height - 2, 4, 4);
    }
    if (this.canvas.matches(":focus-visible") && !this.brush) {
      const [x, y] = [this.cross[0] * width, this.cross[1] * height];
      const arm = width / 30;
      context.moveTo(x - arm, y);
      context.lineTo(x + arm, y);
      context.moveTo(x, y - arm);
      context.lineTo(x, y + arm);
    }
    context.stroke();
    context.shadowBlur = 0;
  }
}
