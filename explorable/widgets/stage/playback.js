// Playing a recording, and moving through it by keyboard.
import { icon } from "./dom.js";

const PLAY_MS = 3000; // from the first to the last frame

/** The owner has: frame, count, show(frame), scrub(frame), reporter. button: the play button; slider: of the frames. */
export class Playback {
  constructor(owner, button, slider) {
    Object.assign(this, { owner, button, slider, request: undefined });
  }

  get playing() {
    return this.request !== undefined;
  }

  toggle() {
    if (this.playing) {
      this.finish();
      return;
    }
    const { frame, count } = this.owner;
    const from = frame >= count - 1 ? 0 : frame;
    this.play(from, (PLAY_MS * (count - from)) / count);
  }

  play(from, milliseconds) {
    this.pause();
    const last = this.owner.count - 1;
    let start;
    const tick = (now) => {
      start ??= now;
      const k = from + Math.floor(((now - start) / milliseconds) * (last - from + 1));
      this.owner.show(k);
      if (k < last) this.request = requestAnimationFrame(tick);
      else this.finish();
    };
    this.owner.show(from);
    this.request = requestAnimationFrame(tick);
    this.showButton("Pause");
  }

  finish() {
    this.pause();
    this.owner.reporter.positionSoon();
  }

  /** Stop playing, and report nothing of the frame that is left. */
  pause() {
    this.owner.reporter.cancel();
    cancelAnimationFrame(this.request);
    this.request = undefined;
    this.showButton("Play");
  }

  showButton(name) {
    if (this.button.title === name) return;
    this.button.title = name;
    this.button.setAttribute("aria-label", name);
    this.button.replaceChildren(icon(name.toLowerCase()));
  }

  onKey(event) {
    const { frame, count } = this.owner;
    if (event.ctrlKey || event.metaKey || event.altKey || !count) return;
    if (event.target !== this.slider && event.target.matches("input")) return; // choices and opacity use arrow keys too
    const moves = { ArrowLeft: frame - 1, ArrowDown: frame - 1, ArrowRight: frame + 1, ArrowUp: frame + 1, Home: 0, End: count - 1 };
    if (event.key in moves) this.owner.scrub(moves[event.key]);
    else if (event.key === " " && event.target === this.slider) this.toggle(); // on a button, space presses it
    else return;
    event.preventDefault();
  }
}
