// An offline page: unpack the recording and render the stage, with a plain object in place of the kernel's model.
// The bundled stage comes before this; `entry` holds its exports. The stage only uses get, set, on, off, save_changes.
document.body.dataset.jpThemeLight = String(!matchMedia("(prefers-color-scheme: dark)").matches);
const state = JSON.parse(document.getElementById("state").textContent);
const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

async function inflate(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** The frames of all sheets, below each other, without the alpha channel that a canvas adds. */
async function readSheets({ sheets, size }) {
  const rgb = new Uint8Array(size);
  let to = 0;
  for (const [type, text] of sheets) {
    const blob = new Blob([bytesOf(text)], { type: type.split(";")[0] });
    const sheet = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    const canvas = Object.assign(document.createElement("canvas"), { width: sheet.width, height: sheet.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(sheet, 0, 0);
    const { data } = context.getImageData(0, 0, sheet.width, sheet.height);
    for (let from = 0; from < data.length; from += 4) {
      for (let channel = 0; channel < 3; channel += 1, to += 1) rgb[to] = data[from + channel];
    }
  }
  return rgb.buffer;
}

await Promise.all(Object.entries(state.packed).map(async ([name, layer]) => {
  state[name] = new DataView(await (layer.sheets ? readSheets(layer) : inflate(layer)));
}));
const [text, elsewhere] = ["text", "elsewhere"].map((id) => document.getElementById(id));
const position = () => JSON.stringify([state.frame, state.selection]);
const saved = position(); // the sentence and the score are of this one
entry.default.render({ el: document.getElementById("stage"), model: {
  get: (name) => state[name], set: (name, value) => {
    state[name] = value;
    elsewhere.hidden = position() === saved;
    text.classList.toggle("ex-elsewhere", !elsewhere.hidden);
  }, on() {}, off() {}, save_changes() {},
} });
