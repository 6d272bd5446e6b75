"""The anatomy in the fixed image whose motion is described."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..transforms.itk import grid_points, resample_displacement
from ..volumes.geometry import Grid, subsampling_step
from ..volumes.intensities import normalise
from .motion import Motion, fit_motion

MAX_VOXELS = 2_000_000  # more say no more about smooth fields


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Voxels of the fixed image. inside (z, y, x) bool, N of them; labels (N,): their segments, None where not known.

    description: what it is, for people.
    """

    grid: Grid
    inside: np.ndarray
    labels: np.ndarray | None
    description: str

    @classmethod
    def of(cls, fixed: sitk.Image, segmentation: sitk.Image | None = None) -> Anatomy:
        """All segments on the image's grid; without any, what is brighter than the background: above Otsu's threshold.

        That threshold is taken after the networks' own normalisation, which clips outliers.
        """
        step = subsampling_step(fixed.GetSize(), MAX_VOXELS)
        thinned = fixed[::step, ::step, ::step]
        if segmentation is not None:
            labels = sitk.GetArrayFromImage(segmentation[::step, ::step, ::step])
            if labels.any():
                return cls(Grid.of(thinned), labels > 0, labels[labels > 0], "all segments")
        values = sitk.GetImageFromArray(normalise(sitk.GetArrayFromImage(thinned)))
        bright = sitk.GetArrayFromImage(sitk.OtsuThreshold(values, 0, 1)) > 0
        return cls(Grid.of(thinned), bright, None, "what is brighter than the background")

    @property
    def points(self) -> np.ndarray:
        """(N, 3) LPS mm."""
        return grid_points(self.grid)[self.inside]

    def vectors(self, displacement: sitk.Image) -> np.ndarray:
        """(N, 3) mm: a displacement field on any grid (LPS mm) at the points."""
        return sitk.GetArrayFromImage(resample_displacement(displacement, self.grid))[self.inside]

    def motion(self, displacement: sitk.Image) -> Motion:
        """The motion that describes a displacement field best within the anatomy."""
        return fit_motion(self.vectors(displacement), self.points, labels=self.labels)
