import pytest

import sample_pair
from regexplain import register


@pytest.fixture(scope="session")
def sample_result():
    """The project's own pair, registered with its segmentations by the shipped model."""
    images = [sample_pair.image(name) for name in ("fixed", "moving", "fixed_segmentation", "moving_segmentation")]
    return register(*images[:2], fixed_segmentation=images[2], moving_segmentation=images[3], threads=1)
