"""The error map's network with its calibration, as it ships."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...cards.registry import CARD, WEIGHTS, sha256
from ...errors import BadInputError
from ..networks.error import ErrorNetwork
from ..networks.weights import load_weights
from .cell_masks import cell_masks
from .cells import CellPair
from .features import MAPS, features

FOLDER = Path(__file__).parents[2] / "estimators" / "error-map"


@dataclass(frozen=True, eq=False)
class CellErrors:
    """On the cells of the pair, (d, h, w): expected, the median of the error, and bound90, what nine errors of ten stay
    below, both mm and 0 where it cannot be estimated. masks: as `cell_masks` gives them. features: (MAPS, d, h, w)."""

    pair: CellPair
    expected: np.ndarray
    bound90: np.ndarray
    masks: dict[str, np.ndarray]
    features: Tensor


@dataclass(frozen=True, eq=False)
class Estimator:
    card: dict[str, Any]
    network: ErrorNetwork

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Estimator:
        """Raises BadInputError where its files are damaged."""
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            network = ErrorNetwork(len(MAPS), **card["network"])
            if sha256(folder / WEIGHTS) != card["files"][WEIGHTS]:
                raise ValueError
            load_weights(network, folder / WEIGHTS)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise BadInputError(
                "The estimator of the error map is damaged or of another version; install RegExplain again."
            ) from error
        return cls(card, network.eval().requires_grad_(False))

    def estimate(self, pair: CellPair) -> CellErrors:
        cell_features, masks = features(pair), cell_masks(pair)
        side = pair.cells.spacing[0]
        quantiles = (side * np.where(masks["estimated"], v, 0) for v in self.predict(cell_features))
        expected, bound = (values.astype(np.float32) for values in quantiles)
        return CellErrors(pair, expected, bound, masks, cell_features)

    def predict(self, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The median of the error and its bound, in cells, (d, h, w) each; of features, (MAPS, d, h, w)."""
        with torch.no_grad():
            expected, raw_bound = self.network(features[None])[0].exp().numpy()
        return expected, np.maximum(raw_bound * self.calibration_factor(expected), expected)

    def calibration_factor(self, expected: np.ndarray) -> np.ndarray:
        """What the network's own bound is multiplied by, of expected errors in cells."""
        calibration = self.card["calibration"]
        return np.interp(np.log(np.maximum(expected, 1e-6)), np.log(calibration["expected"]), calibration["factor"])

    def attribution(self, errors: CellErrors, region: np.ndarray) -> np.ndarray:
        """Gradient times difference from the training mean, of the log of the expected error over `region`
        ((d, h, w) bool), by the features of each cell, summed over them; signed, (d, h, w): what is positive raised it.

        This is HiResCAM with the features as the layer (Draelos and Carin 2020): Grad-CAM's mean of the gradients would
        mark all cells alike, as they lie apart from the region."""
        with torch.enable_grad():
            features = errors.features[None].requires_grad_()
            value = self.network(features)[0, 0][torch.from_numpy(region)].mean()
            [gradient] = torch.autograd.grad(value, features)
        mean = self.network.shift[: len(MAPS)].view(1, -1, 1, 1, 1)
        return (gradient * (features.detach() - mean)).sum((0, 1)).numpy()


@lru_cache(1)
def shipped() -> Estimator:
    return Estimator.load()
