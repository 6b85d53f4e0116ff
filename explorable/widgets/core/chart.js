// A chart: plotly.js draws the figure, legend.js its legend. The kernel sends plotly.js, 5 MB, once a page, when the first
// chart has a figure.
import { buildLegend, withLegend } from "./legend.js";

const PLOTLY = Symbol.for("explorable.plotly"); // shared by all charts of the page
const CONFIG = { displayModeBar: false, responsive: true }; // the bar would cover legends
const SVG_MS = 1000; // after the last change, until Python gets the chart as SVG

/** plotly.js, as a promise. */
function loadPlotly(model) {
  globalThis[PLOTLY] ??= new Promise((resolve) => {
    const receive = (message, buffers) => {
      if (!message.plotly) return;
      model.off("msg:custom", receive);
      const address = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
      resolve(import(address).then((script) => script.default));
    };
    model.on("msg:custom", receive);
    model.send({ need: "plotly" });
  });
  return globalThis[PLOTLY];
}

function describe({ layout = {} }) {
  const title = (axis) => layout[axis]?.title?.text ?? "";
  return `Chart of ${title("yaxis")} against ${title("xaxis")}`;
}

function render({ model, el }) {
  const root = document.createElement("div");
  const plot = document.createElement("div");
  root.className = "ex-chart";
  root.textContent = model.get("placeholder");
  el.append(root);
  let plotly, timer, legend;

  async function draw() {
    const spec = model.get("spec");
    if (!spec.data) return;
    const loaded = await loadPlotly(model);
    if (!plotly) root.replaceChildren(plot);
    plotly = loaded;
    root.setAttribute("role", "img");
    root.setAttribute("aria-label", describe(spec));
    const { data, layout } = structuredClone(model.get("spec")); // plotly.js changes what it is given
    plot.style.height = layout.height ? `${layout.height}px` : ""; // resizing, plotly.js takes the height away
    await plotly.react(plot, data, { ...layout, showlegend: false }, CONFIG);
    drawLegend();
    clearTimeout(timer);
    timer = setTimeout(keepSvg, SVG_MS);
  }

  function drawLegend() {
    const { layout } = model.get("spec");
    const text = { color: plot._fullLayout.font.color };
    legend?.remove();
    legend = buildLegend(plot._fullData, { showlegend: layout.showlegend, font: text }, root.clientWidth);
    if (legend) plot.before(legend);
  }

  async function keepSvg() {
    const { offsetWidth: width, offsetHeight: height } = plot;
    if (!width || !height) return;
    const address = await plotly.toImage(plot, { format: "svg", width, height });
    model.set("svg", withLegend(legend, decodeURIComponent(address.slice(address.indexOf(",") + 1)), width, height));
    model.save_changes();
  }

  /** The width has changed, which the window need not know. */
  function fit() {
    if (!plotly || !root.clientWidth) return;
    plotly.Plots.resize(plot);
    drawLegend();
  }

  const resize = new ResizeObserver(fit);
  resize.observe(el);
  model.on("change:spec", draw);
  draw();
  return () => {
    resize.disconnect();
    model.off("change:spec", draw);
    clearTimeout(timer);
    plotly?.purge(plot);
  };
}

export default { render };
