import tracemalloc

import numpy as np
import pytest

from regexplain.errors import BadInputError
from regexplain.latent.components import LatentComponents, gram_matrix


def planted(count=60, size=40, spread=(9.0, 4.0, 1.0)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encodings with three known directions of known standard deviation, their basis and their mean."""
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(size, 3)))[0].T
    scores = random.normal(size=(count, 3))
    scores = np.linalg.qr(scores - scores.mean(0))[0] * np.sqrt(count - 1) * spread
    mean = random.normal(size=size) * 5
    return mean + scores @ basis, basis, mean


@pytest.mark.slow
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
    found.readable, found.training_mahalanobis, found.training_residual = rotated(0.5), np.arange(4.0), np.ones(4)
    found.save(tmp_path / "c.safetensors")
    loaded = LatentComponents.load(tmp_path / "c.safetensors")
    for name, value in vars(found).items():
        assert np.allclose(getattr(loaded, name), value, rtol=1e-3, atol=2.5e-3), name


def test_what_was_not_made_is_not_there_after_loading(tmp_path):
    LatentComponents.fit(planted()[0], 3).save(tmp_path / "c.safetensors")
    loaded = LatentComponents.load(tmp_path / "c.safetensors")
    assert loaded.readable is None and loaded.training_mahalanobis is None and loaded.training_residual is None


class Lazy:
    """Encodings that exist only while they are asked for, as those of a network do; counts the askings."""

    def __init__(self, count: int, size: int):
        self.count, self.size, self.asked = count, size, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        self.asked += 1
        random = np.random.default_rng(index)
        return (5 + random.normal(size=self.size) + 3 * random.normal() * np.sin(np.arange(self.size))).astype(
            np.float32
        )


@pytest.mark.parametrize("memory_bytes", [1, 30_000, 79_000])
def test_block_by_block_gives_scikit_learns_components(memory_bytes):
    encodings = Lazy(40, 250)  # 80,000 bytes as float64
    at_once, in_blocks = (LatentComponents.fit(encodings, 12, m) for m in (80_000, memory_bytes))
    assert np.allclose(in_blocks.basis, at_once.basis, atol=1e-10)
    assert np.allclose(in_blocks.mean, at_once.mean)
    assert np.allclose(in_blocks.sd, at_once.sd)
    assert np.allclose(in_blocks.explained_variance, at_once.explained_variance)


@pytest.mark.slow
def test_no_more_than_the_stated_memory_is_in_use():
    encodings = Lazy(64, 20_000)
    one = 20_000 * 8  # bytes
    tracemalloc.start()
    LatentComponents.fit(encodings, 2, 9 * one)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 9 * one + 8 * one < 64 * one / 3  # the blocks; mean, basis, what sums it up and makes an encoding
    assert encodings.asked <= 64 * (2.5 + 12 * 64 / 9 / 8 + 1)


def test_the_whole_is_held_where_it_fits():
    encodings = Lazy(10, 100)
    LatentComponents.fit(encodings, 2, 10 * 100 * 8)
    assert encodings.asked <= 12


def test_inner_products_are_those_beside_the_mean():
    encodings, *_ = planted()
    mean, gram = gram_matrix(encodings, 7 * 16 * 40)
    beside = encodings - encodings.mean(0)
    assert np.allclose(mean, encodings.mean(0))
    assert np.allclose(gram, beside @ beside.T)


def rotated(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def test_the_readable_basis_spans_the_same_and_tells_its_own_spread():
    encodings, *_ = planted()
    found = LatentComponents.fit(encodings, 3)
    found.readable = rotated(0.5)
    readable = found.in_readable_basis()
    assert np.allclose(readable.basis[0], np.cos(0.5) * found.basis[0] + np.sin(0.5) * found.basis[1])
    assert np.allclose(readable.basis[2], found.basis[2])
    assert np.allclose(readable.basis.T @ readable.basis, found.basis.T @ found.basis)
    assert np.allclose(readable.coordinates(encodings).std(0, ddof=1), 1)
    assert readable.explained_variance.sum() == pytest.approx(found.explained_variance.sum())
    assert np.allclose(readable.sd**2 / readable.explained_variance, found.sd**2 / found.explained_variance)


def test_components_without_a_readable_basis_say_so():
    with pytest.raises(BadInputError, match="no readable basis"):
        LatentComponents.fit(planted()[0], 3).in_readable_basis()


def test_the_eight_bits_of_the_saved_basis_are_far_below_what_a_coordinate_means(tmp_path):
    """As many numbers as a real encoding has, most of them off the components."""
    encodings = Lazy(50, 30_000)
    found = LatentComponents.fit(encodings, 8)
    found.save(tmp_path / "c.safetensors")
    loaded = LatentComponents.load(tmp_path / "c.safetensors")
    new = np.stack([Lazy(60, 30_000)[i] for i in range(50, 60)])
    assert np.abs(loaded.coordinates(new) - found.coordinates(new)).max() < 0.003
    assert np.linalg.norm(loaded.direction(0, 2) - found.direction(0, 2)) < 0.01 * 2 * found.sd[0]


@pytest.mark.parametrize("count", [2, 32])
def test_no_more_components_than_the_data_hold(count):
    assert len(LatentComponents.fit(np.random.default_rng(0).normal(size=(6, 50)), count).sd) == min(count, 5)
