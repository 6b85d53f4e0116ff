// A chart: plotly.js draws the figure. The kernel sends plotly.js, 5 MB, once a page, when the first chart has a figure.
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
  root.className = "ex-chart";
  root.textContent = model.get("placeholder");
  el.append(root);
  let plotly, timer;

  async function draw() {
    const spec = model.get("spec");
    if (!spec.data) return;
    const loaded = await loadPlotly(model);
    if (!plotly) root.textContent = "";
    plotly = loaded;
    root.setAttribute("role", "img");
    root.setAttribute("aria-label", describe(spec));
    const { data, layout } = structuredClone(model.get("spec")); // plotly.js changes what it is given
    root.style.height = layout.height ? `${layout.height}px` : ""; // resizing, plotly.js takes the height away
    await plotly.react(root, data, layout, CONFIG);
    clearTimeout(timer);
    timer = setTimeout(keepSvg, SVG_MS);
  }

  async function keepSvg() {
    const { offsetWidth: width, offsetHeight: height } = root;
    if (!width || !height) return;
    const address = await plotly.toImage(root, { format: "svg", width, height });
    model.set("svg", decodeURIComponent(address.slice(address.indexOf(",") + 1)));
    model.save_changes();
  }

  model.on("change:spec", draw);
  draw();
  return () => {
    model.off("change:spec", draw);
    clearTimeout(timer);
    plotly?.purge(root);
  };
}

export default { render };
