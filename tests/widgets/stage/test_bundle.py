"""The bundler joins ES modules to one with the same exports, and refuses what it does not understand."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from explorable.widgets.core.offline import offline_page
from explorable.widgets.stage.bundle import BundleError, bundle
from explorable.widgets.stage.stage import Stage, script

MODULES = {
    "numbers.js": "const hidden = 1;\nexport const two = hidden + 1;\nexport function double(x) {\n  return 2 * x;\n}\n"
                  "export class Box {}\nexport async function later() {}\n",
    "shapes.js": 'import { two, double as twice } from "./numbers.js";\nconst hidden = twice(two);\n'
                 "export { hidden as four, twice };\nexport default hidden + 1;\n",
    "entry.js": 'import five from "./shapes.js";\nimport {\n  four,\n} from "./shapes.js";\n'
                'import * as numbers from "./numbers.js";\n// import nothing from "./nowhere.js"\n'
                "export const sum = five + four + numbers.two;\nexport default { sum, kind: typeof numbers.Box };\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def run_in_node(module: str, expression: str, folder: Path) -> str:
    node = shutil.which("node")
    if node is None:
        if os.environ.get("EXPLORABLE_REQUIRE_BROWSER"):
            pytest.fail("node is not installed; .ci/run installs it")
        pytest.skip("needs node 20 or newer")
    (folder / "joined.mjs").write_text(module, "utf-8")
    code = f'import * as m from "./joined.mjs"; console.log(JSON.stringify({expression}));'
    (folder / "test.mjs").write_text(code, "utf-8")
    done = subprocess.run([node, "test.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_names_keep_their_scopes_and_exports_their_values(folder: Path):
    joined = bundle(folder / "entry.js")
    assert joined.count("numbers.js") == 1, "a module that is imported twice is contained once"
    assert run_in_node(joined, "[m.sum, m.default]", folder) == '[11,{"sum":11,"kind":"function"}]'


@pytest.mark.parametrize(("source", "message"), [
    ('import { three } from "./numbers.js";', "imports three from numbers.js, which exports two, double, Box, later"),
    ('import five from "./numbers.js";', "imports default from numbers.js"),
    ('import { a } from "./nowhere.js";', "nowhere.js is imported but does not exist"),
    ('import { a } from "three";', "only relative paths"),
    ('import "./numbers.js";', "not understood: import"),
    ('import five, { four } from "./shapes.js";', "not understood: import five"),
    ('export * from "./numbers.js";', r"not understood: export \*"),
    ('export { two } from "./numbers.js";', "not understood: export { two }"),
    ("export default function f() {}", "not understood: export default function"),
    ('import { b } from "./bad.js";\nexport const b = 1;', "circular import"),
])
def test_what_is_not_understood_is_refused(folder: Path, source: str, message: str):
    (folder / "bad.js").write_text(f"{source}\n", "utf-8")
    with pytest.raises(BundleError, match=message):
        bundle(folder / "bad.js")


def test_the_stage_and_the_offline_page_use_the_same_module():
    stage = Stage()
    assert stage._esm == script() and script() in offline_page("?", stage, "", "", "", "")
    assert all(name in script() for name in ("layers.js", "panel.js", "stage.js"))
    stage.close()
