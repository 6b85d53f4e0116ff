"""Imports point one way only (CONTRIBUTING, "The house"): read from the source, and once tried out."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "explorable"

# Each part of the house, and the other parts that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "world": set(),
    "nn": set(),
    "diffusion": {"nn"},  # the hook points alone: see test_diffusion_imports_only_hook_points_from_nn
    "flow2d": {"diffusion"},
    "hooks": {"nn"},
    "zoo": {"nn"},
    "run": {"diffusion", "hooks"},
    "pipeline": {"world", "nn", "diffusion", "hooks", "zoo", "run"},
    "analysis": {"world", "nn", "diffusion", "flow2d", "hooks", "zoo", "run", "pipeline"},
    "training": {"world", "nn", "diffusion", "hooks", "zoo", "run", "pipeline", "analysis"},
    # A measure takes its drawings by their numbers in the training data's splits, from splits that no model saw.
    "measure": {"world", "nn", "diffusion", "hooks", "zoo", "run", "pipeline", "analysis", "training", "adapters",
                "flow2d"},
    "adapters": {"nn", "diffusion", "hooks", "run", "pipeline", "analysis"},
    "widgets": {"world", "nn", "diffusion", "flow2d", "hooks", "zoo", "run", "pipeline", "analysis", "measure"},
}
# The front doors. They may import every part, and no part may import them.
DOORS = {"__init__", "__main__"}

# Outside packages that have one place in the house.
ONLY_IN: dict[str, set[str]] = {
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "plotly": {"widgets"},
}

SOURCES = sorted(HOUSE.rglob("*.py"))


def part_of(module: str) -> str:
    """The part of the house that a module is in: nn for explorable.nn.vae, __init__ for explorable itself."""
    return [*module.split("."), "__init__"][1]


def module_name(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imports(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of every import in a source, wherever it stands, in functions too.

    `package` is what relative imports start from. `from a import b` may name a module or something inside
    of one, so it yields a.b; the caller looks at the first names alone. `import_module("a")` counts as well.
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
    """Every import in a source that the house does not allow, in words."""
    here = part_of(module)
    if here in DOORS:
        return []
    package = module if is_package else module.rpartition(".")[0]
    found = []
    for line, name in imports(source, package):
        if name.split(".")[0] == "explorable":
            there = part_of(name)
            allowed = there in MAY_IMPORT[here] | {here}
            if there not in MAY_IMPORT:  # `from explorable import load` names the front door's own things
                there = "the package itself"
        else:
            there = name.split(".")[0]
            allowed = here in ONLY_IN.get(there, {here})
        if not allowed:
            found.append(f"line {line}: {here} imports {there} ({name})")
    return found


def test_every_part_has_its_row():
    parts = {part_of(module_name(path)) for path in SOURCES}
    assert parts <= MAY_IMPORT.keys() | DOORS, "a new part of the house needs a row in MAY_IMPORT"


def test_the_table_points_one_way():
    order = list(TopologicalSorter(MAY_IMPORT).static_order())  # raises CycleError
    assert set(order) == MAY_IMPORT.keys(), "the table names a part that has no row"
    assert not any("widgets" in allowed for allowed in MAY_IMPORT.values())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HOUSE)))
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
def test_a_wrong_import_is_seen(module: str, source: str):
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
    found = {name for path in SOURCES if part_of(module_name(path)) == "diffusion"
             for _, name in imports(path.read_text("utf-8"), "explorable.diffusion") if part_of(name) == "nn"}
    assert found, "the guided denoiser has hook points"
    assert all(name.startswith("explorable.nn.hook_points.") for name in found), found


def test_importing_explorable_loads_nothing_heavy():
    heavy = ("torch", "plotly", "ipywidgets", "anywidget")
    program = f"import sys, explorable; print(*(name for name in {heavy!r} if name in sys.modules))"
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert printed.split() == []
