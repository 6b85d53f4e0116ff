"""The explorable that CONTRIBUTING shows can be copied: it is run here as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_pipes import tiny

GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"


@pytest.fixture
def halves():
    (text,) = re.findall(r"^```python\n(.*?class Halves.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert text.count("\n") < 100
    told: dict = {}
    exec(compile(text, str(GUIDE), "exec"), told)
    made = told["Halves"](tiny("unet"), prompt="a red car")
    made.wait()
    yield made
    made.close()


def test_the_explorable_of_the_guide_works(halves, tmp_path):
    assert halves.error is None and halves.stage.captions
    assert halves.data.distance.sizes == {"step": 20, "half": 2} and halves.data.denoised.sizes["step"] == 20
    assert list(halves.table()) == ["left", "right"]
    page = halves.save_html(tmp_path / "halves.html").read_text("utf-8")
    assert "nearer to its end" in page
    halves.prompt = "a blue car"
    halves.wait()
    assert halves.error is None and "a blue car" in halves.code()
    compile(halves.code(), "code", "exec")
