// The key of the stage, in node: each colour that has a meaning is named once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { entriesOf } from "../../../explorable/widgets/stage/key.js";

test("points name each of their colours, arrows their own, and layers without a legend nothing", () => {
  const points = { kind: "points", colours: ["other", "noise", "image"], legend: ["", "noisy latent", "predicted image"] };
  const arrows = { kind: "arrows", colour: "plain", legend: ["velocity"] };
  assert.deepEqual(entriesOf([points, arrows, { kind: "image" }, { kind: "points", colours: ["word"], legend: [] }]),
    [["noise", "noisy latent"], ["image", "predicted image"], ["plain", "velocity"]]);
});

test("what two layers mean alike is named once, and one colour may have two meanings", () => {
  const of = (text) => ({ kind: "points", colours: ["image"], legend: [text] });
  assert.deepEqual(entriesOf([of("data"), of("data"), of("samples")]), [["image", "data"], ["image", "samples"]]);
});
