"""What is kept from one registration or explanation to the next is never that of other weights or another image."""

import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fire_model import head, write_any_contrast_model, write_fire_model
from regexplain.cards import registry
from regexplain.cards.registry import CARD, WEIGHTS
from regexplain.errors import BadInputError
from regexplain.torch_backend.inference import model as kept
from regexplain.torch_backend.inference.model import load_cached


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """By other tests."""
    monkeypatch.setattr(kept, "_last", threading.local())


@pytest.fixture
def scalings(monkeypatch):
    """How often an image was scaled."""
    images = []
    rescale = kept.rescale_image
    monkeypatch.setattr(kept, "rescale_image", lambda scaling, image: images.append(image) or rescale(scaling, image))
    return images


def test_the_same_weights_are_read_once_and_an_equal_image_is_scaled_once(fire_model, monkeypatch, scalings):
    card = registry.find_card(fire_model)
    first = load_cached(card, "cpu", 1)
    before = first.scaled(head("T1")[0])
    monkeypatch.setattr(kept, "load_weights", lambda *_: pytest.fail("The weights were read again."))
    again = load_cached(registry.find_card(fire_model), "cpu", 1)
    assert again.network is first.network
    assert again.scaled(head("T1")[0]) is before and len(scalings) == 1


def test_an_image_that_was_changed_or_moved_is_scaled_anew(fire_model, scalings):
    scan = head("T1")[0]
    load_cached(registry.find_card(fire_model), "cpu", 1).scaled(scan)
    scan[1, 1, 1] = 3000
    bright = load_cached(registry.find_card(fire_model), "cpu", 1).scaled(scan)
    assert bright[1, 1, 1] == 1
    scan.SetOrigin((1.0, 2.0, 3.0))
    assert load_cached(registry.find_card(fire_model), "cpu", 1).scaled(scan).GetOrigin() == (1.0, 2.0, 3.0)
    assert len(scalings) == 3


def test_no_more_than_two_images_are_kept(fire_model):
    model = load_cached(registry.find_card(fire_model), "cpu", 1)
    for value in range(5):
        scan = head("T1")[0]
        scan[0, 0, 0] = value
        model.scaled(scan)
    assert len(model._by_digest) == 2


def test_other_weights_of_the_same_name_are_another_model(tmp_path):
    def first_weight() -> np.ndarray:
        network = load_cached(registry.find_card(folder), "cpu", 1).network
        return next(network.parameters()).numpy().copy()

    folder = write_fire_model(tmp_path / "model")
    before = first_weight()
    write_fire_model(folder, seed=12)
    assert not np.array_equal(first_weight(), before)


def test_weights_damaged_since_are_noticed(tmp_path):
    folder = write_fire_model(tmp_path / "model")
    load_cached(registry.find_card(folder), "cpu", 1)
    Path(folder, WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(BadInputError, match="damaged or was changed"):
        load_cached(registry.find_card(folder), "cpu", 1)


def test_a_checksum_tells_voxels_types_and_places_apart():
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    moved, other = sitk.Image(image), sitk.Image(image)
    moved.SetSpacing((1.0, 1.0, 2.0))
    other[0, 0, 0] = 1
    images = [image, moved, other, sitk.Cast(image, sitk.sitkUInt16)]
    assert len({kept.image_digest(one) for one in images}) == 4
    assert kept.image_digest(image) == kept.image_digest(sitk.Image(image))


def test_a_card_that_calls_the_iterations_looks_is_read(tmp_path):
    folder = write_any_contrast_model(tmp_path / "model")
    text = (folder / CARD).read_text(encoding="utf-8")
    assert text.count('"iterations"') == 1
    (folder / CARD).write_text(text.replace('"iterations"', '"looks"'), encoding="utf-8")
    network = load_cached(registry.find_card(str(folder)), "cpu", 1).network
    assert network.transformation.iterations == [1, 1, 1]
