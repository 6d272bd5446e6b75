"""Where each type of network is entered (docs/architecture.md, "Where to add")."""

import pytest

from regexplain.cards.stages import STAGES
from regexplain.torch_backend.inference.model import NETWORKS
from regexplain.volumes.memory import MEMORY_COSTS


@pytest.mark.parametrize("name", NETWORKS)
def test_a_type_of_network_is_entered_with_its_stages_and_its_memory(name):
    assert set(NETWORKS[name].stages) <= set(STAGES[name])
    assert name in MEMORY_COSTS
