"""The figures that the README states, on the real images of ../shared/data."""

import json
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from equivalent_scans import points_in, reoriented, rotation, transform_points, with_moved_header
from regexplain import register
from regexplain.cards import registry
from regexplain.evaluation import EvaluationConfig, evaluate
from regexplain.progress import Progress
from regexplain.volumes.images import read_volume

pytestmark = pytest.mark.real_data


@pytest.mark.ci
def test_the_hippocampus_model_reaches_its_figure_on_the_validation_cases(shared_data, tmp_path):
    config = EvaluationConfig(
        ["hippocampus"], "images", "labels", 311, 999, str(tmp_path / "rows.csv"), folder=shared_data / "hippocampus"
    )
    rows = evaluate(config, "cpu", None, Progress())
    assert len(rows) == 20
    aligned, after, folded = (
        np.mean([row[key] for row in rows]) for key in ("dice_aligned", "dice_after", "share_folded")
    )
    print(f"Dice {aligned:.3f} -> {after:.3f}, folded {100 * folded:.4f} %", file=sys.stderr)
    assert aligned < 0.6
    assert after >= 0.74
    assert folded <= 0.001


def head_mask(image: sitk.Image) -> sitk.Image:
    """The head without air, from the image's own histogram."""
    smooth = sitk.DiscreteGaussian(sitk.Cast(image, sitk.sitkFloat32), 4.0)
    return sitk.BinaryFillhole(sitk.OtsuThreshold(smooth, 0, 1))


def overlap(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    """Dice of two masks, the moving one seen through the transform."""
    a = sitk.GetArrayViewFromImage(fixed) > 0
    b = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkNearestNeighbor)) > 0
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def visits(shared_data):
    folder = shared_data / "ms_longitudinal/patient01"
    return [read_volume(folder / f"visit{n}_T1.nii.gz") for n in (1, 2)]


@pytest.mark.ci
@pytest.mark.parametrize("kind", ["affine", "deformable"])
def test_two_visits_of_a_head_are_registered_however_they_are_stored(visits, kind, tmp_path, monkeypatch):
    """By the model that fits heads, and affinely, with a warning, where no model fits."""
    if kind == "affine":
        monkeypatch.setattr(registry, "FOLDER", tmp_path)
    fixed, moving = visits
    result = register(fixed, moving)
    assert result.record["kind"] == kind
    if kind == "affine":
        assert "affine registration only" in result.record["warnings"][0]
    else:
        assert result.record["model"]["name"] == "brain-t1-flair"
    masks = [head_mask(image) for image in visits]
    before = overlap(*masks, sitk.Transform(3, sitk.sitkIdentity))
    after = overlap(*masks, result.transform.itk())
    print(json.dumps({"before": before, "after": after}), file=sys.stderr)
    assert after >= before

    points = points_in(fixed)
    answer = transform_points(result.transform.itk(), points)
    a, b = rotation(degrees=18), rotation((1, 0, 0), -12)
    stored = reoriented(fixed), reoriented(moving, (2, 0, 1), (True, False, True))
    oblique = register(with_moved_header(stored[0], a), with_moved_header(stored[1], b))
    assert np.linalg.norm(transform_points(oblique.transform.itk(), points @ a.T) - answer @ b.T, axis=1).mean() < 0.2
