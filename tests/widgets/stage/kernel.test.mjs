// What the page says when its kernel is gone, in node. Run by test_javascript.py.
import assert from "node:assert/strict";
import test from "node:test";
import { watchKernel } from "../../../explorable/widgets/stage/kernel.js";

class Signal {
  slots = new Set();
  connect = (slot) => this.slots.add(slot);
  disconnect = (slot) => this.slots.delete(slot);
  emit = (value) => this.slots.forEach((slot) => slot(this, value));
}

/** An explorable with a status line, one control and a bar that moves, and the kernel behind it. */
function opened() {
  const kernel = { statusChanged: new Signal(), disposed: new Signal() };
  const status = { className: "ex-status ex-busy", setAttribute() {} };
  const [control, moving] = [{}, new Set(["ex-moving"])];
  const explorable = { querySelector: () => status,
    querySelectorAll: (what) => (what === ".ex-moving" ? [{ classList: { remove: (name) => moving.delete(name) } }] : [control]) };
  const stop = watchKernel({ widget_manager: { kernel } }, { closest: () => explorable });
  return { kernel, status, control, moving, stop };
}

for (const end of ["restarting", "autorestarting", "terminating", "dead", "disposed"]) {
  test(`a kernel that is ${end} is gone: one line says so, and the controls are disabled`, () => {
    const { kernel, status, control, moving } = opened();
    for (const alive of ["busy", "idle"]) kernel.statusChanged.emit(alive);
    assert.deepEqual([status.textContent, control.inert], [undefined, undefined]);
    if (end === "disposed") kernel.disposed.emit();
    else kernel.statusChanged.emit(end);
    assert.deepEqual([status.textContent, control.inert, moving.size], ["The kernel is gone: run the cell again.", true, 0]);
  });
}

test("a closed stage no longer listens; without a kernel there is nothing to listen to", () => {
  const { kernel, stop } = opened();
  stop();
  assert.equal(kernel.statusChanged.slots.size + kernel.disposed.slots.size, 0);
  watchKernel({}, {})();
});
