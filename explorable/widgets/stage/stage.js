// The stage: a recording arrives once, as bytes, and is scrubbed here without a word to the kernel.
//
// The model (stage.py) has: layers, descriptions, and for each its "bytes NAME", a DataView; captions, one text a frame;
// axes, panels, columns; strip, the layer shown as thumbnails; frame, at, layer: what is on the screen; arrival, which
// counts recordings. Only get, set, on, off and save_changes are used, so that a few lines can stand in for the kernel
// in an offline file.
import { indexAt, openAll } from "./layers.js";
import { make, makeFocusable, Panel } from "./panel.js";

const BYTES = "bytes "; // before a layer's name: where the model has its bytes
const ARRIVE_MS = 1200; // a new recording plays once, this long
const PLAY_MS = 3000; // the play button takes longer: there is something to look at
const REST_MS = 150; // scrubbing has come to rest: now tell Python and the screen reader
const MOST_THUMBS = 24;
const MINI = 40; // pixels a side of what a choice shows
const ICONS = {
  first: "M6 5h2v14H6zM19 5v14L9 12z",
  last: "M16 5h2v14h-2zM5 5l10 7L5 19z",
  play: "M7 4l13 8-13 8z",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  path.setAttribute("d", ICONS[name]);
  return svg;
}

/** At most MOST_THUMBS frames, evenly spread, the first and the last among them. */
function pickThumbs(count) {
  const most = Math.min(count, MOST_THUMBS);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / Math.max(most - 1, 1)));
}

function copied(canvas) {
  const copy = make("canvas", { "aria-hidden": "true" });
  Object.assign(copy, { width: canvas.width, height: canvas.height });
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}

class Stage {
  constructor(model, root) {
    Object.assign(this, { model, layers: new Map(), specs: new Map(), panels: [], count: 0, frame: 0, at: {} });
    this.opacity = model.get("opacity") ?? 0.6;
    this.build(root);
    this.listen();
    this.load();
  }

  // ---- what is on the page -------------------------------------------------------------------------------------

  build(root) {
    const id = `ex-${Math.random().toString(36).slice(2)}`;
    const button = (name, title, action) =>
      makeFocusable("button", { type: "button", class: "ex-icon", title, "aria-label": title, onclick: action }, icon(name));

    this.waiting = make("div", { class: "ex-waiting" });
    this.grid = make("div", { class: "ex-panels" });
    this.caption = make("label", { class: "ex-caption", for: id });
    this.slider = makeFocusable("input", { type: "range", id, min: 0, step: 1, class: "ex-slider",
      oninput: () => this.scrub(Number(this.slider.value)) });
    this.playButton = button("play", "Play", () => this.toggle());
    this.save = makeFocusable("button", { type: "button", class: "ex-text", onclick: () => this.savePicture() }, "Save PNG");
    this.transport = make("div", { class: "ex-transport" },
      button("first", "First frame", () => this.scrub(0)), this.playButton,
      button("last", "Last frame", () => this.scrub(this.count - 1)), this.slider);
    this.veil = makeFocusable("input", { type: "range", min: 0, max: 1, step: 0.05, value: this.opacity, class: "ex-veil",
      "aria-label": "Opacity of maps", oninput: () => this.setOpacity(Number(this.veil.value)) });
    this.veilBox = make("label", { class: "ex-veil-box" }, "map opacity ", this.veil);
    this.below = make("div", { class: "ex-below" }, this.caption, this.veilBox, this.save);
    this.choosers = make("div", { class: "ex-axes" });
    this.choices = make("div", { class: "ex-choices", role: "group", "aria-label": "What the picture shows" });
    this.stripTitle = make("div", { class: "ex-strip-title" });
    this.strip = make("div", { class: "ex-strip", role: "group" });
    this.live = make("div", { class: "ex-live", "aria-live": "polite" });
    this.side = make("div", { class: "ex-side" }, this.choices, this.stripTitle, this.strip);

    this.root = make("div", { class: "ex-stage", role: "group", "aria-label": "Recording", onkeydown: (e) => this.key(e) },
      make("div", { class: "ex-main" },
        make("div", { class: "ex-canvas-area" }, this.grid, this.waiting), this.choosers, this.transport, this.below),
      this.side, this.live);
    root.append(this.root);
  }

  listen() {
    const { model } = this;
    this.handlers = {
      "change:recording_id": () => this.arrive(), // comes once a recording, when all of it is there
      "change:frame": () => this.follow(),
      "change:selection": () => this.followAxes(),
      "change:layer": () => this.chooseLayer(model.get("layer")),
      "change:placeholder": () => (this.waiting.textContent = model.get("placeholder")),
      "msg:custom": (message) => (message.do === "clear" ? this.clearHands() : this.play(0, ARRIVE_MS)),
    };
    for (const [event, handler] of Object.entries(this.handlers)) model.on(event, handler);
    this.theme = new MutationObserver(() => this.takeOnTheme());
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    this.takeOnTheme();
  }

  close() {
    for (const [event, handler] of Object.entries(this.handlers)) this.model.off(event, handler);
    for (const panel of this.panels) panel.close();
    this.theme.disconnect();
    this.pause();
  }

  takeOnTheme() {
    const said = document.body.dataset.jpThemeLight;
    this.dark = said ? said === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.root.classList.toggle("ex-dark", this.dark);
    this.colours = getComputedStyle(this.root); // live: it follows the class
    if (this.dark !== Boolean(this.model.get("dark"))) this.tell("dark", this.dark);
    this.paint();
  }

  /** A colour of the palette (core/palette.py), which the stylesheet defines for light and dark pages. */
  colour(name) {
    return this.colours.getPropertyValue(`--ex-${name}`).trim() || "gray";
  }

  // ---- a recording arrives -------------------------------------------------------------------------------------

  load() {
    const { model } = this;
    this.arrived = model.get("recording_id");
    const specs = model.get("layers");
    this.open = openAll(specs, (name) => model.get(BYTES + name), this.open);
    this.specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.layers = new Map(specs.map(({ name }) => [name, this.open.get(name).layer]));
    this.captions = model.get("captions");
    this.axes = model.get("axes") ?? [];
    const heard = JSON.stringify(model.get("selection")) === this.told && model.get("autoplay") === false ? this.at : model.get("selection");
    this.told = JSON.stringify(model.get("selection"));
    this.at = Object.fromEntries(this.axes.map((axis) => [axis.name,
      Math.min(heard?.[axis.name] ?? 0, axis.labels.length - 1)]));
    this.peeked = {};
    this.count = this.captions.length;
    this.root.classList.toggle("ex-empty", this.count === 0);
    this.waiting.textContent = model.get("placeholder");
    this.slider.max = Math.max(this.count - 1, 0);
    this.transport.hidden = this.count === 1;
    this.below.hidden = this.count === 0;
    for (const control of this.root.querySelectorAll("button, input")) control.disabled = this.count === 0;
    this.buildPanels(specs);
    this.buildAxes();
    this.buildChoices(specs);
    this.buildStrip();
    const stays = model.get("autoplay") === false && this.known !== undefined && model.get("frame") === this.known;
    this.known = model.get("frame");
    if (!stays) this.pause();
    if (this.count) {
      this.show(stays ? this.frame : this.known);
      this.describe();
    }
    if (stays && !this.playing) this.rest(); // what the hand did since has not been told yet
  }

  /**
   * Static turns into the picture once, unless the reader has asked for less motion. What takes the place of a first
   * look that is still playing goes on where that was.
   */
  arrive() {
    const stays = this.model.get("autoplay") === false;
    if (!stays || this.model.get("captions").length !== this.count) this.pause();
    this.load();
    if (!this.count || stays) return;
    this.clearHands();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.rest();
    else this.play(0, ARRIVE_MS);
  }

  /** The panels stay while only what is in them changes: a hand may be on one of them. */
  buildPanels(specs) {
    const wanted = this.model.get("panels") ?? [];
    const panels = wanted.length ? wanted : [{ name: "image", layers: specs.map((s) => s.name), switchable: true }];
    const drawn = JSON.stringify(panels.map(({ title, ...rest }) => rest));
    if (drawn !== this.drawn) {
      for (const panel of this.panels) panel.close();
      this.panels = panels.map((spec) => new Panel(this, spec));
      this.grid.replaceChildren(...this.panels.map((panel) => panel.element));
    }
    this.drawn = drawn;
    panels.forEach((spec, k) => {
      this.panels[k].spec = spec;
      this.panels[k].title.textContent = spec.title ?? "";
    });
    const columns = this.model.get("columns") || Math.max(panels.length, 1);
    this.root.style.setProperty("--ex-columns", columns);
    this.root.classList.toggle("ex-many", panels.length > 1);
    for (const panel of this.panels) panel.shape();
    this.veilBox.hidden = !panels.some((spec) => !spec.switchable && spec.layers.slice(1).some((n) => this.layers.get(n)?.overlays));
  }

  buildAxes() {
    const drawn = JSON.stringify(this.axes);
    if (drawn !== this.drawnAxes) {
      this.choosers.replaceChildren(...this.axes.map((axis) => this.buildAxis(axis)));
    }
    this.drawnAxes = drawn;
    this.markAxes();
  }

  /** One row of choices, each with a small picture of itself where the axis says of what. Pointing at one shows it, until
   *  the pointer leaves. */
  buildAxis(axis) {
    const group = `ex-${Math.random().toString(36).slice(2)}`;
    const chips = axis.labels.map((label, k) => {
      const input = makeFocusable("input", { type: "radio", name: group, value: k, onchange: () => this.choose(axis.name, k) });
      return make("label", { class: "ex-chip", title: axis.tooltips?.[k] || undefined, onmouseenter: () => this.peek(axis.name, k), onmouseleave: () => this.peek() },
        input, make("span", {}, ...(axis.thumbnail_layer ? [make("canvas", { class: "ex-mini", width: MINI, height: MINI, "aria-hidden": "true" })] : []), label));
    });
    return make("div", { class: "ex-axis", role: "radiogroup", "aria-label": axis.title, "data-axis": axis.name },
      make("span", { class: "ex-axis-title" }, axis.title), ...chips);
  }

  /** Each choice as it would be: all else as the reader has it. */
  paintAxes() {
    for (const row of this.choosers.children) {
      const axis = this.axes.find(({ name }) => name === row.dataset.axis);
      const layer = axis?.thumbnail_layer && this.layers.get(axis.thumbnail_layer);
      if (!layer) continue;
      row.querySelectorAll("canvas").forEach((canvas, k) => {
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, canvas.width, canvas.height);
        const at = { ...this.positions(), [axis.name]: k };
        layer.paint(context, indexAt(this.specs.get(axis.thumbnail_layer), at), { over: false, opacity: 1 });
      });
    }
  }

  markAxes() {
    for (const row of this.choosers.children) {
      row.querySelectorAll("input").forEach((input, k) => (input.checked = k === this.at[row.dataset.axis]));
    }
  }

  buildChoices(specs) {
    const chosen = this.model.get("layer");
    const names = new Set(this.panels.filter((p) => p.spec.switchable).flatMap((p) => p.spec.layers));
    const open = specs.filter((spec) => names.has(spec.name));
    this.layer = names.has(chosen) && this.layers.has(chosen) ? chosen : open[0]?.name;
    this.choices.replaceChildren(...open.map((spec) =>
      makeFocusable("button", { type: "button", class: "ex-choice", "data-layer": spec.name, "aria-pressed": spec.name === this.layer,
        onclick: () => this.pickLayer(spec.name) },
      make("span", { class: "ex-choice-label" }, spec.label), make("span", { class: "ex-choice-note" }, spec.note))));
    this.choices.hidden = open.length < 2;
  }

  buildStrip() {
    const spec = this.specs.get(this.model.get("thumbnails"));
    const pictures = spec && this.layers.get(spec.name);
    this.picks = pictures ? pickThumbs(this.count) : [];
    this.stripTitle.textContent = spec ? `${spec.label}, step by step` : "";
    this.strip.setAttribute("aria-label", spec ? spec.label : "");
    // The slider is the keyboard's way to every frame; the thumbnails stay out of the tab order.
    const used = new Set(); // a canvas has one place on the page: where two frames show the same, the second has a copy
    const thumb = (k) => {
      const canvas = pictures.at(indexAt(spec, { ...this.at, frame: k }));
      const own = used.has(canvas) ? copied(canvas) : canvas;
      used.add(canvas);
      return own;
    };
    this.thumbs = this.picks.map((k) =>
      makeFocusable("button", { type: "button", class: "ex-thumb", tabindex: -1, title: this.captions[k], "aria-label": this.captions[k],
        onclick: () => this.pickThumb(spec.name, k) }, thumb(k)));
    this.strip.replaceChildren(...this.thumbs);
    this.side.hidden = this.choices.hidden && !this.thumbs.length;
  }

  // ---- drawing -------------------------------------------------------------------------------------------------

  /** Where the reader is, along all axes. */
  positions() {
    return { ...this.at, frame: this.frame, ...this.peeked };
  }

  /** Paint frame k at once: called from an input event, the picture is on the screen at the next refresh. */
  show(k) {
    if (!this.count) return;
    this.frame = Math.max(0, Math.min(k, this.count - 1));
    this.paint();
    const caption = this.captions[this.frame];
    this.slider.value = this.frame;
    this.slider.setAttribute("aria-valuetext", caption);
    this.caption.textContent = this.captions[this.positions().frame];
    this.markThumb();
  }

  paint() {
    for (const panel of this.panels) panel.paint();
    this.paintAxes();
  }

  setOpacity(value) {
    this.opacity = value;
    this.paint();
  }

  markThumb() {
    let near = this.picks.findIndex((k) => k >= this.frame);
    if (near < 0) near = this.picks.length - 1;
    if (this.marked !== this.thumbs[near]) this.marked?.removeAttribute("aria-current");
    this.marked = this.thumbs[near];
    this.marked?.setAttribute("aria-current", "true");
  }

  // ---- moving through it ---------------------------------------------------------------------------------------

  /** The reader moved: stop playing, show, and report once the hand rests. */
  scrub(k) {
    this.pause();
    this.peeked = {};
    this.show(k);
    this.rest();
  }

  /** Say where the reader is, along all axes, and give every panel that name. */
  describe() {
    const along = this.axes.map((axis) => `${axis.title} ${axis.labels[this.at[axis.name]]}`);
    const where = [this.captions[this.frame], ...along].join(", ");
    for (const panel of this.panels) panel.canvas.setAttribute("aria-label", `${panel.spec.title || "The picture"} at ${where}`);
    return where;
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.live.textContent = this.describe();
      this.tell("frame", this.frame);
      if (this.axes.length) this.tell("selection", this.at);
    }, REST_MS);
  }

  /** Tell Python. With the kernel gone there is nobody to tell, and the picture stays. */
  tell(name, value) {
    if (JSON.stringify(this.model.get(name)) === JSON.stringify(value)) return;
    if (name === "frame") this.known = value;
    if (name === "selection") this.told = JSON.stringify(value);
    try {
      this.model.set(name, value);
      this.model.save_changes();
    } catch (error) {
      console.debug("explorable: the kernel does not listen", error);
    }
  }

  clearHands() {
    for (const panel of this.panels) panel.clear();
  }

  /** What the hand did in a panel. Counted, so that the same twice is heard twice. */
  report(said) {
    this.hands = (this.hands ?? 0) + 1;
    this.tell("pointer", { ...said, count: this.hands });
  }

  /** Python, or another view of this stage, moved. */
  follow() {
    const frame = this.model.get("frame");
    if (this.model.get("recording_id") !== this.arrived) return; // a part of a recording that is about to be loaded
    if (frame === this.known || !this.count) return; // our own report, or a part of the recording just loaded
    this.known = frame;
    this.pause();
    this.show(frame);
    this.rest();
  }

  followAxes() {
    const at = this.model.get("selection");
    if (this.model.get("recording_id") !== this.arrived || JSON.stringify(at) === JSON.stringify(this.at)) return;
    for (const axis of this.axes) this.at[axis.name] = at[axis.name] ?? 0;
    this.turned();
  }

  choose(name, k) {
    this.pause();
    this.at = { ...this.at, [name]: k };
    this.peeked = {};
    this.turned();
    this.rest();
  }

  /** Show a choice, or a frame, without going there. Without a position: back to where the reader is. */
  peek(name, k) {
    this.peeked = k === undefined ? {} : { [name]: k };
    this.paint();
    this.caption.textContent = this.captions[this.positions().frame] ?? "";
  }

  turned() {
    this.markAxes();
    if ((this.specs.get(this.model.get("thumbnails"))?.axes ?? []).length > 1) this.buildStrip();
    this.show(this.frame);
  }

  /** A thumbnail opens as what it shows, not as another layer's picture of the same step. */
  pickThumb(name, k) {
    this.pickLayer(name);
    this.scrub(k);
  }

  pickLayer(name) {
    this.chooseLayer(name);
    this.tell("layer", name);
  }

  chooseLayer(name) {
    if (!this.layers.has(name)) return;
    this.layer = name;
    for (const choice of this.choices.children) choice.setAttribute("aria-pressed", choice.dataset.layer === name);
    this.paint();
  }

  toggle() {
    if (this.playing) {
      this.pause();
      this.rest();
    } else {
      const from = this.frame >= this.count - 1 ? 0 : this.frame;
      this.play(from, (PLAY_MS * (this.count - from)) / this.count);
    }
  }

  play(from, milliseconds) {
    this.pause();
    const last = this.count - 1;
    let start;
    const tick = (now) => {
      start ??= now;
      const k = from + Math.floor(((now - start) / milliseconds) * (last - from + 1));
      this.show(k);
      if (k < last) this.playing = requestAnimationFrame(tick);
      else this.finish();
    };
    this.show(from);
    this.playing = requestAnimationFrame(tick);
    this.markPlaying(true);
  }

  finish() {
    this.pause();
    this.rest();
  }

  /** Stop playing, and do not report a frame that is being left. */
  pause() {
    clearTimeout(this.resting);
    cancelAnimationFrame(this.playing);
    this.playing = undefined;
    this.markPlaying(false);
  }

  markPlaying(on) {
    const name = on ? "Pause" : "Play";
    if (this.playButton.title === name) return;
    this.playButton.title = name;
    this.playButton.setAttribute("aria-label", name);
    this.playButton.replaceChildren(icon(name.toLowerCase()));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.count) return;
    if (event.target !== this.slider && event.target.matches("input")) return; // choices and opacity have arrow keys too
    const moves = {
      ArrowLeft: this.frame - 1, ArrowDown: this.frame - 1, ArrowRight: this.frame + 1, ArrowUp: this.frame + 1,
      Home: 0, End: this.count - 1,
    };
    if (event.key in moves) this.scrub(moves[event.key]);
    else if (event.key === " " && event.target === this.slider) this.toggle(); // on a button, space presses it
    else return;
    event.preventDefault();
  }

  /** What the first panel shows: a picture at its own size, anything else as it is on the screen. */
  savePicture() {
    const name = `${this.model.get("file_name")}${this.frame < this.count - 1 ? `-${this.frame}` : ""}.png`;
    const [panel] = this.panels;
    const shown = panel.shown();
    const only = shown.length === 1 && this.layers.get(shown[0]);
    const canvas = only && only.at ? only.at(indexAt(this.specs.get(shown[0]), this.positions())) : panel.canvas;
    canvas.toBlob((blob) => {
      const address = URL.createObjectURL(blob);
      make("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    });
  }
}

function render({ model, el }) {
  const stage = new Stage(model, el);
  return () => stage.close();
}

export default { render };
