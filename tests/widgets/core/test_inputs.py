"""The traits that explorables share refuse what a pipeline would refuse."""

from __future__ import annotations

import pytest

from explorable.diffusion.settings import SettingError
from explorable.widgets.core.inputs import SamplerInput, SamplingInputs, validate_choice, validate_setting


class Inputs(SamplingInputs, SamplerInput):
    samplers = ("euler", "heun")


@pytest.mark.parametrize(("name", "value", "message"), [
    ("steps", 0, "from 1 to 1000"), ("seed", -1, "seed is -1"), ("guidance", 101.0, "from 0 to 100"),
    ("sampler", "ddim", "choose one of euler, heun")])
def test_an_invalid_value_is_refused_and_the_old_one_stays(name: str, value: object, message: str):
    inputs = Inputs()
    before = getattr(inputs, name)
    with pytest.raises(SettingError, match=message):
        setattr(inputs, name, value)
    assert getattr(inputs, name) == before


def test_a_valid_value_is_returned():
    assert validate_setting("steps", 7) == 7 and validate_choice("path", "straight", ("straight",)) == "straight"
