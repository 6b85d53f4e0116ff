"""A tiny untrained examiner: what an analysis computes does not depend on training."""

import pytest
from tiny_pipes import tiny_examiner


@pytest.fixture(scope="session")
def examiner():
    return tiny_examiner()
