"""The failures made on purpose are what they are called, on oblique grids too, and are counted rightly."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from failure_cases import FAILURES, Case, Heads, acquired, positions
from fire_model import head
from known_warp import random_warp, tissue
from regexplain.transforms.itk import grid_points
from regexplain.volumes.geometry import Grid
from trust_failures import CHECKS, judged, verdicts


@pytest.fixture(scope="module")
def case() -> Case:
    """FLAIR moving; oblique grids of anisotropic voxels, the fixed one stored in another order."""
    return Case("someone", 2, ("T1", "FLAIR"), head("T1")[0], head("FLAIR")[0])


def values(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image).astype(float)


def centre_of(weights: np.ndarray, image: sitk.Image) -> np.ndarray:
    """(L, P, S) mm from the middle of the tissue."""
    return (positions(image) * weights[..., None]).sum((0, 1, 2)) / weights.sum()


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_positions_are_millimetres_towards_the_patients_left_back_and_top(case, which):
    image = getattr(case, which)
    grid, found = Grid.of(image), positions(image)
    corner = grid_points(grid)
    for axis in range(3):
        towards = corner[np.unravel_index(found[..., axis].argmax(), found.shape[:3])]
        assert (towards - grid.centre)[axis] > 10  # the header is 15° oblique
    assert np.abs(centre_of(values(image) > 100, image)).max() < 3


@pytest.mark.parametrize("stored", ["fixed", "moving"])
def test_the_patients_left_half_is_missing(case, stored):
    made = failed("missing half", turned_to(case, stored))
    left = positions(getattr(case, stored))[..., 0] > 0
    assert (values(made.moving)[left] == values(made.moving).min()).all()
    assert (values(made.moving)[~left] == values(getattr(case, stored))[~left]).all()


def failed(kind: str, case: Case) -> Case:
    return FAILURES[kind](case, None, "")


def turned_to(case: Case, stored: str) -> Case:
    return replace(case, moving=getattr(case, stored))


@pytest.mark.parametrize("stored", ["fixed", "moving"])
def test_upside_down_turns_top_and_left_but_not_the_front(case, stored):
    of = turned_to(case, stored)
    made = failed("upside down", of)
    before, after = (centre_of(np.maximum(values(i) - 700, 0), of.moving) for i in (of.moving, made.moving))
    assert np.abs(before).min() > 0.3
    assert np.sign(after).tolist() == (np.sign(before) * (-1, 1, -1)).tolist()
    assert Grid.of(made.moving) == Grid.of(of.moving)
    assert np.array_equal(values(failed("upside down", made).moving), values(of.moving))


def test_mirrored_turns_left_to_right_and_nothing_else(case):
    before, after = (
        centre_of(np.maximum(values(i) - 700, 0), i) for i in (case.moving, failed("mirrored", case).moving)
    )
    assert np.sign(after).tolist() == (np.sign(before) * (-1, 1, 1)).tolist()


@pytest.mark.parametrize(("kind", "side_mm"), [("lesion", 25), ("resection", 45)])
def test_what_is_put_in_lies_on_one_side_alone_and_is_round(case, kind, side_mm):
    change = np.abs(values(failed(kind, case).moving) - values(case.moving))
    at = centre_of(change * (change > 50), case.moving)
    assert abs(abs(at[0]) - side_mm) < 15 and at[2] > 5
    away = np.linalg.norm(positions(case.moving) - at, axis=-1)[change > 50]
    assert away.max() < 30


def test_motion_blurs_and_keeps_what_there_is_in_all(case):
    made = values(failed("motion", case).moving)
    still = values(case.moving)
    assert made.shape == still.shape and np.isfinite(made).all()
    assert 0.3 < np.corrcoef(made.ravel(), still.ravel())[0, 1] < 0.95
    assert made.mean() == pytest.approx(still.mean(), rel=0.5)


def test_another_patients_image_is_of_the_same_contrast(case):
    class Others:
        def image(self, subject, contrast, seed):
            assert (subject, contrast) == ("another", "FLAIR")
            return case.fixed

    made = FAILURES["wrong patient"](case, Others(), "another").moving
    assert values(made).shape == values(case.fixed).shape


def test_a_second_scan_lies_elsewhere_and_is_the_same_each_time(case):
    first, again = (values(acquired(case.moving, case, 0.0)) for _ in range(2))
    assert np.array_equal(first, again)
    assert 0.2 < np.corrcoef(first.ravel(), values(case.moving).ravel())[0, 1] < 0.98


def test_a_warp_is_as_long_as_is_said(case):
    inside = tissue(case.fixed)
    warp = random_warp(case.fixed, inside, np.random.default_rng(0), 6.0)
    points = Grid.of(case.fixed).world(np.argwhere(inside)[::97, ::-1])
    lengths = [np.linalg.norm(np.array(warp.TransformPoint(p)) - p) for p in points.tolist()]
    assert np.sqrt(np.mean(np.square(lengths))) == pytest.approx(6.0, rel=0.15)


def a_case(kind: str, share: float) -> dict:
    lengths = {"mean": 1.0, "p95": 2.0, "max": 3.0}
    error = {"expected_mm": lengths, "bound90_mm": lengths, "share_above_3mm": share, "place": "the left part"}
    error |= {"not_told": {"flat": 0.0, "missing": 0.0, "outside": 0.0}, "warnings": []}
    record = {"kind": "affine", "model": None, "dice": None, "jacobian": {"share_folded": 0.0}, "warnings": []}
    record |= {"inverse_consistency_mm": {"p95": 0.0}, "voxel_mm": 1.0, "error": error}
    return {"kind": kind, "subject": "a", "seed": 0, "contrasts": ["T1", "FLAIR"], "record": record}


def test_the_table_counts_what_stands_out_by_the_check_that_says_it():
    rows = [judged(a_case("ordinary", 0.0)) for _ in range(3)] + [judged(a_case("ordinary", 0.15))]
    rows += [judged(a_case("mirrored", 0.5))]
    _, _, ordinary, mirrored = (line.strip("| ").split("|") for line in verdicts(rows).splitlines())
    assert [cell.strip() for cell in ordinary[:6]] == ["ordinary", "4", "25 %", "5 – 70 %", "0", "1"]
    assert [cell.strip() for cell in mirrored[:6]] == ["mirrored", "1", "100 %", "21 – 100 %", "1", "1"]
    assert set(CHECKS) <= set(rows[0])


def test_what_lies_beyond_a_turned_brain_is_as_dark_as_its_background_though_resampling_left_ringing(tmp_path):
    array = np.zeros((24, 24, 24), np.float32)
    array[6:18, 6:18, 6:18] = 200
    array[5, 12, 12] = -40  # rings
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([2.0] * 3)
    folder = tmp_path / "ms_mni" / "patient01"
    folder.mkdir(parents=True)
    sitk.WriteImage(image, str(folder / "T1.nii.gz"))
    still = Heads(tmp_path).image("patient01", "T1", 0)
    moved = values(acquired(still, Case("patient01", 0, ("T1", "T1"), still, still), 0.0))
    assert moved.min() == 0
    assert (moved[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()  # the corners, of the image and beyond it
