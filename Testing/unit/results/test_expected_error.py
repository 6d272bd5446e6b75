"""The expected error as a part of a result: its figures, its files, and what is said of it."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

import regexplain
from regexplain.report.sentences import all_warnings, expected_error_sentences, headline
from regexplain.report.verdict import checks
from regexplain.results import ResultFolder
from regexplain.results.expected_error import STATES, ExpectedError
from regexplain.volumes.segmentations import with_names
from synthetic_result import write_synthetic_result

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results" / "result.schema.json").read_text(encoding="utf-8"))
ESTIMATOR = {"name": "error-map", "version": "1", "sha256": "0" * 64}


def made(fixed: sitk.Image, segmentation: sitk.Image | None = None) -> ExpectedError:
    """1 mm everywhere but for 5 mm in a corner block at the ends of x, y and z; the first slices cannot be told."""
    shape = fixed.GetSize()[::-1]
    expected, told = np.ones(shape, np.float32), np.full(shape, STATES["estimated"], np.uint8)
    expected[tuple(slice(-n // 3, None) for n in shape)] = 5.0
    told[0] = STATES["flat"]
    expected[0] = 0
    images = []
    for array in (expected, 2 * expected, told):
        image = sitk.GetImageFromArray(array)
        image.CopyInformation(fixed)
        images.append(image)
    return ExpectedError(*images, ESTIMATOR, 4.0, segmentation)


@pytest.fixture
def folder(tmp_path) -> ResultFolder:
    return ResultFolder.open(write_synthetic_result(tmp_path / "r", grid="plain").folder)


@pytest.fixture
def fixed(folder) -> sitk.Image:
    return sitk.ReadImage(str(folder.require("fixed.nii.gz")))


def test_it_enters_the_folder_and_its_record_fits_the_schema(folder, fixed):
    folder.add(made(fixed))
    record = ResultFolder.open(folder.path).record
    jsonschema.validate(record, SCHEMA)
    stored = sitk.ReadImage(str(folder.require("error/expected.nii.gz")))
    assert stored.GetSize() == fixed.GetSize() and np.allclose(stored.GetOrigin(), fixed.GetOrigin())
    assert {row["name"] for row in record["error"]["maps"]} == {"expected", "bound90", "told"}


def test_the_figures_leave_out_what_cannot_be_told(fixed):
    found = made(fixed)
    record, values = found.record, sitk.GetArrayFromImage(found.expected)[1:]
    assert record["expected_mm"]["mean"] == pytest.approx(values.mean(), rel=1e-6)
    assert record["share_above_3mm"] == pytest.approx((values > 3).mean())
    assert record["not_told"] == {"flat": pytest.approx(1 / fixed.GetSize()[2]), "missing": 0.0, "outside": 0.0}


def test_the_place_is_where_the_most_is_expected_in_the_patient_s_directions(fixed):
    grid_directions = np.array(fixed.GetDirection()).reshape(3, 3).sum(1)  # of the last voxels
    words = made(fixed).record["place"]
    for sign, pair in zip(grid_directions, (("right", "left"), ("front", "back"), ("lower", "upper")), strict=True):
        assert pair[int(sign > 0)] in words


def test_a_segment_that_holds_the_worst_is_named_and_each_has_its_figures(fixed):
    labels = np.zeros(fixed.GetSize()[::-1], np.uint8)
    labels[tuple(slice(-n // 2, None) for n in labels.shape)] = 2
    labels[:1, :4, :4] = 1
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(fixed)
    record = made(fixed, with_names(image, {2: "left temporal lobe"})).record
    assert record["place"] == "left temporal lobe"
    untold, worst = record["segments"]
    assert untold == {"label": 1, "told": 0.0}
    assert worst["expected_mm"]["max"] == 5.0 and worst["bound90_mm"]["max"] == 10.0 and worst["told"] == 1.0


def test_the_report_begins_with_it_and_trust_has_its_row(folder, fixed):
    folder.add(made(fixed))
    record = folder.record
    [sentence] = expected_error_sentences(record)
    assert headline(record)[1] == sentence
    assert sentence.startswith("Expected error 1.") and "above 3 mm in" in sentence and "is flat" in sentence
    row = next(check for check in checks(record, 1.0) if check.name == "Expected error")
    assert row.state == "ok" and "nine of ten below" in row.sentence
    record["error"]["share_above_3mm"] = 0.2
    row = next(check for check in checks(record, 1.0) if check.name == "Expected error")
    assert row.state == "look" and record["error"]["place"] in row.sentence


def test_a_result_without_it_says_nothing_of_it(folder):
    assert expected_error_sentences(folder.record) == []
    assert all(check.name != "Expected error" for check in checks(folder.record, 1.0))


def test_its_warnings_are_the_result_s(folder, fixed):
    part = made(fixed)
    part.warnings.append("The bounds were not tested on such images.")
    folder.add(part)
    assert "The bounds were not tested on such images." in all_warnings(folder.record)


def test_where_nothing_can_be_told_no_number_is_given(folder, fixed):
    part = made(fixed)
    part.told = part.told * 0 + STATES["flat"]
    folder.add(part)
    [sentence] = expected_error_sentences(folder.record)
    assert sentence.startswith("The error cannot be estimated anywhere.") and "100 % is flat" in sentence
    row = next(check for check in checks(folder.record, 1.0) if check.name == "Expected error")
    assert row.state == "unknown"
