// The arithmetic of the page's half, in node: no browser, no build step. Run by test_javascript.py.
import assert from "node:assert/strict";
import test from "node:test";
import { countOf, heat, indexAt, openAll, OPENERS } from "../../../explorable/widgets/stage/layers.js";

const spec = { kind: "heatmap", axes: ["frame", "word"], shape: [3, 4, 2, 5], low: -1, high: 1, unit: "of 1" };

test("a frame is found row by row over the layer's own axes", () => {
  assert.equal(countOf(spec), 12);
  assert.equal(indexAt(spec, { frame: 0, word: 0 }), 0);
  assert.equal(indexAt(spec, { frame: 2, word: 1, head: 7 }), 9);
  assert.equal(indexAt(spec, { frame: 9, word: 9 }), 11, "past the end is the end");
  assert.equal(indexAt({ shape: [3, 8, 8, 3] }, { frame: 2 }), 2, "without axes: frames");
  assert.equal(indexAt({ axes: [], shape: [8, 8, 3] }, { frame: 2 }), 0, "one picture for all frames");
});

test("where several frames show the same, each finds the one that it shows", () => {
  const few = { axes: ["frame", "word"], shape: [2, 3, 1, 1, 3], frame_indices: [0, 0, 1, 1] };
  assert.deepEqual([0, 1, 2, 3, 9].map((frame) => indexAt(few, { frame, word: 1 })), [1, 1, 4, 4, 4]);
});

test("heat grows lighter from end to end", () => {
  const light = (share) => heat(share).reduce((a, b) => a + b);
  for (let v = 1; v <= 20; v += 1) assert.ok(light(v / 20) > light((v - 1) / 20), `at ${v}`);
  assert.deepEqual(heat(-1), heat(0));
  assert.deepEqual(heat(2), heat(1));
});

test("the number under the pointer is the number that was sent", () => {
  const bytes = Uint8Array.from({ length: 3 * 4 * 2 * 5 }, (_, i) => i);
  const map = OPENERS.heatmap(spec, new DataView(bytes.buffer));
  assert.equal(map.read(indexAt(spec, { frame: 0, word: 1 }), 0.99, 0.99), `${(-1 + (19 / 255) * 2).toFixed(3)} of 1 at column 4, row 1`);
  assert.equal(map.read(0, 1, 1), `${(-1 + (9 / 255) * 2).toFixed(3)} of 1 at column 4, row 1`, "the edge belongs to the last place");
});

test("points are read from a buffer that starts at an odd place, and drawn where they are", () => {
  const whole = new ArrayBuffer(1 + 2 * 2 * 2);
  new DataView(whole).setUint16(1, 65535, true); // x of the first point: at the right edge; y: 0, at the bottom
  const points = OPENERS.points({ kind: "points", shape: [1, 2, 2], colours: ["image"], highlighted: [], size: 10 },
    new DataView(whole, 1));
  const drawn = [];
  const context = new Proxy({ canvas: { width: 100, height: 50 } }, { set: () => true,
    get: (on, name) => on[name] ?? ((...values) => name === "arc" && drawn.push(values.slice(0, 3))) });
  points.paint(context, 0, { frame: 0, colour: () => "#000" });
  assert.deepEqual(drawn, [[100, 50, 1], [0, 50, 1]]);
});

test("points that lead to frames say which is the nearest, in widths of a panel; without points there is none", () => {
  const place = (...parts) => new DataView(Uint16Array.from(parts.map((v) => v * 65535)).buffer);
  const wide = { kind: "points", axes: [], shape: [2, 2], colours: ["image"], highlighted: [], size: 10, target_frames: [7, 9] };
  const near = OPENERS.points(wide, place(0, 0, 1, 1)).near(0, 0.9, 0.2, 2);
  assert.equal(near.frame, 9);
  assert.ok(Math.abs(near.distance - Math.hypot(0.1, 0.2 / 2)) < 1e-4);
  const none = OPENERS.points({ ...wide, shape: [0, 2], target_frames: [] }, new DataView(new ArrayBuffer(0)));
  assert.equal(none.near(0, 0.5, 0.5, 1).frame, undefined);
});

test("a layer that came again as it was stays open", () => {
  const [a, b] = ["a", "b"].map((name) => ({ name, kind: "heatmap", axes: [], shape: [1, 1], low: 0, high: 1 }));
  const [one, two, other] = [1, 2, 3].map((v) => new DataView(Uint8Array.of(v).buffer));
  const first = openAll([a, b], (name) => (name === "a" ? one : two));
  const then = openAll([{ ...a }, b], (name) => (name === "a" ? one : other), first);
  assert.equal(then.get("a"), first.get("a"));
  assert.notEqual(then.get("b"), first.get("b"));
  assert.notEqual(openAll([{ ...a, high: 2 }], () => one, first).get("a"), first.get("a"), "the same bytes, said otherwise");
});

test("a layer of no points opens, though bytes that are none are never sent", () => {
  const none = { name: "none", kind: "points", axes: [], shape: [0, 2], colours: ["image"], highlighted: [], size: 10, target_frames: [] };
  const opened = openAll([none], () => undefined);
  assert.equal(opened.get("none").layer.near(0, 0.5, 0.5, 1).frame, undefined);
  assert.equal(openAll([none], () => undefined, opened).get("none"), opened.get("none"));
});
