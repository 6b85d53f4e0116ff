// The choices along an axis as rows, one a choice: its name, its share of the whole image, and its fader.
import { make, makeFocusable } from "./dom.js";
import { percent, sharesOf } from "./regions.js";

/**
 * The owner has: layers, specs, positions(), selection, inputs, reporter, choose(axis, index).
 */
export class Rows {
  /** chips: the choices' own elements. */
  constructor(owner, axis, chips) {
    Object.assign(this, { owner, axis, held: null });
    this.shares = axis.labels.map(() => make("span", { class: "ex-share", title: axis.share_title }));
    this.faders = axis.labels.map((label, k) => (axis.fader?.keys[k] && owner.inputs.faders ? this.buildFader(label, k) : null));
    this.elements = chips.map((chip, k) => make("div", { class: "ex-choice-row" }, chip, this.shares[k],
      ...(this.faders[k] ? [this.faders[k].input, this.faders[k].output] : [])));
    this.mark();
  }

  buildFader(label, k) {
    const { low, high, step, keys, title } = this.axis.fader;
    const name = `${title} “${label}” ×`;
    const output = make("span", { class: "ex-factor" });
    const input = makeFocusable("input", { type: "range", class: "ex-fader", min: low, max: high, step, "aria-label": name,
      title: name, oninput: () => this.moveFader(k, Number(input.value)), onchange: () => (this.held = null) });
    return { input, output, key: keys[k] };
  }

  /** Moving a fader chooses its row, so that the images show what it does. */
  moveFader(k, value) {
    const { owner, axis } = this;
    this.held = this.faders[k].input;
    if (owner.selection[axis.name] !== k) {
      owner.choose(axis.name, k);
      owner.reporter.send("selection", owner.selection); // before the value, so that Python computes this row first
    }
    owner.inputs.setFader(this.faders[k].key, value);
  }

  /** Show the values of the faders. The one that is being moved stays under the hand. */
  mark() {
    for (const fader of this.faders) {
      const value = this.owner.inputs.faders?.[fader?.key];
      if (value === undefined) continue;
      if (fader.input !== this.held) {
        fader.input.max = Math.max(this.axis.fader.high, value);
        fader.input.value = value;
      }
      fader.output.textContent = `× ${Number(value.toFixed(2))}`;
      fader.input.setAttribute("aria-valuetext", `times ${Number(value.toFixed(2))}`);
    }
  }

  paint() {
    sharesOf(this.owner, this.axis).forEach((share, k) => {
      this.shares[k].textContent = percent(share);
      this.shares[k].style.setProperty("--ex-part", `${Math.round(100 * Math.min(share, 1))}%`);
    });
  }
}
