// The stage under a hand, in node, on as much of a page as it needs. Run by test_javascript.py.
import assert from "node:assert/strict";
import test from "node:test";
import { body, modelOf } from "./page.mjs";
import stage from "../../../explorable/widgets/stage/stage.js";

const WORDS = ["a", "red", "car"];
const picture = (name, axes, shape) => ({ name, label: name, note: "", kind: "image", axes, shape });
const bytes = (...values) => new DataView(Uint8Array.from(values).buffer);
const grey = (...values) => bytes(...values.flatMap((v) => [v, v, v]));

/** Four frames of three words, each one pixel of its own grey: 10 * frame + word; and a path through the frames. */
function opened(t) {
  const path = { name: "path", label: "path", note: "", kind: "points", axes: [], shape: [4, 2], colours: ["image"],
    groups: null, highlighted: [], size: 6, trail: false, target_frames: [0, 1, 2, 3] };
  const model = modelOf({
    layers: [picture("read", ["frame", "word"], [4, 3, 1, 1, 3]), path],
    "bytes read": grey(...[0, 1, 2, 3].flatMap((f) => WORDS.map((_, w) => 10 * f + w))),
    "bytes path": new DataView(Uint16Array.from([0, 1, 2, 3].flatMap((k) => [(k / 4) * 65535, 32768])).buffer),
    captions: ["step 0", "step 1", "step 2", "step 3"], axes: [{ name: "word", title: "word", labels: WORDS }],
    panels: [{ name: "read", layers: ["read"] }, { name: "ways", layers: ["path"], interaction: "click" }],
    thumbnails: "", frame: 3, selection: { word: 2 }, layer: "read", recording_id: 1, autoplay: false, placeholder: "", columns: 2, dark: true,
  });
  const el = body();
  const close = stage.render({ model, el });
  t.after(() => close());
  const [read, ways] = el.find("ex-canvas");
  return { model, el, read, ways, shown: () => read.painted[0].image[0], caption: () => el.find("ex-caption")[0].textContent };
}

test("pointing at a word shows it, and leaving shows the chosen one, without a word to Python", (t) => {
  const { model, el, shown } = opened(t);
  assert.equal(shown(), 32);
  const chips = el.find("ex-chip");
  chips[1].fire("mouseenter");
  assert.equal(shown(), 31);
  chips[1].fire("mouseleave");
  assert.equal(shown(), 32);
  assert.deepEqual(model.said, []);
});

test("from one word to the next, the chosen one is not painted in between", (t) => {
  const { el, read, shown } = opened(t);
  const chips = el.find("ex-chip");
  chips[1].fire("mouseenter");
  const image = read.painted;
  chips[1].fire("mouseleave", { relatedTarget: { closest: () => chips[0] } });
  assert.equal(read.painted, image);
  chips[0].fire("mouseenter");
  assert.equal(shown(), 30);
});

test("a canvas on which a movement changes nothing is not painted again; one with other bytes is", (t) => {
  const { model, el, read, ways } = opened(t);
  const [path, image] = [ways.painted, read.painted]; // a new array each time a canvas is cleared
  el.find("ex-chip")[1].fire("mouseenter");
  assert.equal(ways.painted, path);
  assert.notEqual(read.painted, image);
  model.state["bytes path"] = new DataView(Uint16Array.from({ length: 8 }, () => 0).buffer);
  Object.assign(model.state, { recording_id: 2 });
  model.tell("change:recording_id");
  assert.notEqual(ways.painted, path);
});

test("each choice of an axis that shows a layer has a small picture of it, at the frame on the screen", (t) => {
  const { model, el } = opened(t);
  const minis = () => el.find("ex-mini").map((canvas) => canvas.painted[0].image[0]);
  assert.deepEqual(el.find("ex-mini"), []);
  model.state.axes = [{ name: "word", title: "word", labels: WORDS, thumbnail_layer: "read" }];
  Object.assign(model.state, { recording_id: 2 });
  model.tell("change:recording_id");
  assert.deepEqual(minis(), [30, 31, 32]);
  const [slider] = el.find("ex-slider");
  slider.value = "1";
  slider.fire("input");
  assert.deepEqual(minis(), [10, 11, 12]);
  assert.deepEqual(model.said, []);
});

test("pointing at a point of the path shows its step; leaving goes back; a click stays there", (t) => {
  const { model, ways, shown, caption } = opened(t);
  ways.fire("pointermove", { clientX: 26, clientY: 50 });
  assert.deepEqual([shown(), caption()], [12, "step 1"]);
  ways.fire("pointermove", { clientX: 35, clientY: 50 }); // between two points
  assert.deepEqual([shown(), caption()], [32, "step 3"]);
  ways.fire("pointermove", { clientX: 1, clientY: 51 });
  ways.fire("pointerleave");
  assert.deepEqual([shown(), caption(), model.said], [32, "step 3", []]);
  ways.fire("pointerdown", { button: 0, clientX: 60, clientY: 80 }); // the nearest, however far
  ways.fire("pointerup", { clientX: 60, clientY: 80 });
  ways.fire("pointerleave");
  assert.deepEqual([shown(), caption(), model.said], [22, "step 2", ["pointer"]]);
});

test("a click on a point that stands for a choice too chooses both, and pointing at it shows both", (t) => {
  const { model, ways, shown, caption } = opened(t);
  Object.assign(model.state.layers[1], { target_axis: "word", target_choices: [1, 0, 1, 0] });
  model.state.recording_id = 2;
  model.tell("change:recording_id");
  ways.fire("pointermove", { clientX: 1, clientY: 50 });
  assert.deepEqual([shown(), caption()], [1, "step 0"]);
  ways.fire("pointerleave");
  assert.deepEqual([shown(), caption()], [32, "step 3"]);
  ways.fire("pointerdown", { button: 0, clientX: 51, clientY: 50 });
  ways.fire("pointerup", { clientX: 51, clientY: 50 });
  ways.fire("pointerleave");
  assert.deepEqual([shown(), caption()], [21, "step 2"]);
});

test("a layer whose bytes did not come again keeps what it has painted", (t) => {
  const { model, read } = opened(t);
  const before = read.painted[0];
  model.state["bytes path"] = new DataView(Uint16Array.from({ length: 8 }, () => 0).buffer);
  Object.assign(model.state, { recording_id: 2 });
  model.tell("change:recording_id");
  assert.equal(read.painted[0], before);
  model.state["bytes read"] = grey(...Array.from({ length: 12 }, (_, k) => 100 + k));
  Object.assign(model.state, { recording_id: 3 });
  model.tell("change:recording_id");
  assert.equal(read.painted[0].image[0], 111);
});

test("arrow keys on the slider move the frame; on a choice they are the choice's own", (t) => {
  const { el, caption } = opened(t);
  const [root] = el.find("ex-stage");
  const press = (on, key) => {
    let taken = false;
    root.fire("keydown", { key, target: el.find(on).at(-1), preventDefault: () => (taken = true) });
    return [caption(), taken];
  };
  assert.deepEqual(press("ex-slider", "ArrowLeft"), ["step 2", true]);
  assert.deepEqual(press("ex-icon", "Home"), ["step 0", true]);
  const choice = el.find("ex-chip")[0].find("input")[0];
  root.fire("keydown", { key: "ArrowRight", target: choice, preventDefault: () => assert.fail("the choice could not be made") });
  assert.equal(caption(), "step 0");
});

test("a held slider stays in the page through short pauses; once released, its frame is reported", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { model, el } = opened(t);
  const [slider] = el.find("ex-slider");
  const scrubTo = (k) => slider.fire("input", { target: Object.assign(slider, { value: k }) });
  slider.fire("pointerdown");
  scrubTo(1);
  t.mock.timers.tick(500);
  assert.equal(model.get("frame"), 3);
  slider.fire("pointerup");
  t.mock.timers.tick(200);
  assert.equal(model.get("frame"), 1);
  scrubTo(2); // by keyboard: not held
  t.mock.timers.tick(200);
  assert.equal(model.get("frame"), 2);
});

test("what takes the place of a first look goes on playing where that was, unless a hand has moved it", (t) => {
  const motion = globalThis.matchMedia;
  globalThis.matchMedia = () => ({ matches: false });
  t.after(() => (globalThis.matchMedia = motion));
  let next;
  globalThis.requestAnimationFrame = (f) => ((next = f), 7);
  t.after(() => (globalThis.requestAnimationFrame = () => 0));
  const { model, el, shown } = opened(t);
  const arrive = (state) => {
    Object.assign(model.state, { recording_id: model.state.recording_id + 1 }, state);
    model.tell("change:recording_id");
  };
  arrive({ autoplay: true });
  next(0);
  next(700); // of 1200: frame 2 of 4
  assert.equal(shown(), 22);
  arrive({ autoplay: false, "bytes read": grey(...Array.from({ length: 12 }, (_, k) => 100 + k)) });
  assert.equal(shown(), 100 + 2 * 3 + 2, "the new recording, the same frame");
  next(1200);
  assert.equal(shown(), 111, "it played to its end");
  arrive({ autoplay: true });
  next(0);
  const [slider] = el.find("ex-slider");
  slider.value = 1;
  slider.fire("input");
  arrive({ autoplay: false });
  assert.equal(shown(), 105, "the hand's frame stays");
});

test("thumbnails of frames that show the same are all there", (t) => {
  const { model, el } = opened(t);
  const few = { ...picture("read", ["frame"], [2, 1, 1, 3]), frame_indices: [0, 0, 1, 1] };
  Object.assign(model.state, { layers: [few], "bytes read": grey(1, 2), thumbnails: "read", axes: [], selection: {},
    panels: [{ name: "read", layers: ["read"] }], recording_id: 2 });
  model.tell("change:recording_id");
  const canvases = el.find("ex-thumb").map((thumb) => thumb.find("canvas")[0]);
  assert.equal(new Set(canvases).size, 4);
});
