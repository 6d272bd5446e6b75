"""A result folder that an earlier RegExplain wrote opens like one of today."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import regexplain
from regexplain.cli import main
from regexplain.report import write_report
from regexplain.results import ResultFolder
from regexplain.results.metrics import dice
from regexplain.results.registration_result import RegistrationResult
from regexplain.volumes.geometry import Grid

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))


def test_its_record_obeys_the_schema_of_today(old_result):
    jsonschema.validate(ResultFolder.open(old_result).record, SCHEMA)


def test_its_images_and_transforms_give_the_figures_of_its_record(old_result):
    result = RegistrationResult.load(old_result)
    fixed, warped = map(sitk.GetArrayFromImage, (result.fixed_segmentation, result.warped_moving_segmentation))
    for segment in result.record["segments"]:
        assert dice(fixed, warped, segment["label"]) == pytest.approx(segment["dice"]["after"], abs=1e-6)
    warped = sitk.ReadImage(str(old_result / "warped_moving.nii.gz"))
    assert np.allclose(*map(sitk.GetArrayFromImage, (warped, result.warped_moving)), atol=1)  # 8-bit values
    forth, back = result.transform.itk(), result.inverse_transform.itk()
    centre = Grid.of(result.fixed).centre.tolist()
    largest = result.record["inverse_consistency_mm"]["max"]
    assert np.linalg.norm(np.subtract(back.TransformPoint(forth.TransformPoint(centre)), centre)) <= largest


def test_its_heatmaps_lie_on_the_grids_that_it_names(old_result):
    folder = ResultFolder.open(old_result)
    assert len(folder.record["heatmaps"]) == 3
    for heatmap in folder.record["heatmaps"]:
        image = sitk.ReadImage(str(folder.require(heatmap["file"])))
        grid = Grid.of(sitk.ReadImage(str(folder.require(f"{heatmap['grid']}.nii.gz"))))
        assert Grid.of(image).size == grid.size
        assert np.allclose(Grid.of(image).voxel_to_world, grid.voxel_to_world, atol=1e-4)
        assert np.abs(sitk.GetArrayViewFromImage(image)).max() == pytest.approx(heatmap["max_abs"], rel=1e-5)


def test_its_report_is_made_anew(old_result):
    (old_result / "report.html").unlink()
    write_report(ResultFolder.open(old_result))
    page = (old_result / "report.html").read_text(encoding="utf-8")
    assert "hippocampus" in page and "0.82" in page  # the mean Dice afterwards
    assert "was not made for these images" in page  # the warning


def test_without_its_very_model_explain_says_what_to_do(old_result):
    """The shipped `hippocampus` has been stored in 8 bits since: another file, so another model."""
    before = {path: path.read_bytes() for path in old_result.rglob("*") if path.is_file()}
    done = CliRunner().invoke(main, ["explain", str(old_result), "--threads", "1"])
    assert done.exit_code == 2
    assert "The model hippocampus that made this result is not installed in that version; name" in done.output
    assert {path: path.read_bytes() for path in old_result.rglob("*") if path.is_file()} == before
