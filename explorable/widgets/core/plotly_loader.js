// plotly.js, 5 MB, comes from the kernel once a page: one chart asks for it, and all others wait for the same answer.
const LOADER = Symbol.for("explorable.plotly"); // shared by all charts of the page
const RETRY_MS = 10_000; // without an answer: then another chart asks, whose kernel may be alive

function importScript(bytes) {
  const address = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
  return import(address).then((script) => script.default);
}

export class PlotlyLoader {
  constructor(run = importScript, retryMs = RETRY_MS) {
    Object.assign(this, { run, retryMs, waiting: new Set(), asking: null, arrived: false });
    this.loaded = new Promise((resolve) => (this.resolve = resolve));
  }

  /** Wait for plotly.js: {loaded, cancel}. loaded is a promise of it; a chart that closes calls cancel. */
  request(model) {
    if (this.arrived) return { loaded: this.loaded, cancel() {} };
    const chart = { model, receive: (message, buffers) => message.plotly && this.receive(buffers[0]) };
    this.waiting.add(chart);
    model.on("msg:custom", chart.receive);
    if (!this.asking) this.ask();
    return { loaded: this.loaded, cancel: () => this.cancel(chart) };
  }

  /** Let the chart that waits longest ask. */
  ask() {
    clearTimeout(this.timer);
    [this.asking = null] = this.waiting;
    if (!this.asking) return;
    this.timer = setTimeout(() => this.askAnother(), this.retryMs);
    this.asking.model.send({ need: "plotly" });
  }

  askAnother() {
    const chart = this.asking;
    this.waiting.delete(chart);
    this.waiting.add(chart); // it waits on, behind the others
    this.ask();
  }

  cancel(chart) {
    chart.model.off("msg:custom", chart.receive);
    this.waiting.delete(chart);
    if (chart === this.asking) this.ask(); // its answer will not be heard
  }

  receive(bytes) {
    this.arrived = true;
    clearTimeout(this.timer);
    for (const { model, receive } of this.waiting) model.off("msg:custom", receive);
    this.waiting.clear();
    this.resolve(this.run(bytes));
  }
}

/** The loader of this page. */
export function plotlyLoader() {
  return (globalThis[LOADER] ??= new PlotlyLoader());
}
