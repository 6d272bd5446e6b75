"""One registration decomposed into the latent components' motions, and what they leave unexplained.

The latent difference z = E(moving) − E(fixed) is a sum of parts z_j along the components. A part alone moves tissue by
D(z_j), the first k together by D(z_1 + … + z_k). D is not linear, so the sum of the parts' motions is not the motion of
their sum: that gap is measured, not hidden. All lengths are millimetres over the anatomy; displacements are pull-backs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk

from ..motions.anatomy import Anatomy
from ..motions.lengths import summarise
from ..motions.motion import Motion, fit_motion
from ..volumes.images import write_image


class LatentPair(Protocol):
    """Two encoded volumes. fixed_sd, moving_sd (K,): their coordinates in standard deviations."""

    fixed_sd: np.ndarray
    moving_sd: np.ndarray

    def displacement(self, components: Sequence[int] | None = None) -> sitk.Image:
        """What the latent difference along these components (from 0) decodes to together; by default all of it.

        A vector image, LPS mm, on a grid about the fixed image.
        """


def summarise_vectors(vectors: np.ndarray) -> dict[str, float]:
    """Mean, 95th percentile and maximum of the lengths of (N, 3) vectors."""
    return summarise(np.linalg.norm(vectors, axis=-1))


def summarise_by_segment(vectors: np.ndarray, labels: np.ndarray | None) -> list[dict[str, Any]]:
    """A row a segment: how far the (N, 3) vectors reach in it."""
    segments = [] if labels is None else np.unique(labels).tolist()
    return [{"label": label, "moved_mm": summarise_vectors(vectors[labels == label])} for label in segments]


@dataclass
class Part:
    """What one component (from 1) moves in this pair, D(z_j), LPS mm on the canvas.

    remaining: of the registration after this part and all before it, decoded together.
    """

    component: int
    fixed_sd: float
    moving_sd: float
    displacement: sitk.Image
    motion: Motion
    moved: dict[str, float]
    segments: list[dict[str, Any]]
    remaining: dict[str, float]


@dataclass
class Decomposition:
    """Parts by falling mean length. `components`: how many were decoded and compared to choose them.

    whole: the registration itself. after_components: what remains when all components are decoded together.
    after_latent: what remains after all of the latent difference; it came in past the latent space, by skip connections
    or by refining. sum_of_parts: how far the parts' motions added up lie from those of the parts decoded together.
    """

    basis: str
    anatomy: str
    components: int
    whole: dict[str, float]
    parts: list[Part]
    after_components: dict[str, float]
    after_latent: dict[str, float]
    sum_of_parts: dict[str, float]

    def file(self, number: int) -> str:
        """Of the part of that place in the list, from 1."""
        return f"parts/part-{number:02d}.nii.gz"

    @property
    def record(self) -> dict[str, Any]:
        return {
            "basis": self.basis,
            "anatomy": self.anatomy,
            "components": self.components,
            "whole_mm": self.whole,
            "parts": [
                {
                    "component": part.component,
                    "fixed_sd": part.fixed_sd,
                    "moving_sd": part.moving_sd,
                    "name": part.motion.name(),
                    "words": part.motion.describe(),
                    "moved_mm": part.moved,
                    "segments": part.segments,
                    "remaining_mm": part.remaining,
                    "file": self.file(number),
                }
                for number, part in enumerate(self.parts, start=1)
            ],
            "remaining_mm": {"components": self.after_components, "latent": self.after_latent},
            "sum_of_parts_mm": self.sum_of_parts,
        }

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        """As a part of a result, in place of any earlier one."""
        record["decomposition"] = self.record
        (staging / "parts").mkdir()
        for number, part in enumerate(self.parts, start=1):
            write_image(part.displacement, staging / self.file(number))


def decompose_registration(
    pair: LatentPair, registered: sitk.Image, anatomy: Anatomy, count: int, basis: str = "pca"
) -> Decomposition:
    """The `count` components that move the anatomy most on average. registered: the whole displacement, LPS mm."""
    whole = anatomy.vectors(registered)
    alone = [pair.displacement([j]) for j in range(len(pair.fixed_sd))]
    order = np.argsort([-summarise_vectors(anatomy.vectors(field))["mean"] for field in alone], kind="stable")[
        :count
    ].tolist()
    points, together, added, parts = anatomy.points, np.zeros_like(whole), np.zeros_like(whole), []
    for number, j in enumerate(order, start=1):
        vectors = anatomy.vectors(alone[j])
        together = anatomy.vectors(pair.displacement(order[:number]))
        added += vectors
        parts.append(
            Part(
                component=j + 1,
                fixed_sd=float(pair.fixed_sd[j]),
                moving_sd=float(pair.moving_sd[j]),
                displacement=alone[j],
                motion=fit_motion(vectors, points, labels=anatomy.labels),
                moved=summarise_vectors(vectors),
                segments=summarise_by_segment(vectors, anatomy.labels),
                remaining=summarise_vectors(whole - together),
            )
        )
    return Decomposition(
        basis=basis,
        anatomy=anatomy.description,
        components=len(alone),
        whole=summarise_vectors(whole),
        parts=parts,
        after_components=summarise_vectors(whole - anatomy.vectors(pair.displacement(range(len(alone))))),
        after_latent=summarise_vectors(whole - anatomy.vectors(pair.displacement())),
        sum_of_parts=summarise_vectors(added - together),
    )
