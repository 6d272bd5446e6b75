"""The results that the other tests trust obey the contract, and their files say what their formulas say."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

import regexplain.results
from mrml.checks import inside_points
from synthetic_result import SEGMENT_CENTRES, write_synthetic_result

SCHEMA = json.loads(Path(regexplain.results.__file__).with_name("result.schema.json").read_text(encoding="utf-8"))
VARIANTS = [
    {},
    {"grid": "oblique", "displacement": "constant"},
    {"kind": "affine"},
    {"displacement": "zero", "segmentations": False, "heatmaps": False, "components": 0},
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_record_follows_the_schema_and_names_files_that_are_there(tmp_path, variant):
    write_synthetic_result(tmp_path, **variant)
    record = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate(record, SCHEMA)
    components = record["components"]["items"] if record["components"] else []
    named = [*record["heatmaps"], *(field for item in components for field in item["fields"])]
    assert all((tmp_path / entry["file"]).is_file() for entry in named)
    assert bool(named) == (variant.get("components") != 0 and variant.get("kind") != "affine")


def test_transform_h5_is_the_formula(truth):
    transform = sitk.ReadTransform(str(truth.folder / "transform.h5"))
    points = inside_points(truth.fixed)
    moved = np.array([transform.TransformPoint(point.tolist()) for point in points])
    np.testing.assert_allclose(moved, truth.moving_points(points), atol=0.15)  # linear between voxels


def test_the_inverse_undoes_the_transform_where_the_moving_scan_is(truth):
    forward, back = (
        sitk.ReadTransform(str(truth.folder / f"{name}.h5")) for name in ("transform", "inverse_transform")
    )
    for point in inside_points(truth.moving, 100):
        if np.linalg.norm(np.array(back.TransformPoint(point.tolist())) - truth.centre) < 15:
            np.testing.assert_allclose(forward.TransformPoint(back.TransformPoint(point.tolist())), point, atol=0.15)


def test_the_warped_moving_scan_looks_like_the_fixed_one(truth):
    fixed, warped = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(truth.folder / name)))
        for name in ("fixed.nii.gz", "warped_moving.nii.gz")
    )
    assert np.corrcoef(fixed.ravel(), warped.ravel())[0, 1] > 0.99


def test_each_segment_lies_at_its_centre(truth):
    labels = sitk.ReadImage(str(truth.folder / "fixed_segmentation.nii.gz"))
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(labels)
    for label, centre in SEGMENT_CENTRES.items():
        found = np.array(shapes.GetCentroid(label))
        pushed = found + truth.displacement(found[None])[0]
        np.testing.assert_allclose(pushed, truth.centre + centre, atol=1.5)
        assert truth.label_at(found[None])[0] == label
