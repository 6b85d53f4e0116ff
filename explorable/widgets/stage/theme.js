// Whether the page is dark: JupyterLab's theme, or elsewhere the system's.

function isDark() {
  const light = document.body.dataset.jpThemeLight;
  return light ? light === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call onChange(dark) now and when JupyterLab's theme changes. Returns a function that stops it. */
export function watchTheme(onChange) {
  const observer = new MutationObserver(() => onChange(isDark()));
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  onChange(isDark());
  return () => observer.disconnect();
}
