"""The motions of the paper's experiment, about every axis (Estienne et al. 2021, section 4)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ...cards.registry import AXES
from ...torch_backend.training.latent.known_motions import KnownMotion, rotation
from ...transforms.itk import affine_transform
from ...volumes.geometry import Grid

ROTATION_DEG, TRANSLATION_MM, ZOOMS = 20.0, 10.0, (0.8, 1.2)  # the paper's voxels measure 1 mm
KINDS = ("rotation", "translation", "zoom")
TRANSFORMATIONS = (
    *(
        KnownMotion(f"rotation {ROTATION_DEG:g}° {name}", rotation(axis, ROTATION_DEG), np.zeros(3))
        for axis, name in enumerate(AXES)
    ),
    *(
        KnownMotion(f"translation {TRANSLATION_MM:g} mm {name}", np.eye(3), TRANSLATION_MM * np.eye(3)[axis])
        for axis, name in enumerate(AXES)
    ),
    *(KnownMotion(f"zoom {factor:g}", factor * np.eye(3), np.zeros(3)) for factor in ZOOMS),
)


def pull_back(motion: KnownMotion, canvas: Grid) -> sitk.AffineTransform:
    """Where the tissue at a point of the canvas comes from, LPS mm; the canvas' centre is the image's.

    Given to `Model.volume` as an alignment it acts in the resampling onto the canvas: intensities stay as they
    were scaled, what lies outside the image is its darkest, and what leaves the canvas is lost.
    """
    back = motion.inverse
    matrix = canvas.axes @ back.matrix @ canvas.axes.T
    return affine_transform(matrix, canvas.centre + canvas.axes @ back.translation_mm - matrix @ canvas.centre)
