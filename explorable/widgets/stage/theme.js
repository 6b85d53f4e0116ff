// Whether the page around an element is dark.

const VSCODE_DARK = ["vscode-dark", "vscode-high-contrast"];

/** What JupyterLab or VS Code says of its theme; elsewhere the page's own background, or else the system's setting. */
function isDark(element) {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return VSCODE_DARK.includes(vscodeThemeKind);
  for (let node = element; node; node = node.parentElement) {
    const [red, green, blue, alpha = 1] = getComputedStyle(node).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (alpha > 0.5 && red !== undefined) return 0.3 * red + 0.59 * green + 0.11 * blue < 128;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call onChange(dark) now and when the theme changes. Returns a function that stops it. */
export function watchTheme(element, onChange) {
  const update = () => onChange(isDark(element.parentElement ?? element));
  const observer = new MutationObserver(update);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "class", "style"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener?.("change", update);
  update();
  return () => {
    observer.disconnect();
    system.removeEventListener?.("change", update);
  };
}
