// The legend of a chart, in node: which traces it names, and where their entries stand.
import assert from "node:assert/strict";
import test from "node:test";
import { legendTraces, placeEntries } from "../../../explorable/widgets/core/legend.js";

const names = (traces, layout = {}) => legendTraces(traces, layout).map(({ name }) => name);

test("it names what the figure shows, and nothing where there is a single line or the figure wants none", () => {
  const traces = [{ name: "euler" }, { name: "heun", showlegend: false }, { name: "chosen", visible: true }, { name: "old", visible: false }];
  assert.deepEqual(names(traces), ["euler", "chosen"]);
  assert.deepEqual(names(traces, { showlegend: false }), []);
  assert.deepEqual(names([{ name: "alone" }]), []);
  assert.deepEqual(names([{ name: "alone" }], { showlegend: true }), ["alone"]);
});

test("entries fill lines from the left, none reaches beyond the width, and one that is too wide has its own line", () => {
  const widths = [60, 80, 40, 300, 20, 20];
  const places = placeEntries(widths, 200);
  assert.deepEqual(places.map(([, line]) => line), [0, 1, 1, 2, 3, 3]);
  places.forEach(([x, line], k) => {
    const end = x + 28 + widths[k];
    assert.ok(end <= 200 || x === 0);
    const next = places[k + 1];
    assert.ok(!next || next[1] > line || next[0] > end);
  });
  assert.deepEqual(placeEntries([60, 80], 1000).map(([, line]) => line), [0, 0]);
});
