"""The pictures show what they are named after."""

import numpy as np
import pytest

from mrml.checks import GOLD, LPS, RED, like, read_png
from RegExplainLib.MRML.Pictures import anatomyCentre, largestDisplacement
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import BUMP_OFFSET, STAGES, write_synthetic_result


@pytest.fixture(scope="module")
def drawn(canDraw, headless, pictures, truths, tmp_path_factory):
    """name -> picture of the oblique result."""
    if not canDraw:
        pytest.skip("no GL library here to draw with (libegl1 and libgl1, or libosmesa6)")
    headless.clear()
    folder, done = tmp_path_factory.mktemp("pictures"), []
    result = ResultNodes.load(truths["oblique"].folder)
    names = pictures.write(result, folder, lambda n, total: done.append((n, total)))
    assert done == [(n, len(names)) for n in range(1, len(names) + 1)]
    assert not [layer.key for layer in result.layers() if layer.visible]
    return {name: read_png(folder / name) for name in names}


def counts(picture):
    return [like(picture, np.array(color) * 255, 60).sum() for color in (RED, GOLD)]


def test_the_pictures_are_large_enough_to_read_png(drawn):
    assert len(drawn) == 13
    for name, picture in drawn.items():
        assert picture.shape == (500, 500 if name == "glyphs-3d.png" else 1500, 3)
        assert picture.std() > 10


def test_the_overview_shows_three_scans_and_no_outlines(drawn):
    parts = np.split(drawn["overview.png"], 3, axis=1)
    assert max(counts(drawn["overview.png"])) < 50
    fixed, moving, warped = (part[60:440, 60:440].astype(int) for part in parts)
    assert np.abs(fixed - warped).mean() < 0.5 * np.abs(fixed - moving).mean()


def test_outlines_are_red_and_gold(drawn):
    assert min(counts(drawn["outlines.png"])) > 100


def test_animations_show_red_and_gold_apart(drawn):
    for name in ("component-01", "component-02", "registration"):
        assert min(counts(drawn[f"animation-{name}.png"])) > 300


def test_the_arrows_are_in_colour_from_blue_to_yellow(drawn):
    for name in ("glyphs-slice.png", "glyphs-3d.png"):
        picture = drawn[name][:, :400].astype(int)  # left of the colour bar
        red, green, blue = (picture[..., channel] for channel in range(3))
        assert ((blue > red + 60) & (blue > 100)).sum() > 50
        assert ((green > blue + 80) & (red > blue + 40)).sum() > 50


def test_heatmaps_are_warm_in_all_three_views(drawn):
    for stage in STAGES:
        for part in np.split(drawn[f"heatmap-{stage}.png"].astype(int), 3, axis=1):
            assert (part[..., 0] - part[..., 2] > 60).sum() > 300


def test_an_affine_result_without_segmentations_has_an_overview(canDraw, scene, pictures, tmp_path):
    if not canDraw:
        pytest.skip("no GL library here to draw with (libegl1 and libgl1, or libosmesa6)")
    truth = write_synthetic_result(tmp_path / "result", kind="affine", segmentations=False)
    assert pictures.write(ResultNodes.load(truth.folder), tmp_path) == ["overview.png"]
    assert read_png(tmp_path / "overview.png").std() > 10


def test_the_slices_go_through_the_middle_of_the_segmentation(result, truth):
    np.testing.assert_allclose(anatomyCentre(result) * LPS, truth.centre, atol=6)


def test_the_slices_of_the_arrows_go_through_the_largest_displacement(scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", grid="oblique", segmentations=False)
    found = largestDisplacement(ResultNodes.load(truth.folder))
    np.testing.assert_allclose(found * LPS, truth.centre + BUMP_OFFSET, atol=1.5)


def test_the_largest_displacement_is_sought_within_the_segmentation(result, truth):
    assert truth.label_at(largestDisplacement(result)[None] * LPS)[0] > 0
