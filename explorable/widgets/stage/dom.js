// Creating elements of the page.

const ICONS = {
  first: "M6 5h2v14H6zM19 5v14L9 12z",
  last: "M16 5h2v14h-2zM5 5l10 7L5 19z",
  play: "M7 4l13 8-13 8z",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
  save: "M11 3h2v9l3-3 1.4 1.4L12 15.8 6.6 10.4 8 9l3 3zM5 18h14v2H5z",
};
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, event listeners (onclick: f) and children. Text stays text: never innerHTML. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** An element that can have the focus. JupyterLab handles arrows, space and letters itself unless it has this attribute. */
export function makeFocusable(tag, attributes, ...children) {
  return make(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(SVG, "path")).setAttribute("d", ICONS[name]);
  return svg;
}

export function copyCanvas(canvas) {
  const copy = make("canvas", { "aria-hidden": "true" });
  Object.assign(copy, { width: canvas.width, height: canvas.height });
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}

/** Let the browser save a canvas as a PNG file. */
export function savePng(canvas, fileName) {
  canvas.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    make("a", { href: address, download: fileName }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
}

let groups = 0;

/** A unique id, for labels and groups of radio buttons. */
export function uniqueId() {
  groups += 1;
  return `ex-${groups}-${Math.random().toString(36).slice(2)}`;
}
