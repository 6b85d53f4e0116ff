// JupyterLab takes keys that are pressed on a control for its own shortcuts: "a" adds a cell, "dd" deletes one, an arrow
// leaves a menu. It passes over an element with this attribute.
const SUPPRESS = "data-lm-suppress-shortcuts";

/** Whether a key is for the page: with Ctrl, Alt or Meta, and Shift+Enter, which runs the cell. */
const isShortcut = ({ key, ctrlKey, altKey, metaKey, shiftKey }) => ctrlKey || altKey || metaKey || (shiftKey && key === "Enter");

/** Let the controls of the explorable around a stage have their keys. Returns a function that ends it. */
export function keepKeys(stage) {
  const onKey = (event) => {
    if (!stage.closest(".ex-explorable")?.contains(event.target)) return;
    if (isShortcut(event)) event.target.removeAttribute(SUPPRESS);
    else event.target.setAttribute(SUPPRESS, "true");
  };
  globalThis.addEventListener?.("keydown", onKey, true); // before the document's listeners, of which Lab's is one
  return () => globalThis.removeEventListener?.("keydown", onKey, true);
}
