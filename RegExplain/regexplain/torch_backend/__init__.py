"""All that needs torch: networks, losses, training, inference, attribution."""

import os

# Threads of OpenMP that wait for each other by spinning take the processor from Slicer and from all else that runs: on
# a busy computer everything takes three times as long. It is read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
