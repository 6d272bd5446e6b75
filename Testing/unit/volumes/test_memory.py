"""What does not fit into this computer's memory is refused before the work begins."""

import numpy as np
import pytest
import SimpleITK as sitk

import sample_pair
from external_models import allowed, imported, own_class, write_draft
from regexplain.cards import registry
from regexplain.errors import BadInputError
from regexplain.registration import register
from regexplain.transform_explanation import explain_transform
from regexplain.volumes import memory
from regexplain.volumes.memory import MEMORY_COSTS, check_memory_for, memory_for, physical_memory

WORK = {
    "affine": lambda fixed, moving: register(fixed, moving),
    "latent": lambda fixed, moving: register(fixed, moving, "hippocampus"),
    "fire": lambda fixed, moving: register(fixed, moving, "brain-t1-flair"),
    "external": lambda fixed, moving: register(fixed, moving, "mine"),
    "explain-transform": lambda fixed, moving: explain_transform(sitk.TranslationTransform(3), fixed, moving),
}

PEAKS_GIB = [  # as benchmarks/large_scans.py measured them, of two scans of that size (its README); refined by 25 steps
    ("explain-transform", (512, 512, 400), 7.7),
    ("fire", (512, 512, 300), 8.4),
    ("fire", (320, 400, 300), 5.0),
    ("fire", (216, 216, 216), 2.74),
    ("fire", (144, 144, 144), 1.1),
    ("latent", (144, 144, 144), 0.93),
]


def image(size) -> sitk.Image:
    return sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 99, size[::-1]).astype(np.int16))


@pytest.mark.parametrize("work", MEMORY_COSTS)
def test_each_kind_of_work_is_refused_by_its_own_measure(monkeypatch, work, tmp_path):
    if work == "external":
        allowed(monkeypatch, tmp_path)
        imported(write_draft(tmp_path, own_class("ShiftFinder")))
    fixed, moving = (10, 20, 30), (40, 20, 10)
    cost = MEMORY_COSTS[work]
    needed = cost.fixed * np.prod(fixed) + cost.moving * np.prod(moving) + cost.bytes
    monkeypatch.setattr(memory, "physical_memory", lambda: needed)
    check_memory_for(work, fixed, moving)
    monkeypatch.setattr(memory, "physical_memory", lambda: needed - 1)
    with pytest.raises(BadInputError, match="GB of memory, more than this computer has; crop or resample them"):
        WORK[work](image(fixed), image(moving))


@pytest.mark.parametrize(("work", "size", "peak"), PEAKS_GIB)
def test_no_less_is_asked_for_than_was_measured_and_not_much_more_of_large_scans(work, size, peak):
    asked = memory_for(work, size, size) / 2**30
    assert peak <= asked <= max(1.3 * peak, 3)


def test_every_installed_model_has_a_measure():
    assert {card.values["network"]["type"] for card in registry.installed_cards()} <= set(MEMORY_COSTS) == set(WORK)


def test_the_memory_of_this_computer_is_known(monkeypatch):
    assert 2**28 < physical_memory() < 2**46
    monkeypatch.setattr("os.sysconf", lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert physical_memory() == float("inf")


def test_the_sample_pair_fits():
    for work in MEMORY_COSTS:
        check_memory_for(work, *(sample_pair.image(role).GetSize() for role in ("fixed", "moving")))


@pytest.mark.slow
def test_a_model_that_needs_too_much_is_not_loaded_to_be_asked_for_and_the_affine_is_done(monkeypatch):
    pair = [sample_pair.image(role) for role in ("fixed", "moving")]
    cost = MEMORY_COSTS["affine"]
    needed = sum(a * np.prod(image.GetSize()) for a, image in zip(cost, pair, strict=False)) + cost.bytes
    monkeypatch.setattr(memory, "physical_memory", lambda: needed)
    monkeypatch.setattr("regexplain.registration.load_model", lambda *_, **_options: pytest.fail("A model was loaded."))
    record = register(*pair).record
    assert record["kind"] == "affine" and "these images would need 1 GB of memory" in record["warnings"][0]
