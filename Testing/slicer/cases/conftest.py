"""Outside Slicer these tests run on the stand-in host."""

import pytest

from panel.fixtures import host  # noqa: F401


@pytest.fixture(autouse=True)
def running(host):  # noqa: F811
    return host
