"""How far apart landmarks lie: analytic truth on plain and on oblique, anisotropic pairs; lists that cannot be."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import regexplain
from equivalent_scans import points_in
from landmark_files import write_markups
from regexplain import RegistrationResult, explain_transform, measure_landmarks
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.landmarks.pairs import LandmarkPairs, paired
from regexplain.landmarks.point_files import Points
from regexplain.report import render_report
from regexplain.results import ResultFolder
from regexplain.results.landmarks import enter_expected
from regexplain.transforms.itk import affine_transform
from regexplain.volumes.geometry import Grid
from synthetic_result import rotation, write_synthetic_result

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))
LABELS = ("anterior commissure", "posterior commissure", "tip", "base")
OFF = np.array([[3.0, 0, 0], [0, -4.0, 0], [0, 0, 5.0], [1.0, 2.0, -2.0]])  # mm; their lengths are 3, 4, 5 and 3


@pytest.fixture(scope="module", params=["plain", "oblique"])
def truth(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "made"
    return write_synthetic_result(folder, grid=request.param, heatmaps=False, components=0)


@pytest.fixture
def copied(truth, tmp_path):
    """A result folder of its own, with fixed landmarks and their counterparts, which are OFF from the truth."""
    return Path(shutil.copytree(truth.folder, tmp_path / "result"))


def chosen(truth) -> np.ndarray:
    return points_in(truth.fixed, 4, seed=5, margin=0.3)


def pairs_of(truth, off=OFF) -> LandmarkPairs:
    fixed = chosen(truth)
    return LandmarkPairs(LABELS, fixed, truth.moving_points(fixed) + off)


def write_lists(folder, truth, off=OFF, **more) -> list[str]:
    pairs = pairs_of(truth, off)
    options = []
    for role, points in (("fixed", pairs.fixed), ("moving", pairs.moving)):
        options += [f"--{role}-landmarks", str(write_markups(folder / f"{role}.mrk.json", points, **more))]
    return options


@pytest.fixture(scope="module")
def result(truth) -> RegistrationResult:
    return RegistrationResult.load(truth.folder)


def test_a_landmark_is_off_by_as_much_as_it_was_moved_from_the_truth(truth, result):
    found = measure_landmarks(result, pairs_of(truth))
    assert np.allclose(found.distances["after"], [3, 4, 5, 3], atol=0.05)  # the field between its voxels is rounded
    assert np.allclose(found.carried, truth.moving_points(chosen(truth)), atol=0.05)
    expected = np.linalg.norm(chosen(truth) - pairs_of(truth).moving, axis=1)
    assert np.allclose(found.distances["before"], expected, atol=1e-9)
    aligned = [truth.alignment.TransformPoint(point.tolist()) for point in chosen(truth)]
    assert np.allclose(found.distances["aligned"], np.linalg.norm(aligned - pairs_of(truth).moving, axis=1), atol=1e-6)


def test_the_moving_landmarks_are_carried_back_into_the_fixed_image(truth, result):
    found = measure_landmarks(result, pairs_of(truth, 0 * OFF))
    assert np.abs(found.carried_back - chosen(truth)).max() < 0.1 and found.warnings == []


def test_a_known_turn_and_shift_is_measured_in_the_direction_of_the_pull_back(truth):
    """The transform takes fixed to moving points: taken the other way round, all of these would be off."""
    images = [sitk.ReadImage(str(truth.folder / f"{role}.nii.gz")) for role in ("fixed", "moving")]
    turn, shift = rotation(25, 2) @ rotation(-10, 0), np.array([4.0, -7.0, 2.5])
    about = np.array(truth.alignment.TransformPoint(truth.centre.tolist()))
    given = affine_transform(turn, about + shift - turn @ truth.centre)
    fixed = chosen(truth)
    moving = (fixed - truth.centre) @ turn.T + about + shift
    found = measure_landmarks(explain_transform(given, *images), LandmarkPairs(LABELS, fixed, moving + OFF))
    assert np.allclose(found.distances["after"], [3, 4, 5, 3], atol=1e-9)
    assert np.allclose(found.distances["aligned"], found.distances["after"])
    back = affine_transform(turn.T, truth.centre - turn.T @ (about + shift))
    inverse = measure_landmarks(explain_transform(back, *images[::-1]), LandmarkPairs(LABELS, moving + OFF, fixed))
    assert np.allclose(inverse.distances["after"], [3, 4, 5, 3], atol=1e-9)


def test_the_map_of_expected_errors_stands_beside_it(truth, result, copied):
    fixed, error = chosen(truth), copied / "error"
    error.mkdir()
    grid = Grid.of(truth.fixed).subsampled(2)
    values = np.zeros(grid.size[::-1], np.float32)
    image = grid.image(values)
    for number, point in enumerate(fixed):
        index = [round(i) for i in image.TransformPhysicalPointToContinuousIndex(point.tolist())]
        image[index] = (0.5, 1.5, -1.0, 3.5)[number]
    sitk.WriteImage(image, str(error / "expected.nii.gz"))
    found = measure_landmarks(result, pairs_of(truth), copied)
    assert found.expected.tolist()[:2] == [0.5, 1.5] and np.isnan(found.expected[2]) and found.expected[3] == 3.5
    assert [row["expected_mm"] for row in found.record["pairs"]] == [0.5, 1.5, None, 3.5]


def test_an_error_map_that_is_made_later_stands_beside_them_too(truth, result):
    record = {"landmarks": measure_landmarks(result, pairs_of(truth)).record}
    image = sitk.Cast(result.fixed * 0 + 1.25, sitk.sitkFloat32)
    image[image.TransformPhysicalPointToIndex(pairs_of(truth).fixed[1].tolist())] = 0.0
    enter_expected(record, image)
    assert [row["expected_mm"] for row in record["landmarks"]["pairs"]] == [1.25, None, 1.25, 1.25]
    enter_expected({}, image)


# The verbs -----------------------------------------------------------------------------------------------------------


def run(*arguments: str):
    return CliRunner().invoke(main, [*map(str, arguments)])


def aligned(truth, folder, *options):
    """Register the pair by its own alignment alone, which takes no time, into r."""
    sitk.WriteTransform(truth.alignment, str(folder / "alignment.tfm"))
    images = [truth.folder / f"{role}.nii.gz" for role in ("fixed", "moving")]
    given = ["--model", "none", "--initial-transform", folder / "alignment.tfm", "--threads", 1]
    return run("register", *images, *given, *options, "--output", folder / "r")


def test_landmarks_of_a_finished_result_stand_in_its_record_and_report(truth, copied, tmp_path):
    done = run("landmarks", copied, *write_lists(tmp_path, truth, labels=LABELS))
    assert done.exit_code == 0, done.output
    folder = ResultFolder.open(copied)
    jsonschema.validate(folder.record, SCHEMA)
    found = folder.record["landmarks"]
    assert [row["label"] for row in found["pairs"]] == list(LABELS)
    assert found["distance_mm"]["after"]["mean"] == pytest.approx(15 / 4, abs=0.05)
    page = (copied / "report.html").read_text(encoding="utf-8")
    assert "<h2>Landmarks</h2>" in page and "anterior commissure" in page and "5.0" in page
    assert "The 4 landmarks were" in page and "Expected" not in page


def test_measured_again_they_replace_the_earlier_ones(truth, copied, tmp_path):
    run("landmarks", copied, *write_lists(tmp_path, truth))
    run("landmarks", copied, *write_lists(tmp_path, truth, 0 * OFF))
    found = ResultFolder.open(copied).record["landmarks"]
    assert found["distance_mm"]["after"]["max"] < 0.1 and len(found["pairs"]) == 4


def test_the_report_says_where_the_error_cannot_be_told(truth, result, copied):
    folder = ResultFolder.open(copied)
    found = measure_landmarks(result, pairs_of(truth))
    found.expected = np.array([0.5, np.nan, 1.0, 2.0])
    folder.record["landmarks"] = found.record
    page = render_report(folder)
    assert "no estimate" in page and "0.50 mm" in page and "Expected" in page


def test_register_measures_landmarks_and_warns_of_what_they_cannot_be(truth, tmp_path):
    done = aligned(truth, tmp_path, *write_lists(tmp_path, truth))
    assert done.exit_code == 0, done.output
    record = ResultFolder.open(tmp_path / "r").record
    jsonschema.validate(record, SCHEMA)
    expected = [truth.alignment.TransformPoint(point.tolist()) for point in chosen(truth)]
    expected = np.linalg.norm(expected - pairs_of(truth).moving, axis=1)
    assert [row["distance_mm"]["after"] for row in record["landmarks"]["pairs"]] == pytest.approx(expected, abs=1e-6)
    page = (tmp_path / "r/report.html").read_text(encoding="utf-8")
    assert "<th>Aligned</th>" not in page.partition("<h2>Landmarks</h2>")[2].partition("</section>")[0]


def test_landmarks_of_a_transform_made_elsewhere_are_measured_too(truth, tmp_path):
    images = [f"--{role}={truth.folder / f'{role}.nii.gz'}" for role in ("fixed", "moving")]
    lists = write_lists(tmp_path, truth, system="RAS")
    done = run("explain-transform", truth.folder / "transform.h5", *images, *lists, "--output", tmp_path / "r")
    assert done.exit_code == 0, done.output
    record = ResultFolder.open(tmp_path / "r").record
    jsonschema.validate(record, SCHEMA)
    assert record["landmarks"]["distance_mm"]["after"]["mean"] == pytest.approx(15 / 4, abs=0.05)


@pytest.mark.parametrize("missing", ["fixed", "moving"])
def test_landmarks_of_one_image_alone_are_refused_before_any_work(truth, tmp_path, missing):
    lists = write_lists(tmp_path, truth)
    done = aligned(truth, tmp_path, *(lists[2:] if missing == "fixed" else lists[:2]))
    assert f"There are no {missing} landmarks" in done.output and not (tmp_path / "r").exists()


# Pairs ---------------------------------------------------------------------------------------------------------------


def lists(truth, labels: dict[str, tuple[str, ...]]) -> list[Points]:
    points = {"fixed": chosen(truth), "moving": truth.moving_points(chosen(truth))}
    return [Points(given, points[role][: len(given)]) for role, given in labels.items()]


def pair_up(truth, *points: Points) -> LandmarkPairs:
    return paired(*points, truth.fixed, truth.moving)


def test_points_belong_together_by_label_whatever_their_order(truth):
    fixed, moving = lists(truth, {"fixed": ("a", "b", "c"), "moving": ("a", "b", "c")})
    turned = Points(moving.labels[::-1], moving.positions[::-1])
    found = pair_up(truth, fixed, turned)
    assert found.labels == ("a", "b", "c") and np.array_equal(found.moving, moving.positions)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"fixed": ("F-1", "F-2"), "moving": ("M-1", "M-2")}, ("F-1", "F-2")),
        ({"fixed": ("", ""), "moving": ("a", "b")}, ("1", "2")),
        ({"fixed": ("a", "a"), "moving": ("a", "a")}, ("1", "2")),
    ],
)
def test_without_labels_in_common_points_belong_together_by_order(truth, labels, expected):
    fixed, moving = lists(truth, labels)
    found = pair_up(truth, fixed, moving)
    assert found.labels == expected and np.array_equal(found.moving, moving.positions) and not found.warnings


def test_a_label_of_one_list_alone_is_left_out_and_named(truth):
    fixed, moving = lists(truth, {"fixed": ("a", "b", "c"), "moving": ("a", "b")})
    found = pair_up(truth, fixed, moving)
    assert found.labels == ("a", "b")
    assert found.warnings == ["Landmarks that are only in the fixed list were left out: c."]


def test_lists_of_different_length_without_labels_are_refused(truth):
    with pytest.raises(BadInputError, match="There are 3 fixed and 2 moving landmarks"):
        pair_up(truth, *lists(truth, {"fixed": ("", "", ""), "moving": ("", "")}))


# Lists that cannot be ------------------------------------------------------------------------------------------------


def test_a_list_in_the_other_coordinates_outside_its_image_is_told(truth):
    """Both grids lie off the origin, so that RAS taken for LPS is outside."""
    fixed, moving = lists(truth, {"fixed": LABELS, "moving": LABELS})
    with pytest.raises(BadInputError, match="No landmark of the fixed list lies in the fixed image; its coord"):
        pair_up(truth, Points(fixed.labels, fixed.positions * (-1, -1, 1)), moving)
    with pytest.raises(BadInputError, match="No landmark of the moving list lies in the moving image; check"):
        pair_up(truth, fixed, Points(moving.labels, moving.positions + 500))


def test_a_landmark_outside_its_image_is_named(truth):
    fixed, moving = lists(truth, {"fixed": LABELS, "moving": LABELS})
    fixed.positions[2] += 300
    found = pair_up(truth, fixed, moving)
    assert found.warnings == ["Landmarks that lie outside the fixed image: tip. Check where they were placed."]


def far_apart(flip: bool, extent: float = 160.0):
    """A large image about the origin, where a list in the other coordinates lies inside too."""
    grid = Grid((20, 20, 20), (extent / 5,) * 3, (-extent * 1.9,) * 3, tuple(np.eye(3).ravel()))
    image = grid.image(np.arange(20**3, dtype=np.float32).reshape((20,) * 3))
    result = explain_transform(affine_transform(np.eye(3), np.zeros(3)), image, image)
    points = np.array([[extent, extent, 10.0], [-extent, extent, 0], [extent, -extent / 2, -30]])
    sign = (-1, -1, 1) if flip else (1, 1, 1)
    return result, LandmarkPairs(("a", "b", "c"), points, points * sign)


def test_distances_that_no_registration_can_leave_are_told_as_lps_and_ras():
    with pytest.raises(BadInputError, match="All landmarks end more than 200 mm .* LPS and the other in RAS"):
        measure_landmarks(*far_apart(flip=True))
    assert measure_landmarks(*far_apart(flip=False)).warnings == []


def test_a_list_that_fits_far_better_in_the_other_coordinates_is_told():
    found = measure_landmarks(*far_apart(flip=True, extent=60.0))
    assert any("With LPS and RAS exchanged in the fixed list" in warning for warning in found.warnings)


def test_register_keeps_its_result_where_the_landmarks_cannot_be_right(tmp_path, monkeypatch, truth):
    monkeypatch.setattr("regexplain.results.landmarks.IMPOSSIBLE_MM", 0.5)
    done = aligned(truth, tmp_path, *write_lists(tmp_path, truth))
    record = ResultFolder.open(tmp_path / "r").record
    assert done.exit_code == 0 and "landmarks" not in record
    assert any("one list is in LPS" in warning for warning in record["warnings"])


def test_landmarks_further_apart_than_before_are_warned_of(truth, result):
    fixed = chosen(truth)
    found = measure_landmarks(result, LandmarkPairs(LABELS, fixed, fixed))
    assert any("further apart than before anything was moved" in warning for warning in found.warnings)
