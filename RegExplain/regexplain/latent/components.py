"""Principal components of the latent space (Estienne et al. 2021, section 2): directions that decode to motions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cards.quantization import load_dequantized, quantize
from ..errors import BadInputError

MEMORY_BYTES = 2**30


@dataclass
class LatentComponents:
    """Of the encodings E(X) of training volumes, flattened (n numbers each).

    basis (K, n): orthonormal rows u_j, signs fixed so that the entry largest in size is positive.
    mean (n,). sd (K,): standard deviation of the training coordinates. explained_variance (K,): shares of the whole.
    readable (K', K'): the rotation of the first K' components to an easier basis (readable.py), where one was made.
    training_mahalanobis, training_residual (N,): how far the training encodings lie from each other (population.py).
    """

    basis: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    explained_variance: np.ndarray
    readable: np.ndarray | None = None
    training_mahalanobis: np.ndarray | None = None
    training_residual: np.ndarray | None = None

    @classmethod
    def fit(
        cls, encodings: Sequence[np.ndarray] | np.ndarray, count: int = 32, memory_bytes: int = MEMORY_BYTES
    ) -> LatentComponents:
        """`encodings`: (N, n), or anything with a length and an index that gives (n,): a memory map, a lazy encoder.

        They are decomposed at once (scikit-learn) where they fit in memory_bytes as float64. Else through their inner
        products, at most memory_bytes of them held at a time, each asked for about 2 + 12 · N · n / memory_bytes times.
        """
        count = min(count, len(encodings) - 1)
        if len(encodings) * len(encodings[0]) * 8 <= memory_bytes:
            basis, mean, variance, shares = _fit_in_memory(encodings, count)
        else:
            basis, mean, variance, shares = _fit_in_blocks(encodings, count, memory_bytes)
        largest = np.abs(basis).argmax(1)
        signs = np.sign(basis[np.arange(len(largest)), largest])
        return cls(basis * signs[:, None], mean, np.sqrt(variance), shares)

    def coordinates(self, encodings: np.ndarray) -> np.ndarray:
        """(..., n) to (..., K), in standard deviations of the training population from its mean."""
        return (encodings - self.mean) @ self.basis.T / self.sd

    def direction(self, index: int, strength: float) -> np.ndarray:
        """λu_j with λ = strength standard deviations; `index` from 0. No mean is added: it is a latent *difference*."""
        return self.basis[index] * (self.sd[index] * strength)

    def in_readable_basis(self) -> LatentComponents:
        """The same subspace, its first directions rotated by `readable`. Their coordinates may be correlated."""
        if self.readable is None:
            raise BadInputError("This model has no readable basis; use its principal components (the basis pca).")
        rotation, count = self.readable, len(self.readable)
        variance = rotation**2 @ self.sd[:count] ** 2
        return LatentComponents(
            np.concatenate([rotation @ self.basis[:count], self.basis[count:]]),
            self.mean,
            np.concatenate([np.sqrt(variance), self.sd[count:]]),
            np.concatenate([rotation**2 @ self.explained_variance[:count], self.explained_variance[count:]]),
        )

    def save(self, path: Path) -> None:
        """The basis in 8 bits: the coordinates of a real volume are off by about 0.01 standard deviations."""
        from safetensors.numpy import save_file

        # safetensors writes memory as it lies, and scikit-learn's basis lies column by column.
        tensors = {
            name: np.ascontiguousarray(value, np.float32) for name, value in vars(self).items() if value is not None
        }
        save_file(tensors | quantize({"basis": tensors["basis"]}), str(path))

    @classmethod
    def load(cls, path: Path) -> LatentComponents:
        return cls(**{name: values.astype(np.float64) for name, values in load_dequantized(path).items()})


def gram_matrix(
    encodings: Sequence[np.ndarray] | np.ndarray, memory_bytes: int = MEMORY_BYTES
) -> tuple[np.ndarray, np.ndarray]:
    """The mean (n,) of N encodings and the inner products (N, N) of what they are beside it.

    At most memory_bytes of encodings are in memory at a time (but three at least).
    """
    origin = np.zeros(len(encodings[0]))
    rows, mean = _rows_per_block(len(origin), memory_bytes), origin.copy()
    for _, block in _blocks(encodings, rows, origin):
        mean += block.sum(0) / len(encodings)
    gram = np.empty((len(encodings), len(encodings)))
    for here, block in _blocks(encodings, rows, mean):
        gram[here, here] = block @ block.T
        for there, other in _blocks(encodings, rows, mean, here.stop):
            gram[here, there] = block @ other.T
            gram[there, here] = gram[here, there].T
    return mean, gram


def leading_eigenvectors(gram: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` largest eigenvalues, falling, and their eigenvectors (N, count)."""
    values, vectors = np.linalg.eigh(gram)
    return values[::-1][:count], vectors[:, ::-1][:, :count]


def _fit_in_memory(encodings, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Basis (without signs), mean, variances along it and their shares of the whole; so does `_fit_in_blocks`."""
    from sklearn.decomposition import PCA

    [(_, everything)] = _blocks(encodings, len(encodings), np.zeros(len(encodings[0])))
    pca = PCA(count, svd_solver="full").fit(everything)
    return pca.components_, pca.mean_, pca.explained_variance_, pca.explained_variance_ratio_


def _fit_in_blocks(encodings, count: int, memory_bytes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    mean, gram = gram_matrix(encodings, memory_bytes)
    values, vectors = leading_eigenvectors(gram, count)
    weights = (vectors / np.sqrt(values)).T
    basis = np.zeros((count, len(mean)))
    for here, block in _blocks(encodings, _rows_per_block(len(mean), memory_bytes), mean):
        basis += weights[:, here] @ block
    return basis, mean, values / (len(gram) - 1), values / np.trace(gram)


def _rows_per_block(size: int, memory_bytes: int) -> int:
    """Encodings of `size` numbers in a float64 block, a third of memory_bytes: two to multiply, one being read."""
    return max(1, memory_bytes // (3 * 8 * size))


def _blocks(encodings, rows: int, mean: np.ndarray, start: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
    """From the `start`-th on: where each block lies, and its encodings beside the mean, (≤ rows, n) float64."""
    for first in range(start, len(encodings), rows):
        here = slice(first, min(first + rows, len(encodings)))
        block = np.empty((here.stop - here.start, len(mean)))
        for row, index in enumerate(range(here.start, here.stop)):
            block[row] = encodings[index]
        block -= mean
        yield here, block
