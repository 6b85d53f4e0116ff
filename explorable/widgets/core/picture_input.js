// A button that takes a picture file. A small file is sent to the kernel as it is. A large one would exceed what a message
// may have, 10 MB, and end the connection: of that the page sends a smaller copy, upright and on white.
const MAX_BYTES = 4e6; // that are sent as they are
const MAX_SIDE = 2048; // pixels, of a smaller copy
const QUALITY = 0.95; // of its JPEG

async function smallerCopy(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

function render({ model, el }) {
  const button = document.createElement("button");
  const input = document.createElement("input");
  button.type = "button";
  button.className = "jupyter-widgets jupyter-button widget-button";
  button.textContent = model.get("description");
  button.title = model.get("tooltip");
  button.style.width = "auto";
  Object.assign(input, { type: "file", accept: model.get("accept"), hidden: true });
  input.setAttribute("aria-label", model.get("description"));
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    try {
      const sent = file.size <= MAX_BYTES ? file : await smallerCopy(file);
      model.send({ name: file.name }, undefined, [await sent.arrayBuffer()]);
    } catch {
      model.send({ name: file.name, bytes: file.size });
    }
    input.value = ""; // the same file can be chosen again
  });
  el.append(button, input);
}

export default { render };
