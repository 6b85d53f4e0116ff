// Reading each kind of layer from its bytes, and painting it onto a canvas. layers.py describes the kinds.
//
// An opened layer has paint(context, index, options). Images and heatmaps also have at(index), a canvas, width and height;
// heatmaps read(index, x, y), the value there as text, and value(index, column, line), the number; points that stand for
// frames near(index, x, y, ratio), the nearest.
// options: {over: whether there is a layer below, opacity, frame, colour(name)}; for diagrams also {positions, pixelRatio,
// tile(name): the canvas of an image layer}.
import { openDiagram } from "./diagram.js";

const MAX_POSITION = 65535; // positions are integers from 0 to this, over a panel's side
const HEAT = [[4, 4, 22], [81, 18, 106], [182, 54, 90], [247, 138, 24], [252, 253, 170]]; // dark to light, readable for colour-blind users
const DECIMALS = 3; // of a value under the pointer

/**
 * The index of a layer's frame at a position along the axes, such as {frame: 3, word: 1}; row-major over the layer's axes.
 * spec.frame_indices: for layers with fewer frames than the recording, the one that each frame of the recording shows.
 */
export function indexAt(spec, positions) {
  const axes = spec.axes ?? ["frame"];
  const indexOf = (name) => {
    const at = positions[name] ?? 0;
    return name === "frame" && spec.frame_indices ? spec.frame_indices[Math.min(at, spec.frame_indices.length - 1)] : at;
  };
  return axes.reduce((index, name, k) => index * spec.shape[k] + Math.min(indexOf(name), spec.shape[k] - 1), 0);
}

/** How many frames a layer holds, over all of its axes. */
export function countOf(spec) {
  return (spec.axes ?? ["frame"]).reduce((count, _, k) => count * spec.shape[k], 1);
}

/** The colour of a share from 0 to 1, [red, green, blue]. */
export function heat(share) {
  const at = Math.max(0, Math.min(1, share)) * (HEAT.length - 1);
  const k = Math.min(Math.floor(at), HEAT.length - 2);
  return HEAT[k].map((low, i) => Math.round(low + (at - k) * (HEAT[k + 1][i] - low)));
}

const TABLE = Array.from({ length: 256 }, (_, v) => heat(v / 255));

function bytesOf(view, Type, length) {
  const buffer = view.buffer ?? view;
  const start = view.byteOffset ?? 0;
  // A typed array of two-byte items must start at an even offset, as a copy does.
  return start % Type.BYTES_PER_ELEMENT ? new Type(buffer.slice(start, start + length * Type.BYTES_PER_ELEMENT))
    : new Type(buffer, start, length);
}

function canvasOf(width, height, fill) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  fill(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Images as canvases, each created when it is first needed. */
function openImages(spec, view) {
  const [height, width] = spec.shape.slice(-3);
  const size = width * height * 3;
  const bytes = bytesOf(view, Uint8Array, countOf(spec) * size);
  const canvases = [];
  const at = (k) => (canvases[k] ??= canvasOf(width, height, (data) => {
    for (let from = k * size, to = 0; to < data.length; from += 3, to += 4) {
      data[to] = bytes[from];
      data[to + 1] = bytes[from + 1];
      data[to + 2] = bytes[from + 2];
      data[to + 3] = 255;
    }
  }));
  return { width, height, at, paint: (context, k) => stretch(context, at(k), true) };
}

/** Numbers as colours: alone, each position is a square; over an image, smooth and partly transparent. */
function openHeatmaps(spec, view) {
  const [height, width] = spec.shape.slice(-2);
  const size = width * height;
  const bytes = bytesOf(view, Uint8Array, countOf(spec) * size);
  const canvases = [];
  const at = (k) => (canvases[k] ??= canvasOf(width, height, (data) => {
    for (let from = k * size, to = 0; to < data.length; from += 1, to += 4) {
      const [red, green, blue] = TABLE[bytes[from]];
      data[to] = red;
      data[to + 1] = green;
      data[to + 2] = blue;
      data[to + 3] = 255;
    }
  }));
  const value = (k, column, line) => spec.low + (bytes[k * size + line * width + column] / 255) * (spec.high - spec.low);
  const read = (k, x, y) => {
    const [column, line] = [Math.min(Math.floor(x * width), width - 1), Math.min(Math.floor(y * height), height - 1)];
    return `${value(k, column, line).toFixed(DECIMALS)}${spec.unit ? ` ${spec.unit}` : ""} at column ${column}, row ${line}`;
  };
  const paint = (context, k, options) => {
    context.globalAlpha = options.over ? options.opacity : 1;
    stretch(context, at(k), options.over);
    context.globalAlpha = 1;
  };
  return { width, height, at, read, value, paint, overlays: true };
}

function stretch(context, canvas, smooth) {
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, context.canvas.width, context.canvas.height);
}

/** Moving points. With a trail, a line through the earlier frames, at the same position along the other axes. */
function openPoints(spec, view) {
  const count = spec.shape.at(-2);
  const parts = bytesOf(view, Uint16Array, countOf(spec) * count * 2);
  const marks = new Set(spec.highlighted);
  const byFrame = (spec.axes ?? ["frame"]).indexOf("frame");
  const stride = byFrame < 0 ? 0 : spec.shape.slice(byFrame + 1, -2).reduce((a, b) => a * b, 1);
  const group = (i) => (spec.groups ? spec.groups[i] : 0);

  function paint(context, k, options) {
    const { width, height } = context.canvas;
    const positionOf = (index, i) => {
      const at = (index * count + i) * 2;
      return [(parts[at] / MAX_POSITION) * width, (1 - parts[at + 1] / MAX_POSITION) * height];
    };
    const radius = (spec.size / 1000) * width;
    spec.colours.forEach((name, g) => {
      const members = Array.from({ length: count }, (_, i) => i).filter((i) => group(i) === g);
      context.fillStyle = context.strokeStyle = options.colour(name);
      if (spec.trail && stride) {
        context.globalAlpha = count > 100 ? 0.25 : 0.7;
        context.lineWidth = Math.max(1, radius / 3);
        context.beginPath();
        for (const i of members) {
          for (let f = 0; f <= options.frame; f += 1) {
            const [x, y] = positionOf(k - (options.frame - f) * stride, i);
            if (f) context.lineTo(x, y);
            else context.moveTo(x, y);
          }
        }
        context.stroke();
      }
      context.globalAlpha = count > 100 ? 0.7 : 1;
      context.beginPath();
      for (const i of members) {
        const [x, y] = positionOf(k, i);
        const r = marks.has(i) ? radius * 1.8 : radius;
        context.moveTo(x + r, y);
        context.arc(x, y, r, 0, 2 * Math.PI);
      }
      context.fill();
      context.globalAlpha = 1;
      context.lineWidth = Math.max(1.5, radius / 3);
      context.strokeStyle = options.colour("outline");
      for (const i of members.filter((m) => marks.has(m))) {
        const [x, y] = positionOf(k, i);
        context.beginPath();
        context.arc(x, y, radius * 1.8, 0, 2 * Math.PI);
        context.stroke();
      }
    });
  }

  /** The frame and the choices that the nearest point stands for, and its distance in panel widths. ratio: width / height. */
  function near(k, x, y, ratio) {
    const nearest = { frame: undefined, choices: {}, distance: Infinity };
    for (let i = 0; i < count; i += 1) {
      const at = (k * count + i) * 2;
      const distance = Math.hypot(parts[at] / MAX_POSITION - x, (1 - parts[at + 1] / MAX_POSITION - y) / ratio);
      if (distance < nearest.distance) Object.assign(nearest, { frame: spec.target_frames[i], distance, point: i });
    }
    if (spec.target_axis && nearest.frame !== undefined) nearest.choices = { [spec.target_axis]: spec.target_choices[nearest.point] };
    return nearest;
  }
  return spec.target_frames ? { paint, near } : { paint };
}

function openArrows(spec, view) {
  const count = spec.shape.at(-2);
  const parts = bytesOf(view, Uint16Array, countOf(spec) * count * 4);

  function paint(context, k, options) {
    const { width, height } = context.canvas;
    const head = width / 70;
    context.strokeStyle = options.colour(spec.colour);
    context.lineWidth = Math.max(1, width / 500);
    context.globalAlpha = 0.6;
    context.beginPath();
    for (let i = 0; i < count; i += 1) {
      const [x0, y0, x, y] = parts.subarray((k * count + i) * 4, (k * count + i + 1) * 4);
      const [ax, ay, bx, by] = [(x0 / MAX_POSITION) * width, (1 - y0 / MAX_POSITION) * height, (x / MAX_POSITION) * width, (1 - y / MAX_POSITION) * height];
      const angle = Math.atan2(by - ay, bx - ax);
      const side = Math.min(head, Math.hypot(bx - ax, by - ay) / 2);
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
      for (const turn of [2.6, -2.6]) {
        context.moveTo(bx, by);
        context.lineTo(bx + side * Math.cos(angle + turn), by + side * Math.sin(angle + turn));
      }
    }
    context.stroke();
    context.globalAlpha = 1;
  }
  return { paint };
}

/** The function that opens each kind of layer. */
export const OPENERS = { image: openImages, heatmap: openHeatmaps, points: openPoints, arrows: openArrows, diagram: openDiagram };

const NO_BYTES = new Uint8Array(0);

/**
 * Open every layer: a map from its name to {spec, view, layer}. bytes(name): its bytes; undefined for a layer without
 * points, since empty buffers are not sent. before: the layers opened so far; an unchanged one is kept with its canvases.
 */
export function openAll(specs, bytes, before = new Map()) {
  return new Map(specs.map((spec) => {
    const [view, old] = [bytes(spec.name) ?? NO_BYTES, before.get(spec.name)];
    const same = old !== undefined && old.view === view && JSON.stringify(old.spec) === JSON.stringify(spec);
    return [spec.name, same ? old : { spec, view, layer: OPENERS[spec.kind](spec, view) }];
  }));
}
