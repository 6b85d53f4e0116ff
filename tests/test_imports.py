"""Imports point one way, and no two modules import each other: read from the source, and tried out once."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "explorable"

# Each subpackage, and the others that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "files": set(),
    "world": set(),
    "nn": set(),
    "diffusion": {"nn"},  # the hook points alone: see test_diffusion_imports_only_hook_points_from_nn
    "flow2d": {"diffusion"},
    "hooks": {"nn"},
    "zoo": {"files", "nn"},
    "run": {"files", "diffusion", "hooks"},
    "pipeline": {"world", "nn", "diffusion", "hooks", "zoo", "run"},
    "analysis": {"world", "nn", "diffusion", "hooks", "zoo", "run", "pipeline"},
    "training": {"files", "world", "nn", "diffusion", "hooks", "zoo", "run", "pipeline", "analysis"},
    # Measures take their drawings from the splits of the training data that no model was trained on.
    "measure": {"files", "world", "nn", "diffusion", "hooks", "zoo", "run", "pipeline", "analysis", "training",
                "adapters", "flow2d"},
    "adapters": {"nn", "diffusion", "hooks", "run", "pipeline", "analysis"},
    "widgets": {"files", "world", "nn", "diffusion", "flow2d", "hooks", "zoo", "run", "pipeline", "analysis",
                "measure", "adapters"},
}
# These may import every subpackage, and no subpackage may import them.
ENTRY_POINTS = {"__init__", "__main__"}

# Other packages that only some subpackages may import.
ONLY_IN: dict[str, set[str]] = {
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "plotly": {"widgets"},
}

SOURCES = sorted(PACKAGE.rglob("*.py"))


def subpackage_of(module: str) -> str:
    """The subpackage of a module: nn for explorable.nn.vae, __init__ for explorable itself."""
    return [*module.split("."), "__init__"][1]


def module_name(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imports(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of every import in a source: also in functions and under TYPE_CHECKING.

    `package` is what relative imports start from. `from a import b` may name a module or something in a module, so it
    yields a.b. `import_module("a")` counts as well.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                stem = ".".join([*base, *([module] if module else [])])
                yield from ((node.lineno, f"{stem}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                dots = len(name) - len(name.lstrip("."))
                base = package.split(".")[: len(package.split(".")) - dots + 1] if dots else []
                yield node.lineno, ".".join([*base, name[dots:]])


def crossings(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Every import in a source that is not allowed, as a message."""
    here = subpackage_of(module)
    if here in ENTRY_POINTS:
        return []
    package = module if is_package else module.rpartition(".")[0]
    found = []
    for line, name in imports(source, package):
        if name.split(".")[0] == "explorable":
            there = subpackage_of(name)
            allowed = there in MAY_IMPORT[here] | {here}
            if there not in MAY_IMPORT:  # such as `from explorable import load`
                there = "the package itself"
        else:
            there = name.split(".")[0]
            allowed = here in ONLY_IN.get(there, {here})
        if not allowed:
            found.append(f"line {line}: {here} imports {there} ({name})")
    return found


def test_every_subpackage_has_a_row():
    found = {subpackage_of(module_name(path)) for path in SOURCES}
    assert found <= MAY_IMPORT.keys() | ENTRY_POINTS, "a new subpackage needs a row in MAY_IMPORT"


def test_the_table_points_one_way():
    order = list(TopologicalSorter(MAY_IMPORT).static_order())  # raises CycleError
    assert set(order) == MAY_IMPORT.keys(), "the table names a subpackage that has no row"
    assert not any("widgets" in allowed for allowed in MAY_IMPORT.values())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path):
    found = crossings(path.read_text("utf-8"), module_name(path), is_package=path.name == "__init__.py")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("explorable.nn.vae", "import explorable.world"),
        ("explorable.nn.vae", "from explorable.pipeline import Pipeline"),
        ("explorable.nn.vae", "from explorable import widgets"),
        ("explorable.nn.vae", "from explorable import load"),
        ("explorable.nn.vae", "import explorable as ex"),
        ("explorable.nn.vae", "from .. import zoo"),
        ("explorable.nn.vae", "from ..hooks import record"),
        ("explorable.world.things.garden", "from ...nn import vae"),
        ("explorable.pipeline", "from .widgets.stage import Stage"),
        ("explorable.pipeline", "def f():\n    from .measure import exam"),
        ("explorable.pipeline", "if TYPE_CHECKING:\n    from .widgets import Studio"),
        ("explorable.measure.exam", "import importlib\nimportlib.import_module('explorable.widgets')"),
        ("explorable.measure.exam", "import_module('..widgets', __package__)"),
        ("explorable.measure.exam", "from plotly import graph_objects"),
        ("explorable.pipeline", "import ipywidgets"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str):
    assert len(crossings(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("explorable.nn.vae", "import torch\nfrom .blocks import Attention\nfrom . import blocks"),
        ("explorable.world.things.garden", "from ..canvas import Pen\nfrom explorable.world import light"),
        ("explorable.training.vae", "from ..nn.vae import VAE\nfrom ..world import draw"),
        ("explorable.widgets.studio.widget", "import anywidget, plotly\nfrom .. import pipeline"),
        ("explorable.__main__", "from .widgets import Studio"),
        ("explorable", "from .widgets import Studio"),
    ],
)
def test_a_right_import_passes(module: str, source: str):
    assert crossings(source, module) == []


def test_a_package_is_its_own_base():
    assert crossings("from . import vae", "explorable.nn", is_package=True) == []
    assert crossings("from ..world import draw", "explorable.nn", is_package=True)


def test_diffusion_imports_only_hook_points_from_nn():
    found = {name for path in SOURCES if subpackage_of(module_name(path)) == "diffusion"
             for _, name in imports(path.read_text("utf-8"), "explorable.diffusion") if subpackage_of(name) == "nn"}
    assert found, "the guided denoiser has hook points"
    assert all(name.startswith("explorable.nn.hook_points.") for name in found), found


def import_graph() -> dict[str, set[str]]:
    """Every module, and those that it imports from, also in functions and under TYPE_CHECKING.

    `from ..nn import VAE` imports from the package, that is from its `__init__`; `from ..nn import vae` from the
    module.
    """
    modules = {module_name(path): path for path in SOURCES}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names = {name for _, name in imports(path.read_text("utf-8"), package) if name.split(".")[0] == "explorable"}
        graph[module] = {name if name in modules else name.rpartition(".")[0] for name in names} & modules.keys()
    return graph


def strongly_connected(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or through others (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(group) > 1 or node in graph[node]:
                groups.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def test_no_modules_import_each_other():
    groups = strongly_connected(import_graph())
    assert not groups, "modules that import each other:\n" + "\n".join(", ".join(group) for group in groups)


def test_a_cycle_of_imports_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "d"}}
    assert strongly_connected(graph) == [["b", "c"], ["d"]]


def test_importing_explorable_loads_nothing_heavy():
    heavy = ("torch", "plotly", "ipywidgets", "anywidget")
    program = f"import sys, explorable; print(*(name for name in {heavy!r} if name in sys.modules))"
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert printed.split() == []
