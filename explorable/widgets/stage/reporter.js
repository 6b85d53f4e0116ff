// What the page tells Python: traits of the model, the position once the user has stopped moving, and actions.

const REPORT_MS = 150; // without a movement, until Python and the screen reader get the position
const HELD_MS = 600; // the same while the slider is held: slow dragging stays in the page

/** The owner has: frame, axes, selection, describe(). live: the element that a screen reader reads. */
export class Reporter {
  constructor(model, owner, live) {
    Object.assign(this, { model, owner, live, actions: 0 });
  }

  /** Set a trait. Without a kernel nothing receives it, and the page works on. */
  send(name, value) {
    if (JSON.stringify(this.model.get(name)) === JSON.stringify(value)) return;
    if (name === "frame") this.sentFrame = value;
    if (name === "selection") this.sentSelection = JSON.stringify(value);
    try {
      this.model.set(name, value);
      this.model.save_changes();
    } catch (error) {
      console.debug("explorable: no connection to the kernel", error);
    }
  }

  positionSoon() {
    this.cancel();
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.live.textContent = this.owner.describe();
      this.send("frame", this.owner.frame);
      if (this.owner.axes.length) this.send("selection", this.owner.selection);
    }, this.held ? HELD_MS : REPORT_MS);
  }

  cancel() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Note that the slider is held, or has been released: then what was moved is reported as soon as without a hand. */
  hold(held) {
    this.held = held;
    if (!held && this.timer !== undefined) this.positionSoon();
  }

  /** Report an action in a panel. It is counted, so that the same action twice is two changes. */
  action(action) {
    this.actions += 1;
    this.send("pointer", { ...action, count: this.actions });
  }

  /** Note the frame and the selection that Python has. */
  received() {
    this.sentFrame = this.model.get("frame");
    this.sentSelection = JSON.stringify(this.model.get("selection"));
  }

  /** Whether Python still has the frame and the selection that it was last sent, or sent itself. */
  get frameUnchanged() {
    return this.sentFrame !== undefined && this.model.get("frame") === this.sentFrame;
  }

  get selectionUnchanged() {
    return JSON.stringify(this.model.get("selection")) === this.sentSelection;
  }
}
