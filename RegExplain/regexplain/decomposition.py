"""Principal components of the latent space (Estienne et al. 2021, section 2): directions that decode to motions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class LatentComponents:
    """Of the encodings E(X) of training volumes, flattened (n numbers each).

    basis (K, n): orthonormal rows u_j, signs fixed so that the entry largest in size is positive.
    mean (n,). sd (K,): standard deviation of the training coordinates. explained_variance (K,): shares of the whole.
    """

    basis: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    explained_variance: np.ndarray

    @classmethod
    def fit(cls, encodings: np.ndarray, count: int = 32) -> LatentComponents:
        """`encodings` (N, n)."""
        from sklearn.decomposition import PCA

        pca = PCA(min(count, len(encodings) - 1), svd_solver="full").fit(encodings.astype(np.float64))
        largest = np.abs(pca.components_).argmax(1)
        signs = np.sign(pca.components_[np.arange(len(largest)), largest])
        return cls(
            pca.components_ * signs[:, None], pca.mean_, np.sqrt(pca.explained_variance_), pca.explained_variance_ratio_
        )

    def coordinates(self, encodings: np.ndarray) -> np.ndarray:
        """(..., n) to (..., K), in standard deviations of the training population from its mean."""
        return (encodings - self.mean) @ self.basis.T / self.sd

    def direction(self, index: int, strength: float) -> np.ndarray:
        """λu_j with λ = strength standard deviations; `index` from 0. No mean is added: it is a latent *difference*."""
        return self.basis[index] * (self.sd[index] * strength)

    def save(self, path: Path) -> None:
        from safetensors.numpy import save_file

        kinds = {"basis": np.float16, "mean": np.float32, "sd": np.float32, "explained_variance": np.float32}
        # safetensors writes memory as it lies, and scikit-learn's basis lies column by column.
        save_file({name: np.ascontiguousarray(getattr(self, name), kind) for name, kind in kinds.items()}, str(path))

    @classmethod
    def load(cls, path: Path) -> LatentComponents:
        from safetensors.numpy import load_file

        values = {key: value.astype(np.float64) for key, value in load_file(str(path)).items()}
        return cls(**values)
