"""The networks that hooks are tried on."""

import pytest
from tiny_pipes import tiny


@pytest.fixture(scope="session", params=["unet", "dit"])
def pipe(request):
    return tiny(request.param, "straight" if request.param == "unet" else "linear")


@pytest.fixture(scope="session")
def unet():
    return tiny("unet")


@pytest.fixture(scope="session")
def dit():
    return tiny("dit", "linear")
