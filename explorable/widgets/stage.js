// The stage: a recording arrives once, as bytes, and is scrubbed here without a word to the kernel.
//
// The model (stage.py) has: layers [{name, label, note, kind, shape, dtype}] and buffers [DataView], one each;
// captions, one text a frame; strip, the layer shown as thumbnails; frame, layer: what is on the screen;
// arrival, which counts recordings. Only get, set, on, off and save_changes are used, so that a few lines
// can stand in for the kernel in an offline file.

const ARRIVE_MS = 1200; // a new recording plays once, this long
const PLAY_MS = 3000; // the play button takes longer: there is something to look at
const REST_MS = 150; // scrubbing has come to rest: now tell Python and the screen reader
const MOST_THUMBS = 24;
const MOST_PIXELS = 1024; // a side of the canvas, on sharp screens

const ICONS = {
  first: "M6 5h2v14H6zM19 5v14L9 12z",
  last: "M16 5h2v14h-2zM5 5l10 7L5 19z",
  play: "M7 4l13 8-13 8z",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
};

/** An element with attributes, listeners (onclick: f) and children. Text stays text: never innerHTML. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** JupyterLab takes arrows, space and letters for itself, unless the focused element says otherwise. */
function makeFocusable(tag, attributes, ...children) {
  return make(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  path.setAttribute("d", ICONS[name]);
  return svg;
}

/** Frames of a (frames, height, width, 3) uint8 layer as small canvases, each made when first needed, then kept. */
function openPictures(spec, view) {
  const [count, height, width] = spec.shape;
  const bytes = new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, count * height * width * 3);
  const cache = new Array(count);
  return { count, width, height, at: (k) => (cache[k] ??= pictureAt(bytes, k, width, height)) };
}

function pictureAt(bytes, k, width, height) {
  const canvas = make("canvas", { width, height, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const start = k * width * height * 3;
  for (let from = start, to = 0; to < image.data.length; from += 3, to += 4) {
    image.data[to] = bytes[from];
    image.data[to + 1] = bytes[from + 1];
    image.data[to + 2] = bytes[from + 2];
    image.data[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** How each kind of layer is opened. Maps and moving points will be further entries. */
const OPENERS = { picture: openPictures };

/** At most MOST_THUMBS frames, evenly spread, the first and the last among them. */
function pickThumbs(count) {
  const most = Math.min(count, MOST_THUMBS);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / Math.max(most - 1, 1)));
}

class Stage {
  constructor(model, root) {
    this.model = model;
    this.layers = new Map();
    this.count = 0;
    this.frame = 0;
    this.build(root);
    this.listen();
    this.load();
  }

  // ---- what is on the page -------------------------------------------------------------------------------------

  build(root) {
    const id = `ex-${Math.random().toString(36).slice(2)}`;
    const button = (name, title, action) =>
      makeFocusable("button", { type: "button", class: "ex-icon", title, "aria-label": title, onclick: action }, icon(name));

    this.canvas = make("canvas", { class: "ex-picture", role: "img" });
    this.waiting = make("div", { class: "ex-waiting" });
    this.box = make("div", { class: "ex-frame" }, this.canvas, this.waiting);
    this.caption = make("label", { class: "ex-caption", for: id });
    this.slider = makeFocusable("input", { type: "range", id, min: 0, step: 1, class: "ex-slider",
      oninput: () => this.scrub(Number(this.slider.value)) });
    this.playButton = button("play", "Play", () => this.toggle());
    this.save = makeFocusable("button", { type: "button", class: "ex-text", onclick: () => this.savePicture() }, "Save PNG");
    this.transport = make("div", { class: "ex-transport" },
      button("first", "First frame", () => this.scrub(0)), this.playButton,
      button("last", "Last frame", () => this.scrub(this.count - 1)), this.slider);
    this.choices = make("div", { class: "ex-choices", role: "group", "aria-label": "What the picture shows" });
    this.stripTitle = make("div", { class: "ex-strip-title" });
    this.strip = make("div", { class: "ex-strip", role: "group" });
    this.live = make("div", { class: "ex-live", "aria-live": "polite" });

    this.root = make("div", { class: "ex-stage", role: "group", "aria-label": "Recording", onkeydown: (e) => this.key(e) },
      make("div", { class: "ex-main" },
        this.box,
        this.transport,
        make("div", { class: "ex-below" }, this.caption, this.save)),
      make("div", { class: "ex-side" }, this.choices, this.stripTitle, this.strip),
      this.live);
    root.append(this.root);
  }

  listen() {
    const { model } = this;
    this.handlers = {
      "change:arrival": () => this.arrive(), // comes once a recording, when all of it is there
      "change:frame": () => this.follow(),
      "change:layer": () => this.chooseLayer(model.get("layer")),
      "change:waiting": () => (this.waiting.textContent = model.get("waiting")),
      "msg:custom": (message) => message.do === "play" && this.play(0, ARRIVE_MS),
    };
    for (const [event, handler] of Object.entries(this.handlers)) model.on(event, handler);
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.canvas);
  }

  close() {
    for (const [event, handler] of Object.entries(this.handlers)) this.model.off(event, handler);
    this.resize.disconnect();
    this.pause();
  }

  // ---- a recording arrives -------------------------------------------------------------------------------------

  load() {
    this.arrived = this.model.get("arrival");
    const buffers = this.model.get("buffers");
    const specs = this.model.get("layers");
    this.layers = new Map(specs.map((spec, i) => [spec.name, OPENERS[spec.kind](spec, buffers[i])]));
    this.captions = this.model.get("captions");
    this.count = this.captions.length;
    this.root.classList.toggle("ex-empty", this.count === 0);
    this.waiting.textContent = this.model.get("waiting");
    this.slider.max = Math.max(this.count - 1, 0);
    for (const control of this.root.querySelectorAll("button, input")) control.disabled = this.count === 0;
    this.buildChoices(specs);
    this.buildStrip(specs);
    const first = this.layers.get(this.layer);
    if (first) this.box.style.aspectRatio = first.width / first.height;
    this.known = this.model.get("frame");
    if (this.count) this.show(this.known);
  }

  /** Static turns into the picture once, unless the reader has asked for less motion. */
  arrive() {
    this.pause();
    this.load();
    if (!this.count) return;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.rest();
    else this.play(0, ARRIVE_MS);
  }

  buildChoices(specs) {
    const chosen = this.model.get("layer");
    this.layer = this.layers.has(chosen) ? chosen : specs[0]?.name;
    this.choices.replaceChildren(...specs.map((spec) =>
      makeFocusable("button", { type: "button", class: "ex-choice", "data-layer": spec.name, "aria-pressed": spec.name === this.layer,
        onclick: () => this.pickLayer(spec.name) },
      make("span", { class: "ex-choice-label" }, spec.label), make("span", { class: "ex-choice-note" }, spec.note))));
    this.choices.hidden = specs.length < 2;
  }

  buildStrip(specs) {
    const spec = specs.find((s) => s.name === this.model.get("strip"));
    const pictures = spec && this.layers.get(spec.name);
    this.picks = pictures ? pickThumbs(this.count) : [];
    this.stripTitle.textContent = spec ? `${spec.label}, step by step` : "";
    this.strip.setAttribute("aria-label", spec ? spec.label : "");
    // The slider is the keyboard's way to every frame; the thumbnails stay out of the tab order.
    this.thumbs = this.picks.map((k) =>
      makeFocusable("button", { type: "button", class: "ex-thumb", tabindex: -1, title: this.captions[k], "aria-label": this.captions[k],
        onclick: () => this.pickThumb(spec.name, k) }, pictures.at(k)));
    this.strip.replaceChildren(...this.thumbs);
  }

  // ---- drawing -------------------------------------------------------------------------------------------------

  /** Paint frame k at once: called from an input event, the picture is on the screen at the next refresh. */
  show(k) {
    if (!this.count) return;
    this.frame = Math.max(0, Math.min(k, this.count - 1));
    this.paint();
    const caption = this.captions[this.frame];
    this.slider.value = this.frame;
    this.slider.setAttribute("aria-valuetext", caption);
    this.caption.textContent = caption;
    this.markThumb();
  }

  paint() {
    const pictures = this.layers.get(this.layer);
    if (!pictures) return;
    const { canvas } = this;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(pictures.at(this.frame), 0, 0, canvas.width, canvas.height);
  }

  /** As many pixels as the screen has, and no more. */
  fit() {
    const scale = Math.min(window.devicePixelRatio || 1, MOST_PIXELS / Math.max(this.canvas.clientWidth, 1));
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.round(side * scale));
    if (!width || (width === this.canvas.width && height === this.canvas.height)) return;
    Object.assign(this.canvas, { width, height });
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
    this.show(k);
    this.rest();
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.live.textContent = this.captions[this.frame];
      this.canvas.setAttribute("aria-label", `The picture at ${this.captions[this.frame]}`);
      this.report("frame", this.frame);
    }, REST_MS);
  }

  /** Tell Python. With the kernel gone there is nobody to tell, and the picture stays. */
  report(name, value) {
    if (this.model.get(name) === value) return;
    if (name === "frame") this.known = value;
    try {
      this.model.set(name, value);
      this.model.save_changes();
    } catch (error) {
      console.debug("explorable: the kernel does not listen", error);
    }
  }

  /** Python, or another view of this stage, moved. */
  follow() {
    const frame = this.model.get("frame");
    if (this.model.get("arrival") !== this.arrived) return; // a part of a recording that is about to be loaded
    if (frame === this.known || !this.count) return; // our own report, or a part of the recording just loaded
    this.known = frame;
    this.pause();
    this.show(frame);
    this.rest();
  }

  /** A thumbnail opens as what it shows, not as another layer's picture of the same step. */
  pickThumb(name, k) {
    this.pickLayer(name);
    this.scrub(k);
  }

  pickLayer(name) {
    this.chooseLayer(name);
    this.report("layer", name);
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
    const moves = {
      ArrowLeft: this.frame - 1, ArrowDown: this.frame - 1, ArrowRight: this.frame + 1, ArrowUp: this.frame + 1,
      Home: 0, End: this.count - 1,
    };
    if (event.key in moves) this.scrub(moves[event.key]);
    else if (event.key === " " && event.target === this.slider) this.toggle(); // on a button, space presses it
    else return;
    event.preventDefault();
  }

  /** The frame on the screen, at its own size. */
  savePicture() {
    const name = `${this.model.get("file_name")}${this.frame < this.count - 1 ? `-${this.frame}` : ""}.png`;
    this.layers.get(this.layer).at(this.frame).toBlob((blob) => {
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
