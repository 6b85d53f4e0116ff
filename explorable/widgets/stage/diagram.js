// A diagram: boxes with images in them, thin arrows, bands as thick and as opaque as their numbers are large, and the
// scale that says which thickness is which number. diagram.py describes it.
import { make, makeFocusable } from "./dom.js";

const MIN_BAND = 1.5; // pixels: a band of a small number can still be seen
const FAINTEST = 0.4; // opacity of a band near 0
const LABEL_SPACE = 2; // pixels around a label
const FONT = 11; // pixels on the screen
const DIGITS = 3;

/** A number with three significant digits, without an exponent. */
export function format(value) {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(DIGITS)));
}

/** How a band looks: {width, opacity, isZero}. pixels: the width of the thickest band. */
export function bandOf(value, high, pixels) {
  const share = Math.max(0, Math.min(1, value / high));
  return { width: Math.max(MIN_BAND, share * pixels), opacity: FAINTEST + (1 - FAINTEST) * share, isZero: share === 0 };
}

/** An opened diagram. view: little-endian float32, a number for each frame and element. */
export function openDiagram(spec, view) {
  const count = spec.elements.length;
  const valueAt = (index, k) => view.getFloat32((index * count + k) * 4, true);
  const textOf = (index, k) => `${spec.elements[k].name}: ${spec.quantity} ${format(valueAt(index, k))}, ${spec.elements[k].text}`;

  function paint(context, index, options) {
    const sheet = new Sheet(context, spec, options);
    spec.arrows.forEach((path) => sheet.arrow(path));
    spec.elements.forEach((element, k) => element.path.length && sheet.band(element, valueAt(index, k)));
    spec.elements.forEach((element) => element.path.length || sheet.box(element));
    const chosen = spec.elements[options.positions?.[spec.selects]];
    if (chosen) sheet.mark(chosen);
    sheet.scale();
    const labels = (isBand) => spec.elements.forEach((element, k) =>
      Boolean(element.path.length) === isBand && sheet.label(element, valueAt(index, k)));
    labels(true);
    labels(false);
    spec.texts.forEach(([text, x, y, align]) => sheet.text(text, x, y, align, options.colour("soft")));
  }
  return { paint, textOf, spec };
}

/** One painting of a diagram. */
class Sheet {
  constructor(context, spec, { colour, tile: tileOf, pixelRatio = 1 }) {
    const { width, height } = context.canvas;
    Object.assign(this, { context, spec, colour, tileOf, width, height, pixelRatio, taken: [] });
  }

  at([x, y]) {
    return [x * this.width, y * this.height];
  }

  stroke(path, width, colour) {
    const { context } = this;
    Object.assign(context, { lineWidth: width, strokeStyle: colour, lineJoin: "round" });
    context.beginPath();
    path.forEach((corner, k) => (k ? context.lineTo(...this.at(corner)) : context.moveTo(...this.at(corner))));
    context.stroke();
  }

  /** A triangle at the end of a path. */
  head(path, size, colour) {
    const [[x0, y0], [x, y]] = path.slice(-2).map((corner) => this.at(corner));
    const length = Math.hypot(x - x0, y - y0) || 1;
    const [dx, dy] = [(x - x0) / length, (y - y0) / length];
    const { context } = this;
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x - size * dx - (size / 2) * dy, y - size * dy + (size / 2) * dx);
    context.lineTo(x - size * dx + (size / 2) * dy, y - size * dy - (size / 2) * dx);
    context.fill();
  }

  arrow(path) {
    const colour = this.colour("soft");
    this.stroke(path, 1.2 * this.pixelRatio, colour);
    this.head(path, 6 * this.pixelRatio, colour);
  }

  /** A band; dashed where its number is 0, as after an ablation. */
  band({ path, colour: name }, value) {
    const { context } = this;
    const { width, opacity, isZero } = bandOf(value, this.spec.high, this.spec.thickness * this.height);
    const colour = this.colour(name);
    context.globalAlpha = opacity;
    context.setLineDash(isZero ? [4 * this.pixelRatio, 4 * this.pixelRatio] : []);
    this.stroke(path, Math.max(width, MIN_BAND * this.pixelRatio), colour);
    context.setLineDash([]);
    context.globalAlpha = 1;
    this.head(path, 7 * this.pixelRatio, this.colour("text"));
  }

  box({ box: [left, top, width, height], tile }) {
    const { context } = this;
    const [x, y] = this.at([left, top]);
    const [w, h] = this.at([width, height]);
    const image = tile && this.tileOf?.(tile);
    context.fillStyle = this.colour("raised");
    context.fillRect(x, y, w, h);
    context.imageSmoothingEnabled = false;
    if (image) context.drawImage(image, x, y, w, h);
    Object.assign(context, { lineWidth: this.pixelRatio, strokeStyle: this.colour("line") });
    context.strokeRect(x, y, w, h);
  }

  /** Text, unless another one is in its way: a small diagram shows fewer. */
  text(text, x, y, align, colour) {
    const { context } = this;
    const size = FONT * this.pixelRatio;
    Object.assign(context, { font: `${size}px system-ui, sans-serif`, textAlign: align, textBaseline: "middle", fillStyle: colour });
    const [width, [at, middle], space] = [context.measureText(text).width, this.at([x, y]), LABEL_SPACE * this.pixelRatio];
    const left = at - width * { left: 0, center: 0.5, right: 1 }[align];
    const [x0, y0, x1, y1] = [left - space, middle - size / 2, left + width + space, middle + size / 2];
    if (this.taken.some((other) => x0 < other[2] && other[0] < x1 && y0 < other[3] && other[1] < y1)) return;
    this.taken.push([x0, y0, x1, y1]);
    context.fillText(text, at, middle);
  }

  label({ label, label_at: [x, y], align, path }, value) {
    if (label) this.text(path.length ? `${label}: ${format(value)}` : label, x, y, align, this.colour(path.length ? "text" : "soft"));
  }

  /** A wedge as thick and as opaque as the bands are, with the numbers of its two ends and its middle. */
  scale() {
    const { context, spec } = this;
    const [left, top, width, height] = spec.scale_box;
    if (!width) return;
    const [x, middle] = this.at([left, top + height * 0.3]);
    const length = width * this.width;
    const parts = 24;
    context.fillStyle = this.colour("other");
    for (let k = 0; k < parts; k += 1) {
      const band = bandOf(((k + 0.5) / parts) * spec.high, spec.high, spec.thickness * this.height);
      context.globalAlpha = band.opacity;
      context.fillRect(x + (k / parts) * length, middle - band.width / 2, length / parts, band.width);
    }
    context.globalAlpha = 1;
    for (const share of [0, 1, 0.5]) {
      this.text(format(share * spec.high), left + share * width, top + height * 0.8, "center", this.colour("text"));
    }
    this.text(spec.quantity, left - 0.02, top + height * 0.3, "right", this.colour("text"));
  }

  mark({ box: [left, top, width, height] }) {
    const { context, pixelRatio } = this;
    const [x, y] = this.at([left, top]);
    const [w, h] = this.at([width, height]);
    Object.assign(context, { lineWidth: 3 * pixelRatio, strokeStyle: this.colour("accent") });
    context.strokeRect(x - 2 * pixelRatio, y - 2 * pixelRatio, w + 4 * pixelRatio, h + 4 * pixelRatio);
  }
}

/**
 * The elements of a diagram as radio buttons over its canvas: one stop for the Tab key, and the arrow keys choose in order.
 * The owner has: selection, choose(axis, index), peek(axis, index).
 */
export class DiagramChoices {
  constructor(owner, { spec }) {
    Object.assign(this, { owner, axis: spec.selects });
    this.buttons = spec.elements.map(({ name, box: [left, top, width, height] }, k) => {
      const percent = (share) => `${(100 * share).toFixed(2)}%`;
      const button = makeFocusable("div", { role: "radio", class: "ex-element", "data-element": name,
        onclick: () => this.choose(k), onkeydown: (event) => this.key(event, k),
        onmouseenter: () => owner.peek(this.axis, k), onmouseleave: () => owner.peek() });
      Object.assign(button.style, { left: percent(left), top: percent(top), width: percent(width), height: percent(height) });
      return button;
    });
    this.element = make("div", { class: "ex-elements", role: "radiogroup", "aria-label": spec.label,
      title: "Click a part, or move with the arrow keys" }, ...this.buttons);
  }

  choose(k) {
    this.owner.choose(this.axis, k);
    this.buttons[k].focus();
  }

  key(event, k) {
    const last = this.buttons.length - 1;
    const moves = { ArrowRight: k + 1, ArrowDown: k + 1, ArrowLeft: k - 1, ArrowUp: k - 1, Home: 0, End: last, " ": k, Enter: k };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves)) return;
    this.choose((moves[event.key] + last + 1) % (last + 1));
    event.preventDefault();
    event.stopPropagation(); // the stage moves the frame with these keys
  }

  /** Say the numbers of the present frame, and which element is chosen. */
  mark(layer, index) {
    const chosen = this.owner.selection[this.axis];
    this.buttons.forEach((button, k) => {
      button.setAttribute("aria-label", layer.textOf(index, k));
      button.setAttribute("aria-checked", String(k === chosen));
      button.setAttribute("tabindex", k === chosen ? 0 : -1);
    });
  }
}
