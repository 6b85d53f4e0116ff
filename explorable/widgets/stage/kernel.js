// What the page says when the kernel behind it is restarted, shut down or dead: nothing in the page can reach it again.

const TEXT = "The kernel is gone: run the cell again.";
const GONE = new Set(["restarting", "autorestarting", "terminating", "dead"]);
// Controls which without a kernel do nothing: those of ipywidgets, and faders. Text and the rest of the stage stay.
const CONTROLS = ":is(.jupyter-button, .widget-inline-hbox, .widget-inline-vbox, .ex-fader):not(.widget-html, .widget-label)";

/** Say so in the explorable around the stage, once its kernel is gone. Returns a function that stops watching. */
export function watchKernel(model, stage) {
  const kernel = model.widget_manager?.kernel; // in JupyterLab, Notebook 7 and Voilà; an offline page has none
  if (!kernel?.statusChanged || !kernel.disposed) return () => {};
  const onGone = () => showGone(stage);
  const onStatus = (_, status) => GONE.has(status) && onGone();
  kernel.statusChanged.connect(onStatus);
  kernel.disposed.connect(onGone); // shut down, or another one was chosen
  return () => {
    kernel.statusChanged.disconnect(onStatus);
    kernel.disposed.disconnect(onGone);
  };
}

/** Put the line in place of the status, and disable the controls, which remain readable. */
export function showGone(stage) {
  const explorable = stage.closest(".ex-explorable");
  const status = explorable?.querySelector(".ex-status");
  if (!status) return;
  for (const control of explorable.querySelectorAll(CONTROLS)) control.inert = true;
  for (const bar of explorable.querySelectorAll(".ex-moving")) bar.classList.remove("ex-moving");
  status.className = "ex-status ex-error ex-gone";
  status.setAttribute("role", "alert");
  status.textContent = TEXT;
}
