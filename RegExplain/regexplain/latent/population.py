"""How typical a volume is of the population that a model was trained on.

Two distances of its encoding from the training encodings: the Mahalanobis distance along the components that describe
them, and the length of the residual that these leave. Training cases have both for comparison, each measured by
components fitted without it and its neighbours (`calibrate`), so that they are scored as new cases are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .components import MEMORY_BYTES, LatentComponents, gram_matrix, leading_eigenvectors

# What lies beyond is small in every training case, and large in what is no such case.
DESCRIBED_VARIANCE = 0.95
FOLDS = 20
ATYPICAL_PERCENTILE = 99.0


@dataclass
class PopulationScore:
    """Of one volume. coordinates_sd (K,): its coordinates in standard deviations of the training population.

    A percentile is the share (in %) of the training cases and the volume itself that lie below it. A volume drawn as
    the training cases were reaches 99 in at most 1 % of all draws: by either measure it is called atypical with a
    chance of at most 2 %. With fewer than 99 training cases no percentile reaches 99, and nothing is atypical.
    """

    coordinates_sd: list[float]
    mahalanobis: float
    mahalanobis_percentile: float
    residual: float
    residual_percentile: float

    @property
    def atypical(self) -> bool:
        return max(self.mahalanobis_percentile, self.residual_percentile) >= ATYPICAL_PERCENTILE

    @property
    def record(self) -> dict[str, Any]:
        """Its part of result.json."""
        return asdict(self) | {"atypical": self.atypical}

    @property
    def reason(self) -> str:
        """What is atypical, as a phrase about the volume; empty where nothing is."""
        phrases = {
            "it shows something that they do not": self.residual_percentile,
            "its shape or position is more extreme than theirs": self.mahalanobis_percentile,
        }
        return " and ".join(phrase for phrase, percentile in phrases.items() if percentile >= ATYPICAL_PERCENTILE)


@dataclass
class Population:
    """mahalanobis, residual (N,): the distances of the training cases. `components`: what new cases are measured by."""

    components: LatentComponents
    mahalanobis: np.ndarray
    residual: np.ndarray

    @classmethod
    def of(cls, components: LatentComponents) -> Population | None:
        """None for components that were not calibrated."""
        mahalanobis, residual = components.training_mahalanobis, components.training_residual
        return None if mahalanobis is None or residual is None else cls(components, mahalanobis, residual)

    def score(self, encoding: np.ndarray) -> PopulationScore:
        """Of an encoding (n,)."""
        components, count = self.components, describing_count(self.components)
        coordinates = components.coordinates(encoding)
        described = (coordinates * components.sd)[:count] @ components.basis[:count]
        mahalanobis = float(np.linalg.norm(coordinates[:count]))
        residual = float(np.linalg.norm(encoding - components.mean - described))
        return PopulationScore(
            coordinates.tolist(),
            mahalanobis,
            percentile(mahalanobis, self.mahalanobis),
            residual,
            percentile(residual, self.residual),
        )


def describing_count(components: LatentComponents) -> int:
    """How many of the leading components describe a volume: all, or as many as it takes for DESCRIBED."""
    shares = np.cumsum(components.explained_variance)
    return min(int(np.searchsorted(shares, DESCRIBED_VARIANCE)) + 1, len(shares))


def percentile(value: float, training: np.ndarray) -> float:
    return float(100 * np.mean(np.append(training, value) < value))


def calibrate(
    components: LatentComponents,
    encodings: Sequence[np.ndarray] | np.ndarray,
    folds: int = FOLDS,
    memory_bytes: int = MEMORY_BYTES,
) -> LatentComponents:
    """The components with the distances of the training encodings that they were fitted to."""
    _, gram = gram_matrix(encodings, memory_bytes)
    mahalanobis, residual = cross_validated(gram, describing_count(components), folds)
    return replace(components, training_mahalanobis=mahalanobis, training_residual=residual)


def cross_validated(gram: np.ndarray, count: int, folds: int = FOLDS) -> tuple[np.ndarray, np.ndarray]:
    """Mahalanobis distances and residuals (N,) of N encodings, each by `count` components of those outside its fold.

    gram (N, N): their inner products, about any origin; they say all that is needed. A fold is a run of neighbours,
    as neighbours in a list of cases are often two scans of one patient.
    """
    mahalanobis, residual = np.empty(len(gram)), np.empty(len(gram))
    for fold in np.array_split(np.arange(len(gram)), min(folds, len(gram))):
        others = np.delete(np.arange(len(gram)), fold)
        between = gram[np.ix_(others, others)]
        # inner products of everyone with the rest, both beside the mean of the rest
        beside = gram[:, others] - gram[:, others].mean(1, keepdims=True) - between.mean(0) + between.mean()
        squares = np.diag(gram) - 2 * gram[:, others].mean(1) + between.mean()
        values, vectors = leading_eigenvectors(beside[others], min(count, len(others) - 1))
        coordinates = beside[fold] @ vectors / np.sqrt(values)
        mahalanobis[fold] = np.linalg.norm(coordinates / np.sqrt(values / (len(others) - 1)), axis=1)
        residual[fold] = np.sqrt(np.maximum(squares[fold] - (coordinates**2).sum(1), 0))
    return mahalanobis, residual
