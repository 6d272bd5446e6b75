"""A basis of the leading latent components that may be easier to read than PCA's own.

Each function gives a rotation R (K', K') of the first K' components, for `LatentComponents.readable`: the rows of
R @ basis[:K'] are the new unit directions. Nothing is lost or gained: they are orthonormal and span what the old ones
did. Unlike PCA's, the coordinates along them are correlated over the training cases; their variances are
diag(R diag(sd²) Rᵀ).
"""

from __future__ import annotations

import numpy as np

from .components import LatentComponents

# Of unit directions projected on the components: below it they cannot be told apart.
MIN_SINGULAR_VALUE = 0.05


def varimax(components: LatentComponents, count: int, *, rounds: int = 500, tolerance: float = 1e-9) -> np.ndarray:
    """The rotation that makes each of the first `count` directions live in few latent cells (Kaiser 1958).

    It maximises the variance of the squared entries within each direction. Rows by falling variance; the largest entry
    of each is positive.
    """
    loadings = components.basis[:count].T
    rotation, last = np.eye(loadings.shape[1]), 0.0
    for _ in range(rounds):
        rotated = loadings @ rotation
        gradient = loadings.T @ (rotated**3 - rotated * (rotated**2).mean(0))
        u, singular, vt = np.linalg.svd(gradient)
        rotation = u @ vt
        if singular.sum() <= last * (1 + tolerance):
            break
        last = singular.sum()
    return sort_by_variance(_fix_signs(rotation.T), components.sd[:count])


def rotate_towards(components: LatentComponents, directions: np.ndarray, count: int) -> np.ndarray:
    """The rotation whose first directions lie as near as can be to the given ones (M, n), e.g. of known motions.

    These are projected on the first `count` components, scaled to unit length and made orthogonal all at once
    (Löwdin's symmetric way: no direction has to make room for another). Their rows come first, by falling variance,
    with the sign of the given directions; then uncorrelated directions of falling variance fill the subspace.
    Raises ValueError for directions that the components cannot tell apart.
    """
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    inside = unit @ components.basis[:count].T
    if len(inside) > inside.shape[1] or np.linalg.svd(inside, compute_uv=False).min() < MIN_SINGULAR_VALUE:
        raise ValueError(
            f"The first {count} components cannot tell the {len(inside)} directions apart; use more components or "
            "fewer directions."
        )
    u, _, vt = np.linalg.svd(inside / np.linalg.norm(inside, axis=1, keepdims=True))
    aligned, complement = u @ vt[: len(inside)], vt[len(inside) :]
    variance = components.sd[:count] ** 2
    _, axes = np.linalg.eigh(complement @ (variance[:, None] * complement.T))
    remaining = axes.T @ complement
    sd = components.sd[:count]
    return np.concatenate([sort_by_variance(aligned, sd), sort_by_variance(_fix_signs(remaining), sd)])


def sort_by_variance(rotation: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Its rows by falling variance of the training coordinates, whose standard deviations in PCA's basis are `sd`."""
    return rotation[np.argsort(-(rotation**2 @ sd**2), kind="stable")]


def _fix_signs(rotation: np.ndarray) -> np.ndarray:
    """Each row's entry largest in size made positive."""
    largest = np.abs(rotation).argmax(1)
    return rotation * np.sign(rotation[np.arange(len(rotation)), largest])[:, None]
