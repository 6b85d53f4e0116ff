// A chart: plotly.js draws the figure, legend.js its legend. plotly.js is loaded when the first chart has a figure.
import { buildLegend, withLegend } from "./legend.js";
import { plotlyLoader } from "./plotly_loader.js";

const CONFIG = { displayModeBar: false, responsive: true }; // the bar would cover legends
const SVG_MS = 1000; // after the last change, until Python gets the chart as SVG

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
  let plotly, request, timer, legend, drawn, drawing, closed;

  async function draw() {
    const spec = model.get("spec");
    if (!spec.data) return;
    request ??= plotlyLoader().request(model);
    const loaded = await request.loaded;
    if (closed) return;
    if (!plotly) root.replaceChildren(plot);
    plotly = loaded;
    root.setAttribute("role", "img");
    root.setAttribute("aria-label", describe(spec));
    const revision = model.get("revision");
    const { data, layout } = structuredClone(model.get("spec")); // plotly.js changes what it is given
    plot.style.height = layout.height ? `${layout.height}px` : ""; // resizing, plotly.js takes the height away
    await plotly.react(plot, data, { ...layout, showlegend: false }, CONFIG);
    drawLegend();
    drawn = revision;
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

  /** Give Python the chart as SVG, and say of which revision of the figure it is. Nothing, while it has no size. */
  async function keepSvg() {
    clearTimeout(timer);
    const { offsetWidth: width, offsetHeight: height } = plot;
    const revision = drawn;
    const address = width && height ? await plotly.toImage(plot, { format: "svg", width, height }) : "";
    if (revision !== drawn) return; // drawn again in the meantime
    const svg = decodeURIComponent(address.slice(address.indexOf(",") + 1));
    model.set("svg", svg && withLegend(legend, svg, width, height));
    model.set("svg_revision", revision);
    model.save_changes();
  }

  /** Python saves a page, and needs the chart now. */
  async function onMessage(message) {
    if (message.need !== "svg") return;
    await drawing;
    if (plotly) keepSvg();
  }

  function redraw() {
    drawing = draw();
  }

  /** The width has changed, which the window need not know. */
  function fit() {
    if (!plotly || !root.clientWidth) return;
    plotly.Plots.resize(plot);
    drawLegend();
  }

  const resize = new ResizeObserver(fit);
  resize.observe(el);
  model.on("change:spec", redraw);
  model.on("msg:custom", onMessage);
  redraw();
  return () => {
    closed = true;
    resize.disconnect();
    request?.cancel();
    model.off("change:spec", redraw);
    model.off("msg:custom", onMessage);
    clearTimeout(timer);
    plotly?.purge(plot);
  };
}

export default { render };
