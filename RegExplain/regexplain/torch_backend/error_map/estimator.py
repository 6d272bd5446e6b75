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
from .cells import CellPair
from .features import MAPS, features
from .tell import can_be_told

FOLDER = Path(__file__).parents[2] / "estimators" / "error-map"


@dataclass(frozen=True, eq=False)
class CellErrors:
    """On the cells of the pair, (d, h, w): expected, the median of the error, and bound90, what nine errors of ten stay
    below, both mm and 0 where nothing is told. told: masks, as `can_be_told` gives them.
    features: what was seen."""

    pair: CellPair
    expected: np.ndarray
    bound90: np.ndarray
    told: dict[str, np.ndarray]
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
        seen, told = features(pair), can_be_told(pair)
        side = pair.cells.spacing[0]
        answers = (side * np.where(told["told"], v, 0) for v in self.judge(seen))
        expected, bound = (values.astype(np.float32) for values in answers)
        return CellErrors(pair, expected, bound, told, seen)

    def judge(self, seen: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The median of the error and its bound, in cells, (d, h, w) each; of features, (MAPS, d, h, w)."""
        with torch.no_grad():
            expected, raw = self.network(seen[None])[0].exp().numpy()
        return expected, np.maximum(raw * self.factor(expected), expected)

    def factor(self, expected: np.ndarray) -> np.ndarray:
        """What the network's own bound is multiplied by, of expected errors in cells."""
        calibration = self.card["calibration"]
        return np.interp(np.log(np.maximum(expected, 1e-6)), np.log(calibration["expected"]), calibration["factor"])

    def doubt(self, found: CellErrors, region: np.ndarray) -> np.ndarray:
        """Gradient times difference from the usual, of the log of the expected error over `region` ((d, h, w) bool), by
        what was seen in each cell, summed over the features; signed, (d, h, w): what is positive made it expect more.

        This is HiResCAM with the features as the layer (Draelos and Carin 2020): Grad-CAM's mean of the gradients would
        mark all cells alike, as they lie apart from the region."""
        with torch.enable_grad():
            seen = found.features[None].requires_grad_()
            value = self.network(seen)[0, 0][torch.from_numpy(region)].mean()
            [gradient] = torch.autograd.grad(value, seen)
        usual = self.network.shift[: len(MAPS)].view(1, -1, 1, 1, 1)
        return (gradient * (seen.detach() - usual)).sum((0, 1)).numpy()


@lru_cache(1)
def shipped() -> Estimator:
    return Estimator.load()
