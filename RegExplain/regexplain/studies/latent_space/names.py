"""What each component does, in words and shares, fitted within the training cases' mean anatomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...motions.motion import Motion, fit_motion
from ...transforms.itk import grid_points
from ..sections import Row, Section
from .spaces import Space
from .study import Study

NAMED = 8
MIN_COVERAGE = 0.05  # share of the training cases whose segment covers a voxel, below which it is left out
TEXT = (
    "The affine motion nearest to D(λu) at one standard deviation, by least squares over the canvas, weighted by how "
    "many training cases have a segment there. Shares are of the mean squared displacement; bending is what no affine "
    "motion explains. Arrows, and so the words, go from the fixed image to where the tissue lies in the moving one."
)


@dataclass(frozen=True)
class MeanAnatomy:
    """covered (D, H, W): voxels of the canvas with a segment in enough cases; of these N, the points (N, 3) mm, how
    many cases have a segment there (weights, a share) and which most often has one (labels).
    """

    covered: np.ndarray
    points: np.ndarray
    weights: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, study: Study) -> MeanAnatomy:
        """The training cases'."""
        total = np.zeros((len(study.labels), *reversed(study.plain.card.canvas_size)))
        for done, case in enumerate(study.training):
            study.progress.report("Mean anatomy", done, len(study.training))
            total += study.segments(case)
        weights = total.sum(0) / len(study.training)
        covered = weights > MIN_COVERAGE
        points = grid_points(study.canvas)[covered]
        return cls(covered, points, weights[covered], np.array(study.labels)[total.argmax(0)[covered]])

    def motion(self, displacement: np.ndarray) -> Motion:
        """Of a displacement (3, D, H, W) in mm."""
        return fit_motion(displacement[:, self.covered].T, self.points, self.weights, self.labels)


def names(study: Study, spaces: dict[str, Space]) -> tuple[dict[str, list[Motion]], Section]:
    """The motions of the first components of each space, at one standard deviation."""
    anatomy = MeanAnatomy.of(study)
    motions = {key: [anatomy.motion(field) for field in space.motions(NAMED, 1.0)] for key, space in spaces.items()}
    rows = [_row(spaces[key].name, index, motion) for key, of in motions.items() for index, motion in enumerate(of, 1)]
    return motions, Section(
        "Names of the components", TEXT, {}, {study.write_table("names", rows): "Per standard deviation."}
    )


def _row(space: str, index: int, motion: Motion) -> Row:
    return {
        "space": space,
        "component": index,
        "name": motion.name("SD"),
        "rms_mm": motion.rms_mm,
        **{f"{kind}_percent": 100 * share for kind, share in motion.shares.items()},
    }
