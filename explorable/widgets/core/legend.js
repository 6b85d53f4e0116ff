// The legend of a chart: above its plot, in as many lines as its width needs, so that it never covers the plot. plotly.js
// places its own beside or over the plot, and leaves it there when the width changes.
const SVG = "http://www.w3.org/2000/svg";
const SWATCH = 28; // pixels: width of a line's sample, with the gap to its name
const GAP = 14; // between two entries
const LINE = 18; // height of a line of entries
const SIZE = 12; // of the font
const DASHES = { solid: "none", dot: "2 3", dash: "6 3", dashdot: "6 3 2 3", longdash: "9 3", longdashdot: "9 3 2 3" };

/** The traces that a legend names: none where the layout turns it off, or with a single one. */
export function legendTraces(traces, layout) {
  const named = traces.filter((trace) => trace.showlegend !== false && trace.visible !== false && trace.name);
  return layout.showlegend === false || (named.length < 2 && layout.showlegend !== true) ? [] : named;
}

/** Where each entry stands, [x, line], if they fill lines of this width from the left. widths: of the names. */
export function placeEntries(widths, width) {
  let [x, line] = [0, 0];
  return widths.map((name) => {
    const entry = SWATCH + name;
    if (x > 0 && x + entry > width) [x, line] = [0, line + 1];
    const place = [x, line];
    x += entry + GAP;
    return place;
  });
}

function make(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The sample of a trace: its line, its marker or both, around (10, 9). */
function swatch({ mode = "", line = {}, marker = {}, opacity = 1 }) {
  const parts = [];
  if (mode.includes("lines")) {
    parts.push(make("line", { x1: 0, x2: 20, y1: LINE / 2, y2: LINE / 2, stroke: line.color, "stroke-width": line.width ?? 2,
      "stroke-dasharray": DASHES[line.dash] ?? line.dash ?? "none" }));
  }
  if (mode.includes("markers") || !mode) {
    const [symbol, colour] = [String(marker.symbol ?? "circle"), Array.isArray(marker.color) ? marker.color[0] : marker.color];
    const radius = Math.min((Array.isArray(marker.size) ? SIZE : marker.size ?? 6) / 2, 6);
    const paint = symbol.endsWith("-open") ? { fill: "none", stroke: colour, "stroke-width": 2 } : { fill: colour };
    const shared = { ...paint, "fill-opacity": marker.opacity ?? 1 };
    parts.push(symbol.startsWith("circle") ? make("circle", { cx: 10, cy: LINE / 2, r: radius, ...shared })
      : make("rect", { x: 10 - radius, y: LINE / 2 - radius, width: 2 * radius, height: 2 * radius, ...shared }));
  }
  return make("g", { opacity }, ...parts);
}

/** The legend of plotly's full traces as an SVG element of this width; undefined where there is nothing to name. */
export function buildLegend(traces, layout, width) {
  const named = legendTraces(traces, layout);
  if (!named.length || !width) return undefined;
  const context = document.createElement("canvas").getContext("2d");
  context.font = `${SIZE}px system-ui, sans-serif`;
  const places = placeEntries(named.map(({ name }) => Math.ceil(context.measureText(name).width)), width);
  const entries = named.map((trace, k) => make("g", { transform: `translate(${places[k][0]}, ${places[k][1] * LINE})` },
    swatch(trace), make("text", { x: SWATCH - 4, y: LINE / 2 + 4, fill: layout.font?.color ?? "currentColor",
      "font-size": SIZE, "font-family": "system-ui, sans-serif" }, trace.name)));
  const height = (places.at(-1)[1] + 1) * LINE;
  return make("svg", { xmlns: SVG, class: "ex-legend", width, height, viewBox: `0 0 ${width} ${height}` }, ...entries);
}

/** One SVG text of a legend and, below it, a plot's SVG text. */
export function withLegend(legend, plot, width, height) {
  if (!legend) return plot;
  const top = Number(legend.getAttribute("height"));
  return `<svg xmlns="${SVG}" width="${width}" height="${top + height}">${new XMLSerializer().serializeToString(legend)}`
    + `${plot.replace("<svg ", `<svg y="${top}" `)}</svg>`;
}
