// Brushing a region, and choices as rows with shares and faders, in node. Run by test_javascript.py.
import assert from "node:assert/strict";
import test from "node:test";
import { body, modelOf } from "./page.mjs";
import { meanIn, percent, toBox } from "../../../explorable/widgets/stage/regions.js";
import stage from "../../../explorable/widgets/stage/stage.js";

const WORDS = ["<start>", "red", "car", "<pad>"];
const SIDE = 2; // positions per side of a map
const FRAMES = 2;

/** The share of each word at each position: "car" on the right, "red" at the top, the rest of 1 is the start token's. */
function weight(frame, word, line, column) {
  const red = line === 0 ? 0.2 + 0.1 * frame : 0;
  const car = column === 1 ? 0.6 : 0;
  return [1 - red - car, red, car, 0][word];
}

/** A stage with the maps of four words over two frames, each scaled to its largest value, as Python sends them. */
function opened(t, more = {}) {
  const at = WORDS.map((_, w) => Array.from({ length: FRAMES }, (_, f) => [0, 1, 2, 3].map((i) => weight(f, w, i >> 1, i % 2))));
  const peaks = at.map((maps) => Math.max(...maps.flat()));
  const bytes = Array.from({ length: FRAMES }, (_, f) => WORDS.map((_, w) => at[w][f].map((v) => Math.round((255 * v) / (peaks[w] || 1)))));
  const maps = { name: "maps", label: "maps", kind: "heatmap", axes: ["frame", "word"], shape: [FRAMES, 4, SIDE, SIDE], low: 0, high: 1,
    unit: "", peaks, peak_shape: [1, 4] };
  const model = modelOf({
    layers: [maps], "bytes maps": new DataView(Uint8Array.from(bytes.flat(2)).buffer), captions: ["step 0", "step 1"],
    axes: [{ name: "word", title: "word", labels: WORDS, share_layer: "maps", share_title: "share", rows_title: "word, share, factor",
      ranked: [1, 2], fader: { keys: ["<start>", "red", "red", ""], title: "attention to", low: 0, high: 4, step: 0.25 } }],
    panels: [{ name: "maps", title: "Maps", layers: ["maps"], interaction: "brush", ranks: "word", ranking_title: "attends to" },
      { name: "edited", layers: ["maps"], title: "", titles: WORDS.map((word) => `Without ${word}`), titles_along: "word" }],
    thumbnails: "", frame: 1, selection: { word: 2 }, layer: "maps", recording_id: 1, autoplay: false, placeholder: "", columns: 2,
    dark: true, region: [], faders: { "<start>": 0, red: 0 }, ...more });
  const el = body();
  const close = stage.render({ model, el });
  t.after(() => close());
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const [canvas] = el.find("ex-canvas");
  const point = (x, y) => ({ button: 0, pointerId: 1, clientX: 100 * x, clientY: 100 * y });
  return {
    model, el, canvas, label: () => el.find("ex-brush-label")[0], hint: () => el.find("ex-hint")[0],
    lines: () => el.find("ex-ranking")[0].children.map((line) => line.textContent),
    press: (key, more = {}) => canvas.fire("keydown", { key, ...more }),
    drag(...points) {
      canvas.fire("pointerdown", point(...points[0]));
      for (const at of points.slice(1)) canvas.fire("pointermove", point(...at));
    },
    letGo: () => canvas.fire("pointerup", {}),
  };
}

const near = (one, other) => one.forEach((v, k) => assert.ok(Math.abs(v - other[k]) < 1e-9, `${one} is not ${other}`));

test("corners become a box within the image, no smaller than a position", () => {
  near(toBox([0.8, 0.6, 0.2, 0.4]), [0.2, 0.4, 0.8, 0.6]);
  near(toBox([0.5, 0.5, 0.5, 0.5]), [0.46875, 0.46875, 0.53125, 0.53125]);
  near(toBox([2, -1, 1, 0.5]), [0.9375, 0, 1, 0.5]);
  near(toBox(toBox([0.31, 0.5, 0.31, 0.52])), toBox([0.31, 0.5, 0.31, 0.52]));
});

test("the mean over a box counts each position by how much of it the box covers", () => {
  const layer = { width: 2, height: 2, value: (k, column, line) => [[1, 2], [3, 4]][line][column] };
  assert.equal(meanIn(layer, 0), 2.5);
  assert.equal(meanIn(layer, 0, [0.5, 0, 1, 0.5]), 2);
  assert.ok(Math.abs(meanIn(layer, 0, [0.25, 0, 1, 0.5]) - (1 * 0.5 + 2 * 1) / 1.5) < 1e-9);
});

test("shares are written with two digits at most", () => {
  assert.deepEqual([0, 0.0004, 0.007, 0.0993, 0.0996, 0.256, 1].map(percent), ["0%", "0%", "0.7%", "9.9%", "10%", "26%", "100%"]);
});

test("a brushed region ranks the words at once, and sends nothing until the hand lets go", (t) => {
  const { model, drag, letGo, label, lines, hint } = opened(t);
  assert.deepEqual([label().hidden, hint().hidden], [true, false]);
  drag([0.5, 0], [0.7, 0.1], [1, 0.5]); // right, above: car .6, red .3
  assert.deepEqual(lines(), ["attends to", "car 60%", "red 30%"]);
  assert.deepEqual([label().hidden, hint().hidden, model.said], [false, true, []]);
  t.mock.timers.tick(1000); // the hand rests, and does not let go
  assert.deepEqual(model.said, []);
  letGo();
  t.mock.timers.tick(149);
  assert.deepEqual(model.said, []);
  t.mock.timers.tick(1);
  assert.deepEqual([model.said, model.state.region], [["region"], [0.5, 0, 1, 0.5]]);
});

test("the ranking follows the frame, and nothing is sent while it is scrubbed", (t) => {
  const { model, el, drag, letGo, lines } = opened(t);
  drag([0, 0], [0.5, 0.5]);
  assert.deepEqual(lines(), ["attends to", "red 30%", "car 0%"]);
  letGo();
  t.mock.timers.tick(150);
  model.said.length = 0;
  const [slider] = el.find("ex-slider");
  slider.value = "0";
  slider.fire("input");
  assert.deepEqual([lines(), model.said], [["attends to", "red 20%", "car 0%"], []]);
});

test("by keyboard a region is begun, moved, stretched and cleared", (t) => {
  const { model, label, press } = opened(t);
  const region = () => {
    t.mock.timers.tick(150);
    return model.state.region;
  };
  press("ArrowLeft");
  near(region(), [0.375, 0.375, 0.625, 0.625]);
  press("ArrowRight");
  press("ArrowDown");
  near(region(), [0.40625, 0.40625, 0.65625, 0.65625]);
  press("ArrowRight", { shiftKey: true });
  press("ArrowUp", { shiftKey: true });
  near(region(), [0.40625, 0.40625, 0.6875, 0.625]);
  for (let k = 0; k < 40; k += 1) press("ArrowRight"); // it stops at the edge, and keeps its size
  near(region(), [0.71875, 0.40625, 1, 0.625]);
  assert.deepEqual(model.said, Array(4).fill("region"), "keys in quick succession are one report");
  press("Escape");
  assert.deepEqual([region(), label().hidden], [[], true]);
});

test("a screen reader gets the ranking as a sentence; the button clears the region", (t) => {
  const { model, el, drag, letGo, label } = opened(t);
  drag([0.5, 0], [1, 0.5]);
  letGo();
  t.mock.timers.tick(150);
  assert.equal(el.find("ex-live")[0].textContent, "attends to, car 60%, red 30%");
  label().find("ex-clear")[0].fire("click");
  t.mock.timers.tick(150);
  assert.deepEqual([model.state.region, label().hidden], [[], true]);
});

test("Python sets a region; one that it does not know yet stays", (t) => {
  const { model, drag, letGo, label, lines } = opened(t);
  model.state.region = [0, 0, 0.5, 0.5];
  model.tell("change:region");
  assert.deepEqual([label().hidden, lines()[1]], [false, "red 30%"]);
  drag([0.5, 0], [1, 0.5]);
  Object.assign(model.state, { recording_id: 2 }); // another recording arrives while the hand moves
  model.tell("change:recording_id");
  assert.equal(lines()[1], "car 60%");
  letGo();
  t.mock.timers.tick(150);
  assert.deepEqual(model.state.region, [0.5, 0, 1, 0.5]);
  Object.assign(model.state, { recording_id: 3 });
  model.tell("change:recording_id");
  assert.equal(lines()[1], "car 60%", "the same region of the new image");
});

test("the value under the pointer is shown only while no region is brushed", (t) => {
  const { el, canvas, drag } = opened(t);
  const readout = () => el.find("ex-readout")[0].textContent;
  canvas.fire("pointermove", { clientX: 75, clientY: 25 });
  assert.match(readout(), /at column 1, row 0/);
  drag([0.5, 0], [1, 0.5]);
  canvas.fire("pointermove", { clientX: 75, clientY: 25 });
  assert.equal(readout(), "");
});

test("each word has its name, share and fader in one row", (t) => {
  const { el } = opened(t);
  const rows = el.find("ex-choice-row");
  assert.deepEqual(rows.map((row) => row.find("ex-share")[0].textContent), ["55%", "15%", "30%", "0%"]);
  assert.deepEqual(rows.map((row) => row.find("ex-fader").length), [1, 1, 1, 0]);
  assert.equal(rows[1].find("ex-fader")[0].attributes["aria-label"], "attention to “red” ×");
  assert.deepEqual(rows.map((row) => row.find("input")[0].checked), [false, false, true, false]);
  assert.equal(el.find("ex-rows-title")[0].textContent, "word, share, factor");
});

test("moving a fader chooses its word, tells Python both, and the value stays under the hand", (t) => {
  const { model, el } = opened(t);
  const [, red, car] = el.find("ex-fader");
  red.value = "2.5";
  red.fire("input");
  assert.deepEqual(model.said, ["selection", "faders"]);
  assert.deepEqual([model.state.selection, model.state.faders], [{ word: 1 }, { "<start>": 0, red: 2.5 }]);
  assert.deepEqual([car.value, el.find("ex-factor")[1].textContent], [2.5, "× 2.5"], "a word that occurs twice has one value");
  model.state.faders = { "<start>": 1, red: 2 }; // an older value of Python's
  model.tell("change:faders");
  assert.deepEqual([red.value, el.find("ex-fader")[0].value], ["2.5", 1]);
  red.fire("change"); // the hand lets go
  model.state.faders = { "<start>": 1, red: 6 };
  model.tell("change:faders");
  assert.deepEqual([red.value, red.max], [6, 6]);
});

test("without a kernel there are shares and no faders, and regions are ranked", (t) => {
  const { el, drag, lines } = opened(t, { faders: undefined, region: undefined });
  assert.deepEqual([el.find("ex-fader").length, el.find("ex-share").length], [0, 4]);
  drag([0.5, 0], [1, 0.5]);
  assert.equal(lines()[1], "car 60%");
});

test("a panel's title names the word that it shows, also one that is pointed at", (t) => {
  const { el } = opened(t);
  const title = () => el.find("ex-panel-title")[1].textContent;
  assert.equal(title(), "Without car");
  const [, red] = el.find("ex-chip");
  red.fire("mouseenter");
  assert.equal(title(), "Without red");
  red.fire("mouseleave");
  assert.equal(title(), "Without car");
});
