import numpy as np
import pytest

from regexplain.decomposition import LatentComponents


def planted(count=60, size=40, spread=(9.0, 4.0, 1.0)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encodings with three known directions of known standard deviation, their basis and their mean."""
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(size, 3)))[0].T
    scores = random.normal(size=(count, 3))
    scores = np.linalg.qr(scores - scores.mean(0))[0] * np.sqrt(count - 1) * spread
    mean = random.normal(size=size) * 5
    return mean + scores @ basis, basis, mean


def test_planted_directions_are_found_with_their_spread():
    encodings, basis, mean = planted()
    found = LatentComponents.fit(encodings, 3)
    assert np.allclose(found.sd, [9.0, 4.0, 1.0])
    assert np.allclose(np.abs(np.sum(found.basis * basis, 1)), 1)
    assert np.allclose(found.mean, mean)
    assert np.allclose(found.explained_variance, np.array([81, 16, 1]) / 98)


def test_coordinates_are_standard_deviations_of_the_training_population():
    encodings, *_ = planted()
    found = LatentComponents.fit(encodings, 3)
    coordinates = found.coordinates(encodings)
    assert np.allclose(coordinates.std(0, ddof=1), 1)
    assert np.allclose(found.coordinates(found.mean + found.direction(1, 2.5)), [0, 2.5, 0])


def test_signs_do_not_depend_on_the_solver():
    encodings, *_ = planted()
    found, mirrored = LatentComponents.fit(encodings, 3), LatentComponents.fit(2 * encodings.mean(0) - encodings, 3)
    assert np.allclose(found.basis, mirrored.basis)
    assert (found.basis[np.arange(3), np.abs(found.basis).argmax(1)] > 0).all()


def test_saved_components_load_the_same(tmp_path):
    found = LatentComponents.fit(planted()[0], 3)
    found.save(tmp_path / "c.safetensors")
    loaded = LatentComponents.load(tmp_path / "c.safetensors")
    for name in ("basis", "mean", "sd", "explained_variance"):
        assert np.allclose(getattr(loaded, name), getattr(found, name), rtol=1e-3, atol=1e-3), name


@pytest.mark.parametrize("count", [2, 32])
def test_no_more_components_than_the_data_hold(count):
    assert len(LatentComponents.fit(np.random.default_rng(0).normal(size=(6, 50)), count).sd) == min(count, 5)
