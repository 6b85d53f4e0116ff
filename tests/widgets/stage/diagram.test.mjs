// A diagram under a hand, in node: what is chosen, said and painted. Run by test_javascript.py.
import assert from "node:assert/strict";
import test from "node:test";
import { body, modelOf } from "./page.mjs";
import { bandOf, format } from "../../../explorable/widgets/stage/diagram.js";
import stage from "../../../explorable/widgets/stage/stage.js";

const NORMS = [[1, 40], [2, 0]]; // by frame, of the block and of the skip
const PARTS = ["block", "skip"];

/** Two frames; a block with an image of one pixel, 10 * frame + 5, and a skip whose band has the number. */
function opened(t) {
  const grey = (...values) => new DataView(Uint8Array.from(values.flatMap((v) => [v, v, v])).buffer);
  const image = (name) => ({ name, label: `activations of ${name}`, note: "", kind: "image", axes: ["frame"], shape: [2, 1, 1, 3] });
  const part = (name, more) => ({ name, text: "96 × 16 × 16", box: [0, 0, 0.2, 0.2], path: [], tile: "", label: name,
    label_at: [0.5, 0.5], align: "center", colour: "other", ...more });
  const u = { name: "u", label: "Parts", note: "", kind: "diagram", axes: ["frame"], shape: [2, 2], selects: "part",
    quantity: "norm", high: 50, arrows: [[[0, 0], [0.1, 0.1]]], texts: [], scale_box: [0.3, 0.5, 0.2, 0.4], thickness: 0.1,
    ratio: 1.5, elements: [part("block", { tile: "block" }),
      part("skip", { box: [0.3, 0, 0.4, 0.2], path: [[0.3, 0.1], [0.7, 0.1]], label_at: [0.5, 0.1] })] };
  const model = modelOf({
    layers: [u, image("block"), image("skip")], "bytes block": grey(5, 15), "bytes skip": grey(7, 17),
    "bytes u": new DataView(Float32Array.from(NORMS.flat()).buffer),
    captions: ["step 0", "step 1"], axes: [{ name: "part", title: "part", labels: PARTS, in_diagram: true }],
    panels: [{ name: "u", layers: ["u"], title: "The U" }, { name: "shown", layers: PARTS, layer_axis: "part" },
      { name: "still", layers: ["block"], title: "of step 0", of_frame: 0 }],
    thumbnails: "", frame: 0, selection: { part: 0 }, layer: "u", recording_id: 1, autoplay: false, placeholder: "", columns: 2, dark: true,
  });
  const el = body();
  const close = stage.render({ model, el });
  t.after(() => close());
  const [drawn, shown] = el.find("ex-canvas");
  const titles = () => el.find("ex-panel-title").map((title) => title.textContent);
  return { model, el, drawn, elements: el.find("ex-element"), titles, pixel: () => shown.painted[0].image[0],
    checked: () => el.find("ex-element").map((e) => e.attributes["aria-checked"]) };
}

test("each element says its point, its number at the step on the slider and its size", (t) => {
  const { el, elements, titles } = opened(t);
  const said = () => elements.map((element) => element.attributes["aria-label"]);
  assert.deepEqual(said(), ["block: norm 1, 96 × 16 × 16", "skip: norm 40, 96 × 16 × 16"]);
  const [slider] = el.find("ex-slider");
  slider.value = "1";
  slider.fire("input");
  assert.deepEqual(said(), ["block: norm 2, 96 × 16 × 16", "skip: norm 0, 96 × 16 × 16"]);
  assert.equal(titles()[0], "block: norm 2, 96 × 16 × 16");
});

test("a click chooses, in the page: the panel of its activations follows, and nothing is said to Python at once", (t) => {
  const { model, elements, titles, pixel, checked } = opened(t);
  assert.deepEqual([pixel(), checked(), titles()[1]], [5, ["true", "false"], "activations of block"]);
  elements[1].fire("click");
  assert.deepEqual([pixel(), checked(), titles()[1]], [7, ["false", "true"], "activations of skip"]);
  assert.equal(titles()[0], "skip: norm 40, 96 × 16 × 16");
  assert.deepEqual(model.said, []);
});

test("pointing shows a part until the pointer leaves", (t) => {
  const { elements, pixel, checked } = opened(t);
  elements[1].fire("mouseenter");
  assert.equal(pixel(), 7);
  assert.deepEqual(checked(), ["true", "false"], "it is not chosen");
  elements[1].fire("mouseleave");
  assert.equal(pixel(), 5);
});

test("the arrow keys choose in order and around; the frame stays; other keys are the page's", (t) => {
  const { el, elements, checked } = opened(t);
  const press = (k, key, more = {}) => {
    const taken = [];
    elements[k].fire("keydown", { key, preventDefault: () => taken.push("default"), stopPropagation: () => taken.push("stage"), ...more });
    return [checked().indexOf("true"), taken.length];
  };
  assert.deepEqual(press(0, "ArrowRight"), [1, 2]);
  assert.deepEqual(press(1, "ArrowDown"), [0, 2], "after the last comes the first");
  assert.deepEqual(press(0, "ArrowLeft"), [1, 2]);
  assert.deepEqual(press(1, "Home"), [0, 2]);
  assert.deepEqual(press(0, "End"), [1, 2]);
  assert.deepEqual(press(1, "ArrowLeft", { ctrlKey: true }), [1, 0]);
  assert.deepEqual(press(1, "x"), [1, 0]);
  assert.equal(el.find("ex-caption")[0].textContent, "step 0");
  assert.deepEqual(elements.map((e) => e.attributes.tabindex), [-1, 0], "one stop for the Tab key");
});

test("the image of a block is painted in its box, and the axis has no row of its own", (t) => {
  const { el, drawn } = opened(t);
  assert.equal(drawn.painted[0].image[0], 5);
  assert.deepEqual(el.find("ex-axis").map((row) => row.hidden), [true]);
});

test("the scale is painted with the numbers of its ends, and a label that would lie on another is left out", (t) => {
  const { drawn } = opened(t);
  for (const text of ["0", "50", "norm", "skip: 40"]) assert.ok(drawn.texts.includes(text), text);
  assert.ok(!drawn.texts.includes("25"), "it would touch the others on so small a canvas");
});

test("a diagram with other elements has other choices, and the same ones stay", (t) => {
  const { model, el, elements } = opened(t);
  const arrive = (state) => {
    Object.assign(model.state, { recording_id: model.state.recording_id + 1 }, state);
    model.tell("change:recording_id");
  };
  arrive({ "bytes u": new DataView(Float32Array.from([3, 4, 5, 6]).buffer) });
  assert.equal(el.find("ex-element")[0], elements[0]);
  assert.equal(elements[0].attributes["aria-label"], "block: norm 3, 96 × 16 × 16");
  const [u, ...others] = model.state.layers;
  arrive({ layers: [{ ...u, elements: u.elements.map((e) => ({ ...e, text: "other" })) }, ...others] });
  assert.equal(el.find("ex-element").length, 2);
  assert.equal(el.find("ex-element")[1].attributes["aria-label"], "skip: norm 4, other");
});

test("a band is as thick and as opaque as its number is large, and can be seen near 0", () => {
  const bands = [0, 1, 25, 50, 80].map((value) => bandOf(value, 50, 20));
  assert.deepEqual(bands.map(({ width }) => width), [1.5, 1.5, 10, 20, 20]);
  assert.deepEqual(bands.map(({ isZero }) => isZero), [true, false, false, false, false]);
  for (let k = 1; k < 4; k += 1) assert.ok(bands[k].opacity > bands[k - 1].opacity);
  assert.ok(bands[0].opacity > 0.3 && bands[3].opacity === 1);
});

test("numbers are written with three digits", () => {
  assert.deepEqual([0, 0.01234, 12.345, 999.9, 4321.5].map(format), ["0", "0.0123", "12.3", "1000", "4322"]);
});
