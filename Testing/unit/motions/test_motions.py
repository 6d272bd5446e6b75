"""What a displacement does, in words and numbers, for displacements whose answer is known.

The signs follow docs/decisions/0001: a displacement leads from the fixed point to where its tissue lies in the moving
image, in LPS millimetres. Every expectation below is worked out by hand from that, not with the code under test.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equivalent_scans import rotation
from regexplain.motions.anatomy import Anatomy
from regexplain.motions.motion import fit_motion
from regexplain.transforms.itk import grid_points
from regexplain.volumes.geometry import Grid, centred_grid
from synthetic_result import phantom_labels

LEFT, POSTERIOR, SUPERIOR = np.eye(3)
CENTRE = np.array([12.0, -20.0, 31.0])
SPREAD = np.array([[9.0, 2.0, -1.0], [2.0, 14.0, 3.0], [-1.0, 3.0, 6.0]])  # mm: long and oblique, as a hippocampus is


def cloud(spread=SPREAD) -> np.ndarray:
    """Points of an ellipsoid whose centroid is exactly CENTRE."""
    points = np.random.default_rng(0).normal(size=(300, 3)) @ np.asarray(spread)
    return CENTRE + points - points.mean(0)


def affine_field(points, matrix=None, shift=(0.0, 0.0, 0.0)) -> np.ndarray:
    matrix = np.eye(3) if matrix is None else np.asarray(matrix)
    return (points - CENTRE) @ (matrix - np.eye(3)).T + np.asarray(shift)


def moved(matrix=None, shift=(0.0, 0.0, 0.0), spread=SPREAD):
    points = cloud(spread)
    return fit_motion(affine_field(points, matrix, shift), points)


def shares(motion) -> dict[str, float]:
    assert sum(motion.shares.values()) == pytest.approx(1)
    assert all(share >= 0 for share in motion.shares.values())
    return motion.shares


@pytest.mark.parametrize(
    "axis, degrees, sense, about",
    [
        (LEFT, 6.0, "anterior towards inferior", "left–right"),
        (LEFT, -6.0, "anterior towards superior", "left–right"),
        (POSTERIOR, 10.0, "superior towards left", "anterior–posterior"),
        (POSTERIOR, -10.0, "superior towards right", "anterior–posterior"),
        (SUPERIOR, 10.0, "anterior towards left", "superior–inferior"),
        (SUPERIOR, -40.0, "anterior towards right", "superior–inferior"),
    ],
)
def test_a_rotation_is_named_with_its_axis_its_sense_and_its_degrees(axis, degrees, sense, about):
    motion = moved(rotation(axis, degrees))
    assert motion.name("SD") == f"turns {sense} by {abs(degrees):.1f}° per SD"
    assert motion.describe("SD") == (
        f"From the fixed to the moving image, per SD, tissue turns {sense} by {abs(degrees):.1f}° "
        f"about the {about} axis (100 % of the motion)."
    )
    assert np.allclose(motion.rotation_vector_deg, degrees * axis)
    assert shares(motion)["rotation"] == pytest.approx(1)


DIRECTION = {
    "left": LEFT, "right": -LEFT, "posterior": POSTERIOR, "anterior": -POSTERIOR, "superior": SUPERIOR,
    "inferior": -SUPERIOR,
}  # fmt: skip


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("degrees", [5.0, -5.0])
def test_the_end_that_a_turn_is_named_by_has_arrows_to_where_it_is_said_to_go(axis, degrees):
    """Without a table: the arrow at that end of the anatomy points to the direction in the name."""
    motion = moved(rotation(np.eye(3)[axis], degrees))
    _, end, _, towards, *_ = motion.name().split()
    arrow = motion.displacement(CENTRE[None] + 10 * DIRECTION[end])[0]
    assert arrow @ DIRECTION[towards] > 0.99 * np.linalg.norm(arrow) * np.cos(np.radians(3))


@pytest.mark.parametrize("towards", DIRECTION)
def test_a_translation_is_named_with_its_direction_and_its_millimetres(towards):
    motion = moved(shift=1.2 * DIRECTION[towards])
    assert motion.name("SD") == f"moves 1.2 mm towards {towards} per SD"
    assert shares(motion)["translation"] == pytest.approx(1)
    assert motion.rms_mm == pytest.approx(1.2)


def test_a_translation_between_two_axes_names_both_the_stronger_first():
    assert moved(shift=(-3.0, -4.0, 0.5)).name() == "moves 5.0 mm towards anterior and right"


@pytest.mark.parametrize(
    "zooms, name",
    [
        ((1.1, 1.1, 1.1), "grows by 10.0 % in every direction"),
        ((0.8, 0.8, 0.8), "shrinks by 20.0 % in every direction"),
        ((1.2, 1, 1), "stretches by 20.0 % along left–right"),
        ((1, 0.9, 1), "shrinks by 10.0 % along anterior–posterior"),
        ((1, 1, 1.05), "stretches by 5.0 % along superior–inferior"),
        ((1.2, 0.9, 1), "stretches by 20.0 % along left–right and shrinks by 10.0 % along anterior–posterior"),
    ],
)
def test_a_zoom_is_named_with_its_axis_and_its_size(zooms, name):
    motion = moved(np.diag(zooms))
    assert motion.name() == name
    assert np.allclose(motion.stretch, np.diag(zooms))
    assert shares(motion)["stretch"] == pytest.approx(1)


def test_tissue_that_grows_has_arrows_outwards():
    motion = moved(1.1 * np.eye(3))
    assert np.allclose(motion.displacement(CENTRE[None] + 10 * LEFT), [[1.0, 0, 0]])


@pytest.mark.parametrize(
    "a, b, strain, name",
    [
        (0, 1, 0.05, "shears anterior towards right by 2.9°"),
        (0, 1, -0.05, "shears anterior towards left by 2.9°"),
        (0, 2, 0.05, "shears superior towards left by 2.9°"),
        (0, 2, -0.05, "shears superior towards right by 2.9°"),
        (1, 2, 0.05, "shears superior towards posterior by 2.9°"),
        (1, 2, -0.05, "shears superior towards anterior by 2.9°"),
    ],
)
def test_a_shear_is_named_with_the_end_that_leans_and_where_to(a, b, strain, name):
    matrix = np.eye(3)
    matrix[a, b] = matrix[b, a] = strain
    motion = moved(matrix)
    assert motion.name() == name
    arrow = motion.displacement(CENTRE[None] + 10 * DIRECTION[name.split()[1]])[0]
    assert arrow @ DIRECTION[name.split()[3]] == pytest.approx(0.5)
    assert shares(motion)["stretch"] == pytest.approx(1)


def test_the_parts_of_a_mixture_come_with_their_sizes_and_their_shares():
    motion = moved(rotation(SUPERIOR, 8.0) * 1.1, (0.0, -1.5, 0.0), spread=10 * np.eye(3))
    assert np.allclose(motion.rotation_vector_deg, [0, 0, 8])
    assert np.allclose(motion.stretch, 1.1 * np.eye(3))
    assert np.allclose(motion.translation_mm, [0, -1.5, 0])
    covariance = (cloud(10 * np.eye(3)) - CENTRE).T @ (cloud(10 * np.eye(3)) - CENTRE) / 300
    turned, grown = rotation(SUPERIOR, 8.0) - np.eye(3), 0.1 * np.eye(3)
    turn, grow = (np.trace(m @ covariance @ m.T) for m in (turned, grown))
    both = rotation(SUPERIOR, 8.0) * 1.1 - np.eye(3)
    linear = np.trace(both @ covariance @ both.T)
    total = linear + 1.5**2
    assert shares(motion) == {
        "translation": pytest.approx(1.5**2 / total),
        "rotation": pytest.approx(linear / total * turn / (turn + grow)),
        "stretch": pytest.approx(linear / total * grow / (turn + grow)),
        "bending": pytest.approx(0, abs=1e-12),
    }
    assert motion.name() == "turns anterior towards left by 8.0°, grows by 10.0 % in every direction"
    assert motion.describe() == (
        "From the fixed to the moving image tissue turns anterior towards left by 8.0° "
        f"about the superior–inferior axis ({100 * motion.shares['rotation']:.0f} % of the motion), "
        f"grows by 10.0 % in every direction ({100 * motion.shares['stretch']:.0f} %) "
        f"and moves 1.5 mm towards anterior ({100 * motion.shares['translation']:.0f} %)."
    )


unit = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1).map(lambda v: v / np.linalg.norm(v))


@settings(max_examples=40)
@given(unit, st.floats(0.05, 175), st.tuples(*[st.floats(-20, 20)] * 3))
def test_any_rotation_and_translation_are_found_again(axis, degrees, shift):
    motion = moved(rotation(axis, degrees), shift)
    assert np.allclose(motion.rotation_vector_deg, degrees * axis, atol=1e-5)
    assert motion.rotation_deg == pytest.approx(degrees, abs=1e-5)
    assert np.allclose(motion.translation_mm, shift)
    assert np.allclose(motion.stretch, np.eye(3))
    assert shares(motion)["stretch"] < 1e-9 and shares(motion)["bending"] < 1e-9


@settings(max_examples=40)
@given(unit, st.floats(1, 60), st.tuples(*[st.floats(0.7, 1.4)] * 3), st.tuples(*[st.floats(-0.1, 0.1)] * 3))
def test_any_turn_after_any_stretch_is_taken_apart_again(axis, degrees, zooms, shears):
    stretch = np.diag(zooms)
    stretch[[0, 0, 1], [1, 2, 2]] = stretch[[1, 2, 2], [0, 0, 1]] = shears
    motion = moved(rotation(axis, degrees) @ stretch)
    assert np.allclose(motion.stretch, stretch)
    assert np.allclose(motion.rotation_vector_deg, degrees * axis, atol=1e-6)
    shares(motion)


@settings(max_examples=40)
@given(unit, st.floats(1, 45))
def test_the_opposite_motion_turns_and_moves_the_opposite_way(axis, degrees):
    there = moved(rotation(axis, degrees), 3 * axis)
    back = moved(rotation(axis, -degrees), -3 * axis)
    assert np.allclose(there.rotation_vector_deg, -back.rotation_vector_deg)
    assert np.allclose(there.translation_mm, -back.translation_mm)


def test_a_turn_about_an_oblique_axis_tells_both_senses_and_how_oblique_it_is():
    axis = np.cos(np.radians(35)) * SUPERIOR + np.sin(np.radians(35)) * LEFT
    motion = moved(rotation(axis, 5.0))
    assert motion.name() == "turns anterior towards left and anterior towards inferior by 5.0°"
    assert "by 5.0° about an axis 35° off the superior–inferior one (100 % of the motion)" in motion.describe()


def bending(points: np.ndarray, millimetres: float) -> np.ndarray:
    """A banana: superior by the square of how far left or right, without any affine part over a symmetric cloud."""
    offset = (points - CENTRE)[:, 0]
    arch = offset**2 - (offset**2).mean()
    arch *= millimetres / np.sqrt((arch**2).mean())
    return arch[:, None] * SUPERIOR


def symmetric_cloud() -> np.ndarray:
    half = np.random.default_rng(0).uniform(-10, 10, (200, 3))
    return CENTRE + np.concatenate([half, -half])


def test_pure_bending_has_no_affine_share():
    points = symmetric_cloud()
    motion = fit_motion(bending(points, 0.7), points)
    assert shares(motion)["bending"] > 1 - 1e-9
    assert motion.bending_mm == pytest.approx(0.7)
    assert motion.name("SD") == "bends by 0.7 mm per SD"
    assert motion.describe() == "From the fixed to the moving image tissue bends by 0.7 mm (100 % of the motion)."


def test_the_rest_of_a_mixture_is_told_with_its_millimetres_and_the_segment_it_sits_in():
    points = symmetric_cloud()
    labels = np.where((points - CENTRE)[:, 1] < 0, 1, 2).astype(np.uint8)
    rest = bending(points, 1.0) * np.where(labels == 2, 1.0, 0.2)[:, None]
    motion = fit_motion(affine_field(points, shift=3 * LEFT) + rest, points, labels=labels)
    assert motion.bending_place == "segment 2"
    assert motion.name() == "moves 3.0 mm towards left"
    assert f"; the rest ({100 * motion.shares['bending']:.0f} %) bends by " in motion.describe()
    assert motion.describe().endswith(f"bends by {motion.bending_mm:.1f} mm, most in segment 2.")


def test_no_segment_is_blamed_where_all_bend_alike():
    points = symmetric_cloud()
    labels = np.arange(len(points)) % 2 + 1
    assert fit_motion(bending(points, 1.0), points, labels=labels).bending_place is None


def test_without_segments_the_half_that_bends_is_named():
    points = symmetric_cloud()
    rest = bending(points, 1.0) * np.where((points - CENTRE)[:, 1] < 0, 1.0, 0.1)[:, None]
    words = fit_motion(rest, points).describe()
    assert words.endswith("bends by 0.7 mm (100 % of the motion), most in the anterior half.")


def test_what_does_not_move_is_said_not_to_move():
    motion = moved()
    assert motion.name("SD") == "hardly moves" and motion.describe() == "Tissue hardly moves."
    assert set(motion.shares.values()) == {0.0}


def test_weights_count_as_repeated_points():
    points, random = cloud(), np.random.default_rng(1)
    field, weights = random.normal(size=points.shape), random.integers(0, 4, len(points))
    weighted = fit_motion(field, points, weights)
    repeated = fit_motion(np.repeat(field, weights, 0), np.repeat(points, weights, 0))
    for name in ("centroid_mm", "translation_mm", "rotation", "stretch", "rms_mm", "bending_mm"):
        assert np.allclose(getattr(weighted, name), getattr(repeated, name)), name
    assert weighted.shares == pytest.approx(repeated.shares)


def test_a_motion_without_points_is_refused():
    with pytest.raises(ValueError, match="at least one point"):
        fit_motion(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2))


def test_one_oblique_slice_still_tells_the_turn_within_it():
    tilt = rotation((1, 2, 0.5), 25)
    points = CENTRE + ((cloud() - CENTRE) * (1, 1, 0)) @ tilt.T
    motion = fit_motion(affine_field(points, rotation(tilt @ SUPERIOR, 7.0)), points)
    assert np.allclose(motion.rotation_vector_deg, 7 * tilt @ SUPERIOR)


def test_a_mirroring_field_gives_a_rotation_all_the_same():
    motion = moved(np.diag((-1.0, 1.0, 1.0)))
    assert np.linalg.det(motion.rotation) == pytest.approx(1)
    assert np.allclose(motion.rotation @ motion.stretch, np.diag((-1.0, 1.0, 1.0)))


def test_the_record_is_plain_json_and_gives_the_motion_back():
    import json

    motion = moved(rotation((1, 1, 0), 5.0), (1.0, 2.0, 3.0))
    record = json.loads(json.dumps(motion.record))
    assert record["rotation_vector_deg"] == pytest.approx(motion.rotation_vector_deg.tolist())
    assert record["shares"] == motion.shares and record["translation_mm"] == pytest.approx([1, 2, 3])


# In an image --------------------------------------------------------------------------------------------------------


def canvas(oblique: bool) -> Grid:
    direction = rotation((1, 2, -1), 25) if oblique else np.eye(3)
    return centred_grid(CENTRE, (34, 38, 30), (1.2, 1.1, 1.4), direction.ravel())


def phantom(grid: Grid):
    labels = phantom_labels(grid_points(grid).reshape(-1, 3) - CENTRE).reshape(grid.size[::-1])
    return grid.image(labels.astype(np.float32) * 100 + 7), grid.image(labels)


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("segmented", [False, True])
def test_the_words_are_of_the_patient_and_not_of_the_images_axes(oblique, segmented):
    grid = canvas(oblique)
    fixed, segmentation = phantom(grid)
    anatomy = Anatomy.of(fixed, segmentation if segmented else None)
    points = grid_points(grid)
    turn = (points - CENTRE) @ (rotation(SUPERIOR, 10.0) - np.eye(3)).T
    nonsense = np.random.default_rng(0).normal(scale=30, size=points.shape)  # outside the anatomy: must not count
    motion = anatomy.motion(grid.image(np.where(anatomy.inside[..., None], turn, nonsense), vector=True))
    assert np.allclose(motion.rotation_vector_deg, [0, 0, 10], atol=1e-6)
    assert np.linalg.norm(motion.centroid_mm - CENTRE) < 2
    assert "turns anterior towards left by 10.0° about the superior–inferior axis" in motion.describe()


def test_without_a_segmentation_the_anatomy_is_what_is_brighter_than_the_background():
    grid = canvas(oblique=True)
    fixed, segmentation = phantom(grid)
    bright, segmented = Anatomy.of(fixed), Anatomy.of(fixed, segmentation)
    assert bright.labels is None and set(segmented.labels) == {1, 2}
    assert (bright.inside == segmented.inside).all()


def test_an_empty_segmentation_counts_as_none():
    fixed, segmentation = phantom(canvas(oblique=False))
    assert (Anatomy.of(fixed, segmentation * 0).inside == Anatomy.of(fixed).inside).all()


def test_a_field_on_a_coarser_canvas_is_read_where_the_anatomy_is():
    fixed, segmentation = phantom(canvas(oblique=True))
    coarse = centred_grid(CENTRE + 1, (20, 24, 18), (3.0, 3.0, 3.0), np.eye(3).ravel())
    turn = (grid_points(coarse) - CENTRE) @ (rotation(LEFT, 10.0) - np.eye(3)).T
    motion = Anatomy.of(fixed, segmentation).motion(coarse.image(turn, vector=True))
    assert np.allclose(motion.rotation_vector_deg, [10, 0, 0], atol=1e-6)
