"""Join ES modules to one, since a widget and an offline page can only carry a single script.

Each file becomes a function that returns its exports, so that files keep their own scopes. Understood are `import` of
names (`{ a, b as c }`), of a default or of everything (`* as a`) from a relative path, and `export` before a
declaration, `export { a, b as c }` and `export default EXPRESSION`. Each such statement has to begin its line.
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

IMPORT = re.compile(r'^import\s+(?P<what>[^"\';]+?)\s+from\s+["\'](?P<path>[^"\']+)["\'];?[^\S\n]*$', re.MULTILINE)
EXPORT_DECLARATION = re.compile(r"^export\s+(?=(?:async\s+)?(?:function\*?|class|const|let|var)\s+([\w$]+))",
                                re.MULTILINE)
EXPORT_LIST = re.compile(r"^export\s*\{(?P<names>[^}]*)\};?[^\S\n]*$", re.MULTILINE)
EXPORT_DEFAULT = re.compile(r"^export\s+default\s+(?!(?:async\s+)?(?:function|class)\b)", re.MULTILINE)
LEFT_OVER = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
ENTRY = "entry"  # the variable that holds the exports of the entry module
NAME = re.compile(r"[\w$]+")


class BundleError(ValueError):
    """A module that cannot be joined. The message names the file and the statement."""


def bundle(entry: Path) -> str:
    """Return one ES module with the exports of `entry` and everything that it imports, directly or not.

    Raises:
        BundleError: a statement that is not understood, an import that is not exported, or a circular import.
    """
    sources: dict[Path, str] = {}
    imports: dict[Path, list[Path]] = {}
    waiting = [entry.resolve()]
    while waiting:
        path = waiting.pop()
        if path in sources:
            continue
        if not path.is_file():
            raise BundleError(f"{path.name} is imported but does not exist in {path.parent}")
        sources[path] = path.read_text("utf-8")
        imports[path] = [_resolve(path, match["path"]) for match in IMPORT.finditer(sources[path])]
        waiting += imports[path]
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        raise BundleError(f"circular import: {' -> '.join(p.name for p in error.args[1])}") from error
    variables = {path: f"module{k}" for k, path in enumerate(order)} | {order[-1]: ENTRY}
    exports: dict[Path, list[str]] = {}
    parts = []
    for path in order:
        body, exports[path] = _function(path, sources[path], variables, exports)
        parts.append(f"const {variables[path]} = {body};\n")
    names = [name for name in exports[order[-1]] if name != "default"]
    if names:
        parts.append(f"export const {{ {', '.join(names)} }} = {ENTRY};\n")
    if "default" in exports[order[-1]]:
        parts.append(f"export default {ENTRY}.default;\n")
    return "".join(parts)


def _resolve(importer: Path, path: str) -> Path:
    if not path.startswith("."):
        raise BundleError(f"{importer.name} imports {path!r}: only relative paths can be joined")
    return (importer.parent / path).resolve()


def _function(path: Path, source: str, variables: dict[Path, str], exports: dict[Path, list[str]],
              ) -> tuple[str, list[str]]:
    """Return a module as a function that is called at once, and the names that it exports."""
    exported: dict[str, str] = {}  # public name -> local expression

    def keep_declaration(match: re.Match) -> str:
        exported[match[1]] = match[1]
        return ""

    def drop_list(match: re.Match) -> str:
        for item in filter(None, map(str.strip, match["names"].split(","))):
            local, _, public = item.partition(" as ")
            exported[(public or local).strip()] = local.strip()
        return ""

    def name_default(match: re.Match) -> str:
        exported["default"] = "defaultExport"
        return "const defaultExport = "

    code = IMPORT.sub(lambda match: _binding(path, match, variables, exports), source)
    code = EXPORT_DEFAULT.sub(name_default, EXPORT_LIST.sub(drop_list, EXPORT_DECLARATION.sub(keep_declaration, code)))
    if left := LEFT_OVER.search(code):
        raise BundleError(f"{path.name}: not understood: {left[0]}")
    returned = ", ".join(f"{public}: {local}" if public != local else local for public, local in exported.items())
    return f"(() => {{ // {path.name}\n{code.rstrip()}\nreturn {{ {returned} }};\n}})()", list(exported)


def _binding(path: Path, match: re.Match, variables: dict[Path, str], exports: dict[Path, list[str]]) -> str:
    """Return the declaration that takes the place of an import statement."""
    source = _resolve(path, match["path"])
    what, module = match["what"].strip(), variables[source]
    if what.startswith("{") and what.endswith("}"):
        pairs = [item.strip().partition(" as ") for item in what[1:-1].split(",") if item.strip()]
        names = [(name.strip(), (alias or name).strip()) for name, _, alias in pairs]
        declaration = ", ".join(f"{name}: {alias}" if alias != name else name for name, alias in names)
        needed, declaration = [name for name, _ in names], f"const {{ {declaration} }} = {module};"
    elif what.startswith("*"):
        needed, declaration = [], f"const {what.partition(' as ')[2].strip()} = {module};"
    elif NAME.fullmatch(what):
        needed, declaration = ["default"], f"const {what} = {module}.default;"
    else:
        raise BundleError(f"{path.name}: not understood: {match[0]}")
    missing = [name for name in needed if name not in exports[source]]
    if missing:
        raise BundleError(f"{path.name} imports {', '.join(missing)} from {source.name}, which exports "
                          f"{', '.join(exports[source]) or 'nothing'}")
    return declaration
