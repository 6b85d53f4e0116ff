// What is set on a stage besides its position: the brushed region and the faders. The user sets them here, or Python.

const REST_MS = 150; // without a movement, until Python and the screen reader get a region

/**
 * region: [left, top, right, bottom] as fractions of the panel, or null. faders: values by key; undefined without a kernel.
 * The owner has: paint(), panels, axisChoices, reporter. live: the element that a screen reader reads.
 */
export class Inputs {
  constructor(model, owner, live) {
    Object.assign(this, { model, owner, live, region: null, unreported: false });
    this.handlers = { "change:faders": () => this.loadFaders(), "change:region": () => this.loadRegion() && owner.paint() };
  }

  /** Take over what Python has. A region that Python does not know yet stays. */
  load() {
    this.loadRegion();
    this.loadFaders();
  }

  loadRegion() {
    if (this.unreported) return false;
    const region = this.model.get("region") ?? [];
    this.region = region.length ? region : null;
    return true;
  }

  loadFaders() {
    this.faders = this.model.get("faders");
    this.owner.axisChoices.markFaders();
  }

  /** A region is brushed, or none any more (null). Nothing is sent before `reportRegionSoon`. */
  brush(region) {
    this.region = region;
    this.unreported = true;
    clearTimeout(this.timer);
    for (const panel of this.owner.panels) if (panel.brush) panel.paint();
  }

  /** The hand has let go of the region: tell Python and the screen reader, unless it goes on at once. */
  reportRegionSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.unreported = false;
      this.live.textContent = this.region ? this.owner.panels.find((panel) => panel.brush)?.brush.describe() : "no region";
      this.owner.reporter.send("region", this.region ?? []);
    }, REST_MS);
  }

  /** A fader is moved. Python gets each value, or of many at once the last. */
  setFader(key, value) {
    this.faders = { ...this.faders, [key]: value };
    this.owner.axisChoices.markFaders();
    this.owner.reporter.send("faders", this.faders);
  }
}
