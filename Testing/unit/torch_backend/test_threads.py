"""The threads of the networks leave the processor to others while they wait."""

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only GNU's OpenMP tells how its threads wait")
def test_a_networks_threads_sleep_while_they_wait():
    """Spinning, they took two to three times the processor time wherever anything else ran, Slicer for one."""
    code = "import regexplain.torch_backend.networks.weights"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment["OMP_DISPLAY_ENV"] = "TRUE"
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in told.stderr
