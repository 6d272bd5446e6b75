"""The error map's network: from the features of a cell and its neighbours to its error."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spatial.self_similarity import box_mean

MIN_LOG, MAX_LOG = -4.0, 3.0  # log of cells: 0.02 to 20 of them
MAX_Z = 6.0  # standard deviations of a feature


class ErrorNetwork(nn.Module):
    """Features (B, C, d, h, w) of cells to (B, 2, d, h, w): log median of the error and log of its 90 % quantile, in
    cells; the second is never below the first.

    A cell's error is predicted from its own features and by their means over the cells within each of `reaches`.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, features: int, reaches: Sequence[int] = (1, 3), widths: Sequence[int] = (64, 32), dropout: float = 0.0
    ):
        super().__init__()
        count = features * (1 + len(reaches))
        self.reaches = tuple(reaches)
        self.register_buffer("shift", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        sizes = [count, *widths]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(sizes[-1], 2)

    def forward(self, features: Tensor) -> Tensor:
        return self.predict_cells(self.with_neighbours(features).movedim(1, -1)).movedim(-1, 1)

    def with_neighbours(self, features: Tensor) -> Tensor:
        """(B, C · (1 + reaches), d, h, w); beyond the border the cells go on as they end."""
        means = [box_mean(F.pad(features, [reach] * 6, mode="replicate"), reach) for reach in self.reaches]
        return torch.cat([features, *means], 1)

    def predict_cells(self, features: Tensor) -> Tensor:
        """(…, C · (1 + reaches)) of cells to (…, 2)."""
        hidden = ((features - self.shift) * self.scale).clamp(-MAX_Z, MAX_Z)
        for layer in self.layers:
            hidden = self.dropout(F.gelu(layer(hidden)))
        middle, spread = self.last(hidden).unbind(-1)
        middle = middle.clamp(MIN_LOG, MAX_LOG)
        return torch.stack([middle, middle + F.softplus(spread)], -1)
