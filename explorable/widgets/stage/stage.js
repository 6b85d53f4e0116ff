// The stage: a recording arrives once, as bytes, and is scrubbed here without a message to the kernel.
//
// The model (stage.py) has: layers (descriptions) and for each of them its "bytes NAME", a DataView; captions, one per
// frame; axes, panels, columns; thumbnails, the layer shown as thumbnails; frame, selection and layer, what is on the
// screen; region and faders, what is set there; recording_id, which counts recordings. Only get, set, on, off and
// save_changes are used, so that a few lines can replace the kernel in an offline file.
import { AxisChoices, countAlong } from "./axes.js";
import { savePng } from "./dom.js";
import { buildElements } from "./elements.js";
import { Inputs } from "./inputs.js";
import { watchKernel } from "./kernel.js";
import { updateKey } from "./key.js";
import { keepKeys } from "./keys.js";
import { LayerChoices } from "./layer_choices.js";
import { indexAt, openAll } from "./layers.js";
import { Panel } from "./panel.js";
import { Playback } from "./playback.js";
import { Reporter } from "./reporter.js";
import { watchTheme } from "./theme.js";
import { Thumbnails } from "./thumbnails.js";

const BYTES = "bytes "; // the model has the bytes of a layer under this prefix and its name
const ARRIVAL_MS = 1200; // a new recording plays once, this long

class Stage {
  constructor(model, root) {
    Object.assign(this, { model, layers: new Map(), specs: new Map(), axes: [], panels: [], count: 0, frame: 0,
      selection: {}, peeked: {} });
    this.opacity = model.get("opacity") ?? 0.6;
    this.axisChoices = new AxisChoices(this);
    this.layerChoices = new LayerChoices(this);
    this.thumbnails = new Thumbnails(this);
    this.build(root);
    this.listen();
    this.load();
  }

  // ---- elements ------------------------------------------------------------------------------------------------

  build(root) {
    Object.assign(this, buildElements(this, { opacity: this.opacity, choices: this.layerChoices.element,
      axes: this.axisChoices.element, strip: this.thumbnails }));
    this.playback = new Playback(this, this.playButton, this.slider);
    this.reporter = new Reporter(this.model, this, this.live);
    this.inputs = new Inputs(this.model, this, this.live);
    root.append(this.root);
  }

  listen() {
    const { model } = this;
    this.handlers = {
      "change:recording_id": () => this.onRecording(), // the last change of a recording
      "change:frame": () => this.onFrame(),
      "change:selection": () => this.onSelection(),
      "change:layer": () => this.showLayer(model.get("layer")),
      "change:stale": () => this.showStale(),
      ...this.inputs.handlers,
      "change:placeholder": () => (this.placeholder.textContent = model.get("placeholder")),
      "msg:custom": (message) => (message.do === "clear" ? this.clearPanels() : this.playback.play(0, ARRIVAL_MS)),
    };
    for (const [event, handler] of Object.entries(this.handlers)) model.on(event, handler);
    this.showStale();
    this.watching = [watchTheme(this.root, (dark) => this.setDark(dark)), watchKernel(model, this.root), keepKeys(this.root)];
  }

  close() {
    for (const [event, handler] of Object.entries(this.handlers)) this.model.off(event, handler);
    for (const panel of this.panels) panel.close();
    for (const stop of this.watching) stop();
    this.playback.pause();
  }

  /** Dim images that are not of the present settings, and say so. */
  showStale() {
    this.staleLabel.textContent = this.model.get("stale") ?? "";
    this.root.classList.toggle("ex-stale", this.staleLabel.textContent !== "");
  }

  setDark(dark) {
    this.root.classList.toggle("ex-dark", dark);
    this.root.closest(".ex-explorable")?.classList.toggle("ex-dark", dark);
    this.colours = getComputedStyle(this.root); // live: it follows the class
    if (dark !== Boolean(this.model.get("dark"))) this.reporter.send("dark", dark);
    this.paint();
  }

  /** A colour of the palette (core/palette.py), which the stylesheet defines for light and dark pages. */
  colour(name) {
    return this.colours.getPropertyValue(`--ex-${name}`).trim() || "gray";
  }

  // ---- loading a recording ---------------------------------------------------------------------------------------

  load() {
    const { model } = this;
    this.recordingId = model.get("recording_id");
    const specs = model.get("layers");
    this.opened = openAll(specs, (name) => model.get(BYTES + name), this.opened);
    this.specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.layers = new Map(specs.map(({ name }) => [name, this.opened.get(name).layer]));
    this.captions = model.get("captions");
    this.count = this.captions.length;
    this.peeked = {};
    this.inputs.load();
    this.loadSelection();
    this.root.classList.toggle("ex-empty", this.count === 0);
    this.placeholder.textContent = model.get("placeholder");
    this.slider.max = Math.max(this.count - 1, 0);
    this.transport.hidden = this.count === 1;
    this.below.hidden = this.count === 0;
    for (const control of this.root.querySelectorAll("button, input")) control.disabled = this.count === 0;
    this.buildPanels(specs);
    this.axisChoices.build();
    this.buildLayerChoices();
    this.buildThumbnails();
    // The user stays at a frame that Python does not know yet, unless the recording plays or Python set another one.
    const stays = model.get("autoplay") === false && this.reporter.frameUnchanged;
    this.reporter.received();
    if (!stays) this.playback.pause();
    if (this.count) {
      this.show(stays ? this.frame : model.get("frame"));
      this.describe();
    }
    if (stays && !this.playback.playing) this.reporter.positionSoon();
  }

  /** Take over the axes and the selection; a choice that Python does not know yet stays, as with the frame. */
  loadSelection() {
    const { model } = this;
    this.axes = model.get("axes") ?? [];
    const stays = model.get("autoplay") === false && this.reporter.selectionUnchanged;
    const selection = stays ? this.selection : model.get("selection");
    this.selection = Object.fromEntries(this.axes.map((axis) => [axis.name,
      Math.min(selection?.[axis.name] ?? 0, axis.labels.length - 1)]));
  }

  /** Play the recording once, unless the user prefers reduced motion. One that replaces a preview continues from there. */
  onRecording() {
    const stays = this.model.get("autoplay") === false;
    if (!stays || this.model.get("captions").length !== this.count) this.playback.pause();
    this.load();
    if (!this.count || stays) return;
    for (const panel of this.panels) panel.clear();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.reporter.positionSoon();
    else this.playback.play(0, ARRIVAL_MS);
  }

  /** Panels are kept if only their contents change, since the user may be dragging in one. */
  buildPanels(specs) {
    const wanted = this.model.get("panels") ?? [];
    const panels = wanted.length ? wanted : [{ name: "image", layers: specs.map((s) => s.name), switchable: true }];
    const description = JSON.stringify(panels.map(({ title, titles, ...rest }) => rest));
    if (description !== this.panelDescription) {
      for (const panel of this.panels) panel.close();
      this.panels = panels.map((spec) => new Panel(this, spec));
      this.grid.replaceChildren(...this.panels.map((panel) => panel.element));
    }
    this.panelDescription = description;
    panels.forEach((spec, k) => this.panels[k].update(spec));
    const columns = this.model.get("columns") || Math.max(panels.length, 1);
    this.root.style.setProperty("--ex-columns", columns);
    this.root.style.setProperty("--ex-rows", Math.max(Math.ceil(panels.length / columns),
      ...panels.map(({ grid_area: area }) => (area ? area[1] + area[3] - 1 : 1))));
    this.root.classList.toggle("ex-many", panels.length > 1);
    updateKey(this);
  }

  buildLayerChoices() {
    const names = this.panels.find((panel) => panel.spec.switchable)?.spec.layers ?? [];
    const chosen = this.model.get("layer");
    this.layer = names.includes(chosen) ? chosen : names[0];
    this.layerChoices.build(names.map((name) => this.specs.get(name)), this.layer);
  }

  /** The layer whose frames the strip shows: where several can be chosen, the chosen one. */
  thumbnailSpec() {
    const name = this.model.get("thumbnails");
    return this.specs.get(name && this.panels.some((p) => p.spec.switchable) ? this.layer : name);
  }

  buildThumbnails() {
    this.thumbnails.build(this.thumbnailSpec());
    this.side.hidden = !this.thumbnails.buttons.length;
  }

  // ---- showing -------------------------------------------------------------------------------------------------

  /** The shown position along all axes. */
  positions() {
    return { ...this.selection, frame: this.frame, ...this.peeked };
  }

  /** Show frame k. Called from an input event, it is on the screen at the next refresh. */
  show(k) {
    if (!this.count) return;
    this.frame = Math.max(0, Math.min(k, this.count - 1));
    this.paint(true);
    this.slider.value = this.frame;
    this.slider.setAttribute("aria-valuetext", this.captions[this.frame]);
    this.caption.textContent = this.captions[this.positions().frame];
    this.thumbnails.mark(this.frame);
  }

  paint(moved = false) {
    for (const panel of this.panels) panel.paint(moved);
    this.axisChoices.paint();
  }

  /** Show another position without going there; without arguments, the present one again. */
  peek(name, k, choices = {}) {
    this.peeked = k === undefined ? {} : { ...choices, [name]: k };
    this.paint(true);
    this.caption.textContent = this.captions[this.positions().frame] ?? "";
  }

  /** The position as text, which every panel gets as its name. */
  describe() {
    const along = this.axes.map((axis) => `${axis.title} ${axis.labels[this.selection[axis.name]]}`);
    const where = [this.captions[this.frame], ...along].join(", ");
    for (const panel of this.panels) panel.canvas.setAttribute("aria-label", `${panel.title.textContent || "The image"} at ${where}`);
    return where;
  }

  // ---- what the user does ----------------------------------------------------------------------------------------

  scrub(k) {
    this.playback.pause();
    this.peeked = {};
    this.show(k);
    this.reporter.positionSoon();
  }

  choose(name, k) {
    this.playback.pause();
    this.selection = { ...this.selection, [name]: k };
    for (const axis of this.axes) {
      if (this.selection[axis.name] >= countAlong(axis, this.selection)) this.selection[axis.name] = 0;
    }
    this.peeked = {};
    this.showSelection();
    this.reporter.positionSoon();
  }

  showSelection() {
    this.axisChoices.mark();
    if ((this.thumbnailSpec()?.axes ?? []).length > 1) this.buildThumbnails();
    this.show(this.frame);
  }

  chooseLayer(name) {
    this.showLayer(name);
    this.reporter.send("layer", name);
  }

  showLayer(name) {
    if (!this.layers.has(name)) return;
    this.layer = name;
    this.layerChoices.mark(name);
    this.buildThumbnails();
    this.show(this.frame);
  }

  /** Save what the first panel shows: a single layer of images at its own size, anything else as on the screen. */
  saveImage() {
    const [panel] = this.panels;
    const names = panel.shownLayers();
    const single = names.length === 1 && this.layers.get(names[0]);
    const canvas = single && single.at ? single.at(indexAt(this.specs.get(names[0]), this.positions())) : panel.canvas;
    savePng(canvas, `${this.model.get("file_name")}${this.frame < this.count - 1 ? `-${this.frame}` : ""}.png`);
  }

  // ---- Python ----------------------------------------------------------------------------------------------------

  /** Python, or another view of this stage, set the frame. */
  onFrame() {
    if (this.model.get("recording_id") !== this.recordingId) return; // part of a recording that is about to be loaded
    if (this.reporter.frameUnchanged || !this.count) return; // sent from here, or part of the recording just loaded
    this.reporter.sentFrame = this.model.get("frame");
    this.playback.pause();
    this.show(this.reporter.sentFrame);
    this.reporter.positionSoon();
  }

  onSelection() {
    const selection = this.model.get("selection");
    const loading = this.model.get("recording_id") !== this.recordingId;
    if (loading || JSON.stringify(selection) === JSON.stringify(this.selection)) return;
    for (const axis of this.axes) this.selection[axis.name] = selection[axis.name] ?? 0;
    this.showSelection();
  }
}

function render({ model, el }) {
  const stage = new Stage(model, el);
  return () => stage.close();
}

export default { render };
