"""The failures made on purpose are what they are called, on oblique grids too, and are counted rightly."""

import numpy as np
import pytest
import SimpleITK as sitk

import trust_failures
from fire_model import head
from regexplain.transforms.itk import grid_points
from regexplain.volumes.geometry import Grid
from trust_failures import FAILURES, Case, alarms, explained, positions, ranges


@pytest.fixture(scope="module")
def case() -> Case:
    """FLAIR moving; oblique grids of anisotropic voxels, the fixed one stored in another order."""
    return Case("made", "made", "someone", head("T1")[0], head("FLAIR")[0], moves=1)


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
    made = FAILURES["missing half"](turned_to(case, stored), [])
    left = positions(getattr(case, stored))[..., 0] > 0
    assert (values(made.moving)[left] == values(made.moving).min()).all()
    assert (values(made.moving)[~left] == values(getattr(case, stored))[~left]).all()


def turned_to(case: Case, stored: str) -> Case:
    return trust_failures.replace(case, moving=getattr(case, stored))


@pytest.mark.parametrize("stored", ["fixed", "moving"])
def test_upside_down_turns_top_and_left_but_not_the_front(case, stored):
    of = turned_to(case, stored)
    made = FAILURES["upside down"](of, [])
    before, after = (centre_of(np.maximum(values(i) - 700, 0), of.moving) for i in (of.moving, made.moving))
    assert np.abs(before).min() > 0.3
    assert np.sign(after).tolist() == (np.sign(before) * (-1, 1, -1)).tolist()
    assert Grid.of(made.moving) == Grid.of(of.moving)
    assert np.array_equal(values(FAILURES["upside down"](made, []).moving), values(of.moving))


def test_a_lesion_lies_on_one_side_alone(case):
    made = FAILURES["lesion"](case, [])
    change = values(made.moving) - values(case.moving)
    at = centre_of(np.abs(change) * (np.abs(change) > 50), case.moving)
    assert at[0] > 10 and abs(at[1]) < 6 and at[2] > 5


def test_motion_blurs_and_keeps_what_there_is_in_all(case):
    made = values(FAILURES["motion"](case, []).moving)
    still = values(case.moving)
    assert made.shape == still.shape and np.isfinite(made).all()
    assert 0.3 < np.corrcoef(made.ravel(), still.ravel())[0, 1] < 0.95
    assert made.mean() == pytest.approx(still.mean(), rel=0.3)


def test_another_patients_image_is_of_the_same_sort_and_contrast(case):
    others = [
        trust_failures.replace(case, subject="b", moves=0),
        trust_failures.replace(case, subject="c", kind="other"),
        trust_failures.replace(case, subject="d", moving=case.fixed),
    ]
    assert FAILURES["wrong patient"](case, [case, *others]).moving is case.fixed
    assert FAILURES["wrong patient"](case, [case, *others[:2]]) is None


def row(symmetry: float, **more) -> dict:
    seen = {"fixed_modality": "T1", "fixed_certainty": 0.99, "moving_modality": "FLAIR", "moving_certainty": 0.99}
    return (
        {"symmetry_mm": symmetry, "complementarity": None, "homogeneity": 0.2, "alignment_warned": False} | seen | more
    )


def test_alarms_are_beyond_the_ranges_of_the_ordinary_pairs():
    usual = ranges([row(v) for v in np.linspace(0, 1, 101)])
    assert usual["symmetry_mm"] == pytest.approx({"median": 0.5, "p5": 0.05, "p95": 0.95})
    assert "complementarity" not in usual
    tried = row(0.9), row(0.96), row(0.5, moving_modality="T1"), row(0.5, alignment_warned=True)
    quiet, loud, same, lost = (alarms(one, usual) for one in tried)
    assert not any(quiet.values())
    assert loud["symmetry_unusual"] and loud["any_unusual"] and not loud["homogeneity_unusual"]
    assert lost["alignment_unusual"] and lost["any_unusual"] and not lost["contrasts_unusual"]
    assert same["contrasts_unusual"] and same["any_unusual"] and not same["symmetry_unusual"]


def test_an_error_that_is_told_by_the_disagreement_is_explained_and_one_that_is_not_is_not():
    random = np.random.default_rng(0)
    seen = random.random((3, 500))
    informative = [np.column_stack([0.5 + 2 * s, s]) for s in seen]
    untold = [np.column_stack([random.random(500), s]) for s in seen]
    assert explained(informative) == pytest.approx(1) and abs(explained(untold)) < 0.05
