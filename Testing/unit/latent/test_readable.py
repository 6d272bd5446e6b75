import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regexplain.latent.components import LatentComponents
from regexplain.latent.purity import participation_ratio
from regexplain.latent.readable import rotate_towards, varimax

SD = np.array([8.0, 7.0, 3.0, 2.0, 1.0])


def orthonormal(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(columns, rows)))[0].T


def components(basis: np.ndarray, sd=SD) -> LatentComponents:
    sd = np.asarray(sd)
    return LatentComponents(basis, np.zeros(basis.shape[1]), sd, 0.9 * sd**2 / (sd**2).sum())


def check_rotation(rotation: np.ndarray) -> None:
    assert np.allclose(rotation @ rotation.T, np.eye(len(rotation)))


def test_varimax_finds_directions_that_each_live_in_their_own_cells():
    own = np.zeros((5, 50))
    for row in range(5):
        own[row, 10 * row : 10 * row + 10] = 1 / np.sqrt(10)
    mixed = components(orthonormal(5, 5) @ own)
    rotation = varimax(mixed, 5)
    check_rotation(rotation)
    found = rotation @ mixed.basis
    assert np.allclose(np.sort(np.abs(found @ own.T), 1), [0, 0, 0, 0, 1], atol=1e-4)
    assert (rotation.max(1) == np.abs(rotation).max(1)).all()


def test_towards_finds_known_directions_in_the_subspace_with_their_sign():
    known = components(orthonormal(5, 40))
    wanted = orthonormal(2, 5, seed=1) @ known.basis
    rotation = rotate_towards(known, 7 * wanted, 5)
    check_rotation(rotation)
    found = rotation[:2] @ known.basis
    matched = found @ wanted.T
    assert np.allclose(np.sort(matched, 1), [0, 1])


@given(st.integers(0, 1000), st.integers(1, 4))
def test_towards_gives_a_rotation_that_mixes_no_direction_more_than_another(seed, count):
    known = components(orthonormal(5, 40))
    random = np.random.default_rng(seed)
    directions = (np.eye(5)[:count] + 0.15 * random.normal(size=(count, 5))) @ known.basis
    rotation = rotate_towards(known, directions, 5)
    check_rotation(rotation)
    reordered = rotate_towards(known, directions[::-1], 5)
    assert np.allclose(rotation, reordered)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert (np.sort(unit @ (rotation[:count] @ known.basis).T, 1)[:, -1] > 0.7).all()


def test_what_is_left_of_the_subspace_is_uncorrelated_and_falls_in_variance():
    known = components(orthonormal(5, 40))
    rotation = rotate_towards(known, known.basis[:2].sum(0)[None], 5)
    covariance = rotation @ np.diag(SD**2) @ rotation.T
    assert np.allclose(covariance[1:, 1:], np.diag(np.diag(covariance)[1:]))
    assert (np.diff(np.diag(covariance)[1:]) <= 1e-9).all()


def test_the_known_motions_come_first_by_falling_variance():
    known = components(orthonormal(5, 40))
    rotation = rotate_towards(known, known.basis[[3, 2]], 5)
    assert np.allclose(rotation[:2], np.eye(5)[[2, 3]])
    assert np.allclose(np.abs(rotation[2:]), np.eye(5)[[0, 1, 4]])


def test_only_the_leading_components_are_rotated():
    known = components(orthonormal(5, 40))
    assert rotate_towards(known, known.basis[:1] + known.basis[4:], 3).shape == (3, 3)
    assert varimax(known, 4).shape == (4, 4)


@pytest.mark.parametrize("directions", ["the same twice", "outside", "too many"])
def test_directions_that_the_components_cannot_tell_apart_are_refused(directions):
    basis = orthonormal(6, 40)
    known = components(basis[:5])
    cases = {"the same twice": basis[[0, 0]], "outside": basis[5:], "too many": basis[[0, 1, 2]]}
    with pytest.raises(ValueError, match="cannot tell"):
        rotate_towards(known, cases[directions], 2 if directions == "too many" else 5)


def test_a_motion_that_pca_spreads_over_components_is_one_component_of_the_readable_basis():
    """The whole path: rotate, store, read again; the motion's changes are then pure, and nothing else has changed."""
    known = components(orthonormal(5, 40))
    motions = orthonormal(2, 5, seed=3) @ known.basis
    known.readable = rotate_towards(known, motions, 5)
    readable = known.in_readable_basis()
    for motion in motions:
        assert participation_ratio(np.abs(known.basis @ motion)) > 2
        assert participation_ratio(np.abs(readable.basis @ motion)) == pytest.approx(1, abs=1e-6)
    encodings = np.random.default_rng(0).normal(size=(7, 40))
    assert np.allclose(
        (known.coordinates(encodings) * known.sd) @ known.basis,
        (readable.coordinates(encodings) * readable.sd) @ readable.basis,
    )
    assert readable.explained_variance.sum() == pytest.approx(known.explained_variance.sum())
