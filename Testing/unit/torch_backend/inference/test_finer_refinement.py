"""Refining on finer canvases: what the network's own cannot show is found, and what makes a pair worse is not kept."""

import numpy as np
import pytest
import SimpleITK as sitk

from fire_model import write_any_contrast_model
from regexplain import register
from regexplain.landmarks.pairs import LandmarkPairs
from regexplain.progress import Progress
from regexplain.registration.deformation import NOT_REFINED
from regexplain.torch_backend.inference import prediction
from regexplain.torch_backend.inference.resolutions import finer_canvases
from regexplain.transforms.similarity import SimilarityScores
from regexplain.volumes.geometry import Grid, centred_grid

SIZE = 48


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Its canvas has at most 32³ voxels, and its answer is next to nothing."""
    import json

    from safetensors.torch import load_file, save_file

    from regexplain.cards.registry import CARD, WEIGHTS, sha256

    folder = write_any_contrast_model(tmp_path_factory.mktemp("any") / "model")
    weights = load_file(folder / WEIGHTS)
    save_file({k: v * (0.001 if ".part." in k else 1) for k, v in weights.items()}, folder / WEIGHTS)
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card["files"][WEIGHTS] = sha256(folder / WEIGHTS)
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")
    return str(folder)


def textured(shift_mm: float = 0.0) -> sitk.Image:
    """A ball of fine texture on voxels of 0.8 mm along oblique axes; what lies at p lies at p + shift_mm along x."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.1, -0.2, 0.3)
    grid = centred_grid((10.0, -20.0, 30.0), [SIZE] * 3, [0.8] * 3, turn.GetMatrix())
    index = np.stack(np.meshgrid(*[np.arange(SIZE)] * 3, indexing="ij")[::-1], -1)
    points = grid.world(index) - grid.centre - [shift_mm, 0, 0]
    x, y, z = np.moveaxis(points, -1, 0)
    waves = np.sin(2.2 * x + 0.6 * y) + np.sin(2.1 * y - 0.7 * z) + np.sin(2.2 * z + 0.8 * x)
    ball = 1 / (1 + np.exp((np.linalg.norm(points, axis=-1) - 15) / 0.6))
    return grid.image((200 + 60 * waves) * ball)


def test_finer_canvases_end_at_the_fixed_images_voxels_over_the_same_box():
    canvas = centred_grid((1.0, 2.0, 3.0), (16, 24, 16), (4.0, 4.0, 4.0), np.eye(3).ravel())
    fixed = centred_grid((0.0, 0.0, 0.0), (64, 96, 20), (1.0, 1.0, 3.0), np.eye(3).ravel())
    found = finer_canvases(canvas, fixed)
    assert [grid.size for grid in found] == [(32, 48, 20), (64, 96, 20)]
    for grid in found:
        assert np.allclose(grid.extent, canvas.extent) and np.allclose(grid.centre, canvas.centre)
    few = finer_canvases(canvas, fixed, max_voxels=30_000)
    assert len(few) == 1 and np.prod(few[0].size) < 33_000
    assert finer_canvases(canvas, canvas) == []


@pytest.mark.slow
def test_a_shift_of_texture_too_fine_for_the_canvas_is_found(model, monkeypatch):
    fixed, moving = textured(), textured(0.6)
    identity = sitk.AffineTransform(3)
    errors = []
    for finer in (True, False):
        if not finer:
            monkeypatch.setattr("regexplain.torch_backend.inference.resolutions.finer_canvases", lambda *_: [])
        result = register(fixed, moving, model, initial_transform=identity, refine=20, threads=1)
        assert result.record["settings"]["refine"] == 20
        middle = sitk.GetArrayFromImage(result.transform.displacement)[14:-14, 14:-14, 14:-14]
        errors.append(float(np.linalg.norm(middle - [0.6, 0, 0], axis=-1).mean()))
        assert result.record["jacobian"]["share_folded"] < 1e-4
        assert result.record["inverse_consistency_mm"]["mean"] < 0.1
    assert errors[0] < 0.3 and errors[0] < 0.8 * errors[1], errors


def moved_away(model, images, alignment, encoded, moving, output, *_):
    """A refinement that moves everything along the fixed image's own x, which makes the images less alike."""
    wrong = output.raw.clone()
    wrong[:, 0] -= 4
    return model.network.refined(output, wrong, moving.shape[2:]), encoded.canvas


@pytest.mark.parametrize(("side", "kept"), [(1, False), (-1, True)])
def test_a_refinement_with_landmarks_is_kept_where_those_that_it_did_not_use_come_nearer(
    model, monkeypatch, side, kept
):
    fixed, moving = textured(), textured(0.5)
    monkeypatch.setattr(prediction, "refine_coarse_to_fine", moved_away)
    points = Grid.of(fixed).centre + np.array([[0.0, 0, 0], [6, 0, 0], [0, -6, 0], [0, 3, 6]])
    landmarks = LandmarkPairs(tuple("abcd"), points, points + side * 3 * Grid.of(fixed).axes[:, 0])
    identity = sitk.AffineTransform(3)
    result = register(fixed, moving, model, initial_transform=identity, refine=5, threads=1, landmarks=landmarks)
    assert (NOT_REFINED.format(name="tiny-any-contrast") not in result.record["warnings"]) == kept
    assert result.record["settings"]["refine"] == (5 if kept else 0)
    assert ("left_out" in result.record["landmarks"]["distance_mm"]) == kept


@pytest.mark.slow
def test_a_refinement_that_makes_the_images_less_alike_is_not_kept_and_that_is_said(model, monkeypatch):
    fixed, moving = textured(), textured(0.5)
    identity = sitk.AffineTransform(3)
    plain = register(fixed, moving, model, initial_transform=identity, threads=1)
    monkeypatch.setattr(prediction, "refine_coarse_to_fine", moved_away)
    result = register(fixed, moving, model, initial_transform=identity, refine=5, threads=1)
    assert NOT_REFINED.format(name="tiny-any-contrast") in result.record["warnings"]
    assert result.record["settings"]["refine"] == 0
    kept, before = (sitk.GetArrayFromImage(one.transform.displacement) for one in (result, plain))
    assert np.array_equal(kept, before)


@pytest.mark.parametrize(
    ("refined", "gains"),
    [((0.0985, 1.04), True), ((0.0987, 0.99), False), ((0.082, 1.04), False), ((0.12, 0.95), True)],
)
def test_a_measure_of_likeness_that_hardly_changed_does_not_outvote_one_that_did(refined, gains):
    before = SimilarityScores(0.0987, 0.99)
    assert (SimilarityScores(*refined).relative_gain(before) > 1e-6) == gains


@pytest.mark.slow
def test_progress_counts_the_steps_of_all_canvases(model):
    seen = []

    class Noted(Progress):
        def report(self, stage, done, total, numbers=None):
            if stage == "Refining":
                seen.append((done, total))

    register(textured(), textured(), model, initial_transform=sitk.AffineTransform(3), refine=2, progress=Noted())
    assert seen == [(k, 3) for k in range(3)]


def test_the_box_is_that_of_the_canvas_for_odd_sizes():
    canvas = centred_grid((0.0, 0.0, 0.0), (48, 48, 32), (2.1, 2.1, 2.9), np.eye(3).ravel())
    fixed = Grid((101, 99, 93), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    for grid in finer_canvases(canvas, fixed):
        assert all(n % 4 == 0 for n in grid.size) and np.allclose(grid.extent, canvas.extent)
        assert min(grid.spacing) > 0.97
