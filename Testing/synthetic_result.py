"""Result folders whose every number is known beforehand, for tests that need a result but no network.

A phantom (a bright two-part structure inside a head) is defined by a formula in moving space; the fixed image is the
phantom seen through `moving point = alignment(x + u(x))` with a displacement u given by a formula too. So images,
segmentations, heatmaps and component fields can be compared with analytic truth. All points and vectors are LPS
millimetres, all point arrays (N, 3) in the order x, y, z.

From a shell:  python Testing/synthetic_result.py FOLDER [--grid oblique]
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

STRENGTHS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
STAGES = {"encoder-fixed": "fixed", "encoder-moving": "moving", "decoder": "fixed"}
SEGMENT_CENTRES = {1: (0.0, -7.0, 0.0), 2: (1.5, 8.0, 0.5)}
SEGMENT_RADII = {1: (7.0, 8.0, 6.0), 2: (5.0, 8.5, 5.0)}
BUMP_OFFSET = (0.0, -7.0, 0.0)
BUMP_SD_MM = 7.0


@dataclass(frozen=True)
class SyntheticTruth:
    """What `write_synthetic_result` put into `folder`.

    `displacement(points)` is u (pull-back, LPS mm), `centre` the fixed image's centre, `fixed` and `moving` are the
    empty grids, `hottest` maps a stage to (voxel index i, j, k on its grid, LPS point).
    """

    folder: Path
    fixed: sitk.Image
    moving: sitk.Image
    alignment: sitk.AffineTransform
    displacement: Callable[[np.ndarray], np.ndarray]
    centre: np.ndarray
    hottest: dict[str, tuple[tuple[int, int, int], np.ndarray]] = field(default_factory=dict)

    def moving_points(self, points: np.ndarray) -> np.ndarray:
        """alignment(x + u(x)) for fixed-space points x."""
        return apply_affine(self.alignment, points + self.displacement(points))

    def fixed_to_phantom(self, points: np.ndarray) -> np.ndarray:
        """Fixed-space points as the phantom's formulas take them: about its centre."""
        return points + self.displacement(points) - self.centre

    def moving_to_phantom(self, points: np.ndarray) -> np.ndarray:
        """The same of moving-space points."""
        return apply_affine(self.alignment.GetInverse(), points) - self.centre

    def component_displacement(self, index: int, strength: float, points: np.ndarray) -> np.ndarray:
        return component_field(index, strength, points, self.centre)

    def label_at(self, points: np.ndarray) -> np.ndarray:
        """The fixed segmentation's label at fixed-space points, by formula."""
        return phantom_labels(self.fixed_to_phantom(points))


def write_synthetic_result(
    folder: Path | str,
    *,
    grid: str = "plain",
    displacement: str = "bump",
    amplitude_mm: float = 5.0,
    segmentations: bool = True,
    heatmaps: bool = True,
    components: int = 2,
    kind: str = "deformable",
) -> SyntheticTruth:
    """Write a finished result folder and return the truth about it.

    grid: "plain" (1 mm, axes L, P, S; the moving image has its own grid, the alignment is a small shift) or "oblique"
    (anisotropic, rotated, one axis flipped and stored in sagittal order; the alignment rotates, scales and shifts).
    displacement: "bump" (Gaussian, `amplitude_mm` towards left and posterior at its centre), "constant" or "zero".
    kind: "deformable" or "affine" (no displacement, no model, no heatmaps, no components).
    """
    options = grid, displacement, amplitude_mm, segmentations, heatmaps, components, kind
    if options not in _written:
        _written[options] = _write(Path(_scratch.name) / str(len(_written)), *options)
    shutil.copytree(_written[options].folder, folder, dirs_exist_ok=True)
    return replace(_written[options], folder=Path(folder))


_scratch = tempfile.TemporaryDirectory()
_written: dict[tuple, SyntheticTruth] = {}  # by their options: each is computed once a process, then copied


def _write(
    folder: Path,
    grid: str,
    displacement: str,
    amplitude_mm: float,
    segmentations: bool,
    heatmaps: bool,
    components: int,
    kind: str,
) -> SyntheticTruth:
    folder.mkdir()
    if kind == "affine":
        displacement, heatmaps, components = "zero", False, 0
    fixed_grid, moving_grid, alignment = _grids(grid)
    centre = grid_centre(fixed_grid)
    u = _displacement_function(displacement, amplitude_mm, centre)
    truth = SyntheticTruth(folder, fixed_grid, moving_grid, alignment, u, centre)

    fixed_local = truth.fixed_to_phantom(grid_points(fixed_grid))
    moving_local = truth.moving_to_phantom(grid_points(moving_grid))
    write = _Writer(folder)
    fixed = write("fixed.nii.gz", to_image(phantom_intensity(fixed_local), fixed_grid, np.float32))
    moving = write("moving.nii.gz", to_image(phantom_intensity(moving_local), moving_grid, np.float32))

    transform, inverse = _write_transforms(folder, truth, deformable=kind == "deformable")
    write("warped_moving.nii.gz", sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    record = _record(kind, truth, transform, inverse)
    if segmentations:
        fixed_labels = write("fixed_segmentation.nii.gz", to_image(phantom_labels(fixed_local), fixed_grid, np.uint8))
        moving_labels = write(
            "moving_segmentation.nii.gz", to_image(phantom_labels(moving_local), moving_grid, np.uint8)
        )
        warped = sitk.Resample(moving_labels, fixed, transform, sitk.sitkNearestNeighbor, 0)
        write("warped_moving_segmentation.nii.gz", warped)
        _score_segments(record, truth, fixed_labels, moving_labels, warped)
    if heatmaps:
        record["heatmaps"] = _write_heatmaps(write, truth)
    if components:
        record["components"] = _write_components(write, truth, components)
    (folder / "result.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    (folder / "report.html").write_text("<!doctype html><title>Synthetic result</title>")
    return truth


# The phantom ---------------------------------------------------------------------------------------------------------


def phantom_labels(local: np.ndarray) -> np.ndarray:
    """Labels 0, 1 (anterior), 2 (posterior) at points relative to the structure's centre, shape (N,)."""
    labels = np.zeros(len(local), np.uint8)
    for label, centre in SEGMENT_CENTRES.items():
        inside = _ellipsoid(local, centre, SEGMENT_RADII[label]) < 1
        labels[inside & (labels == 0)] = label
    return labels


def phantom_intensity(local: np.ndarray) -> np.ndarray:
    """A head of about 300 with faint bands, the structure brighter, air 0; smooth edges; shape (N,)."""
    head = _soft(_ellipsoid(local, (0, 0, 0), (19, 21, 18)))
    bands = 1 + 0.12 * np.sin(local[:, 0] / 2.2) * np.cos(local[:, 1] / 2.7) * np.cos(local[:, 2] / 2.4)
    intensity = 300 * head * bands
    for label, brightness in ((1, 380), (2, 260)):
        intensity += brightness * _soft(_ellipsoid(local, SEGMENT_CENTRES[label], SEGMENT_RADII[label]))
    return intensity


def _ellipsoid(local: np.ndarray, centre: tuple, radii: tuple) -> np.ndarray:
    return np.linalg.norm((local - np.asarray(centre)) / np.asarray(radii), axis=1)


def _soft(distance: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(np.clip((distance - 1) / 0.05, -50, 50)))


# Fields --------------------------------------------------------------------------------------------------------------


def _displacement_function(name: str, amplitude_mm: float, centre: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    direction = amplitude_mm * np.array([0.6, 0.8, 0.0])
    if name == "zero":
        return lambda points: np.zeros_like(points)
    if name == "constant":
        return lambda points: np.broadcast_to(direction, points.shape).copy()
    if name == "bump":
        return lambda points: direction * _bump(points - centre - np.asarray(BUMP_OFFSET), BUMP_SD_MM)
    raise ValueError(f"Unknown displacement '{name}': use bump, constant or zero.")


def component_field(index: int, strength: float, points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Odd components push the structure to the left, even ones swell it; 1.5 mm per standard deviation at the most."""
    local = points - centre
    if index % 2:
        return strength * 1.5 * np.array([1.0, 0.0, 0.0]) * _bump(local, 12.0)
    return -strength * 0.2 * local * _bump(local, 8.0)


def _bump(local: np.ndarray, sd_mm: float) -> np.ndarray:
    return np.exp(-(local**2).sum(axis=1, keepdims=True) / (2 * sd_mm**2))


# Grids ---------------------------------------------------------------------------------------------------------------


def _grids(name: str) -> tuple[sitk.Image, sitk.Image, sitk.AffineTransform]:
    if name == "plain":
        fixed = make_grid((48, 52, 44), (1.0, 1.0, 1.0), np.eye(3), (12.0, -20.0, 31.0))
        alignment = _affine(np.eye(3), (4.0, -3.0, 5.0), grid_centre(fixed))
        moving_direction, moving_spacing, moving_size = np.eye(3), (0.9, 1.1, 1.5), (56, 50, 32)
    elif name == "oblique":
        stored_sagittally = np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]])  # i runs to P, j to I, k to L
        direction = rotation(20, 0) @ rotation(-15, 2) @ stored_sagittally
        fixed = make_grid((48, 42, 20), (1.1, 1.1, 2.5), direction, (12.0, -20.0, 31.0))
        alignment = _affine(rotation(8, 2) @ np.diag((1.05, 0.97, 1.0)), (6.0, -4.0, 3.0), grid_centre(fixed))
        moving_direction, moving_spacing, moving_size = (
            rotation(10, 1) @ np.diag((-1.0, 1, -1)),
            (0.8, 1.2, 2.0),
            (64, 46, 26),
        )
    else:
        raise ValueError(f"Unknown grid '{name}': use plain or oblique.")
    moving_centre = np.asarray(alignment.TransformPoint(grid_centre(fixed).tolist()))
    return fixed, make_grid(moving_size, moving_spacing, moving_direction, moving_centre), alignment


def make_grid(size: tuple, spacing: tuple, direction: np.ndarray, centre: np.ndarray) -> sitk.Image:
    """An empty image with its middle at `centre`; `direction` has the LPS directions of i, j, k as columns."""
    image = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetDirection(np.asarray(direction).ravel().tolist())
    half = np.asarray(direction) @ (np.asarray(spacing) * (np.asarray(size) - 1) / 2)
    image.SetOrigin((np.asarray(centre) - half).tolist())
    return image


def rotation(degrees: float, axis: int) -> np.ndarray:
    """Rotation matrix about the x, y or z axis (axis 0, 1, 2)."""
    angle, matrix = np.deg2rad(degrees), np.eye(3)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix


def _affine(matrix: np.ndarray, translation: tuple, centre: np.ndarray) -> sitk.AffineTransform:
    transform = sitk.AffineTransform(3)
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(matrix.ravel().tolist())
    transform.SetTranslation(translation)
    return transform


def apply_affine(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """A linear transform applied to (N, 3) points at once."""
    corners = np.array([transform.TransformPoint(p) for p in ((0.0, 0, 0), (1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))])
    return corners[0] + points @ (corners[1:] - corners[0])


def grid_centre(image: sitk.Image) -> np.ndarray:
    return np.asarray(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


def grid_points(image: sitk.Image) -> np.ndarray:
    """LPS positions of all voxels, (N, 3), i fastest."""
    nx, ny, nz = image.GetSize()
    k, j, i = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    index = np.stack([i.ravel(), j.ravel(), k.ravel()], axis=1) * np.asarray(image.GetSpacing())
    return np.asarray(image.GetOrigin()) + index @ np.asarray(image.GetDirection()).reshape(3, 3).T


def to_image(values: np.ndarray, grid: sitk.Image, dtype: type) -> sitk.Image:
    """Values at `grid_points(grid)`, (N,) or (N, 3), as an image on that grid."""
    shape = grid.GetSize()[::-1] + values.shape[1:]
    image = sitk.GetImageFromArray(values.reshape(shape).astype(dtype), isVector=values.ndim == 2)
    image.CopyInformation(grid)
    return image


def canvas_of(grid: sitk.Image) -> sitk.Image:
    """A coarser isotropic grid about the image's centre, along the image's axes in the nearest L, P, S order."""
    direction = np.asarray(grid.GetDirection()).reshape(3, 3)
    order = [int(np.argmax(np.abs(direction[row]))) for row in range(3)]
    axes = direction[:, order] * np.sign(np.diag(direction[:, order]))
    return make_grid((32, 32, 32), (2.0, 2.0, 2.0), axes, grid_centre(grid))


# The files -----------------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, image: sitk.Image) -> sitk.Image:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path), useCompression=True)
        return image


def _write_transforms(folder: Path, truth: SyntheticTruth, deformable: bool) -> tuple[sitk.Transform, sitk.Transform]:
    """`transform.h5` and `inverse_transform.h5`; a composite applies its last transform first."""
    back = sitk.AffineTransform(truth.alignment.GetInverse())
    transform, inverse = sitk.CompositeTransform([truth.alignment]), sitk.CompositeTransform([back])
    if deformable:
        transform.AddTransform(_displacement_transform(truth.displacement(grid_points(truth.fixed)), truth.fixed))
        points = grid_points(truth.moving)
        aligned = apply_affine(back, points)
        fixed = aligned
        for _ in range(60):
            fixed = aligned - truth.displacement(fixed)
        inverse.AddTransform(_displacement_transform(apply_affine(truth.alignment, fixed) - points, truth.moving))
    sitk.WriteTransform(transform, str(folder / "transform.h5"))
    sitk.WriteTransform(inverse, str(folder / "inverse_transform.h5"))
    return transform, inverse


def _displacement_transform(vectors: np.ndarray, grid: sitk.Image) -> sitk.DisplacementFieldTransform:
    return sitk.DisplacementFieldTransform(to_image(vectors, grid, np.float64))


def _write_heatmaps(write: _Writer, truth: SyntheticTruth) -> list[dict]:
    """Stage n peaks n voxels off the middle along i (so no two stages agree), with a weaker negative lobe elsewhere."""
    entries = []
    for number, (stage, grid_name) in enumerate(STAGES.items()):
        grid = truth.fixed if grid_name == "fixed" else truth.moving
        size = np.asarray(grid.GetSize())
        index = tuple(int(n) for n in size // 2 + np.array([number + 2, -5, 2]))
        hottest = np.asarray(grid.TransformIndexToPhysicalPoint(index))
        coldest = np.asarray(grid.TransformIndexToPhysicalPoint([int(n) for n in size // 2 + np.array([-6, 6, -1])]))
        points = grid_points(grid)
        values = 0.02 * _bump(points - hottest, 4.0) - 0.012 * _bump(points - coldest, 4.0)
        name = f"heatmaps/{stage}.nii.gz"
        write(name, to_image(values[:, 0], grid, np.float32))
        truth.hottest[stage] = (index, hottest)
        entries.append(
            {
                "stage": stage,
                "file": name,
                "grid": grid_name,
                "region": "segment 1",
                "region_label": 1,
                "max_abs": float(np.abs(values).max()),
            }
        )
    return entries


def _write_components(write: _Writer, truth: SyntheticTruth, count: int) -> dict:
    canvas = canvas_of(truth.fixed)
    points = grid_points(canvas)
    variance = [0.5 / 2**n for n in range(count)]
    items = []
    for index in range(1, count + 1):
        fields = []
        for strength in STRENGTHS:
            name = f"components/component-{index:02d}/strength{strength:+.2f}.nii.gz"
            write(name, to_image(truth.component_displacement(index, strength, points), canvas, np.float32))
            fields.append({"strength": strength, "file": name})
        unit = np.linalg.norm(truth.component_displacement(index, 1.0, points), axis=1)
        items.append(
            {
                "index": index,
                "explained_variance": variance[index - 1],
                "fixed_sd": -0.3 * index,
                "moving_sd": 1.2 / index,
                "mean_mm_per_sd": float(unit.mean()),
                "fields": fields,
            }
        )
    return {"explained_variance": variance, "items": items}


# The record ----------------------------------------------------------------------------------------------------------


def _record(kind: str, truth: SyntheticTruth, transform: sitk.Transform, inverse: sitk.Transform) -> dict:
    deformable = kind == "deformable"
    lengths = np.linalg.norm(truth.displacement(grid_points(truth.fixed)), axis=1)
    determinant = sitk.DisplacementFieldJacobianDeterminant(_sampled(transform, truth.fixed))
    determinant = sitk.GetArrayFromImage(determinant)[1:-1, 1:-1, 1:-1]
    there_and_back = sitk.GetArrayFromImage(_sampled(sitk.CompositeTransform([inverse, transform]), truth.fixed))
    model = {"name": "synthetic", "sha256": "0" * 64, "chosen": "named", "inside_domain": True}
    matrix = np.asarray(truth.alignment.GetMatrix()).reshape(3, 3)
    return {
        "schema_version": 1,
        "regexplain_version": "0.1.0",
        "created": "2026-11-21T10:00:00Z",
        "kind": kind,
        "model": model if deformable else None,
        "settings": {"device": "cpu", "threads": 1, "seed": 0},
        "seconds": {"read": 0.1, "align": 0.1, "register": 0.5, "total": 0.7},
        "alignment": {
            "kind": "given",
            "rotation_deg": float(np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0]))),
            "translation_mm": float(np.linalg.norm(truth.alignment.GetTranslation())),
            "scale": float(np.cbrt(np.linalg.det(matrix))),
        },
        "dice": None,
        "segments": [],
        "displacement_mm": _spread(lengths),
        "jacobian": {
            "min": float(determinant.min()),
            "share_folded": float((determinant <= 0).mean()),
            "log_sd": float(np.log(np.maximum(determinant, 1e-9)).std()),
        },
        "inverse_consistency_mm": _spread(np.linalg.norm(there_and_back, axis=-1)),
        "warnings": [],
        "heatmaps": [],
        "components": None,
    }


def _sampled(transform: sitk.Transform, grid: sitk.Image) -> sitk.Image:
    geometry = grid.GetSize(), grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
    return sitk.TransformToDisplacementField(transform, sitk.sitkVectorFloat64, *geometry)


def _score_segments(
    record: dict, truth: SyntheticTruth, fixed: sitk.Image, moving: sitk.Image, warped: sitk.Image
) -> None:
    nearest = (sitk.sitkNearestNeighbor, 0)
    stages = {
        "before": sitk.Resample(moving, fixed, sitk.Transform(3, sitk.sitkIdentity), *nearest),
        "aligned": sitk.Resample(moving, fixed, truth.alignment, *nearest),
        "after": warped,
    }
    reference = sitk.GetArrayFromImage(fixed)
    lengths = np.linalg.norm(truth.displacement(grid_points(truth.fixed)), axis=1).reshape(reference.shape)
    for label in SEGMENT_CENTRES:
        dice = {
            stage: _dice(reference == label, sitk.GetArrayFromImage(image) == label) for stage, image in stages.items()
        }
        record["segments"].append(
            {"label": label, "dice": dice, "displacement_mm": _spread(lengths[reference == label])}
        )
    record["dice"] = {
        stage: float(np.mean([segment["dice"][stage] for segment in record["segments"]])) for stage in stages
    }


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def _spread(values: np.ndarray) -> dict:
    return {"mean": float(values.mean()), "p95": float(np.percentile(values, 95)), "max": float(values.max())}


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Write a result folder whose every number is known.")
    parser.add_argument("folder")
    parser.add_argument("--grid", choices=("plain", "oblique"), default="plain")
    parser.add_argument("--kind", choices=("deformable", "affine"), default="deformable")
    arguments = parser.parse_args()
    print(write_synthetic_result(arguments.folder, grid=arguments.grid, kind=arguments.kind).folder)
