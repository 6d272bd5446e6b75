"""What changed between two scans, apart from what moved: planted in a known place, and nothing where only motion is."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import regexplain
from fire_model import head as fire_head
from fire_model import write_fire_model
from regexplain import RegistrationResult, detect_changes
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.report import render_report
from regexplain.results import ResultFolder
from regexplain.transforms.itk import RegistrationTransform, affine_transform
from regexplain.volumes.geometry import Grid
from synthetic_result import make_grid, rotation

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))
FIXED = make_grid((52, 60, 24), (1.0, 1.0, 2.5), rotation(15, 0) @ rotation(-10, 2), (12.0, -20.0, 31.0))
MOVING = make_grid((60, 56, 44), (1.1, 1.2, 1.5), rotation(10, 1), (16.0, -23.0, 36.0))
SHIFT = np.array((4.0, -3.0, 5.0))  # LPS mm, fixed to moving points
VENTRICLE = np.array((9.0, -27.0, 31.0))  # bright, 6 mm in radius, with a sharp border
LESION = np.array((15.0, -14.0, 30.0))  # LPS mm in the fixed image, 3 mm in radius: 0.11 ml


def points(image) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in image.GetSize()[::-1]], indexing="ij")[::-1], -1)
    return Grid.of(image).world(index)


def head(at: np.ndarray, lesion: float = 0.0) -> np.ndarray:
    """A head of 300 with bands of 60 about (12, -20, 31), at (..., 3) points of fixed space."""
    local = at - (12.0, -20.0, 31.0)
    skull = 1 / (1 + np.exp((np.linalg.norm(local / (24, 27, 27), axis=-1) - 1) / 0.03))
    bands = 300 + 60 * np.sin(local[..., 0] / 3) * np.cos(local[..., 1] / 3.5) * np.cos(local[..., 2] / 4)
    bands = bands + 250 / (1 + np.exp((np.linalg.norm(at - VENTRICLE, axis=-1) - 6) / 0.4))
    return skull * (bands + lesion * (np.linalg.norm(at - LESION, axis=-1) < 3))


def result(lesion=0.0, off=(0.0, 0.0, 0.0), gain=1.0, noise=6.0, invert=False, segmentation=None) -> RegistrationResult:
    """lesion: how much brighter it is in the moving scan. off: mm that the registration is wrong by."""
    rng = np.random.default_rng(3)
    first, second = head(points(FIXED)), head(points(MOVING) - SHIFT, lesion) * gain
    if invert:
        second = np.where(second > 100, 700 - second, second)
    images = [
        Grid.of(grid).image((values + rng.normal(0, noise * scale, values.shape)).astype(np.float32))
        for grid, values, scale in ((FIXED, first, 1.0), (MOVING, second, gain))
    ]
    there = affine_transform(np.eye(3), SHIFT + off)
    back = sitk.AffineTransform(there.GetInverse())
    return RegistrationResult(*images, RegistrationTransform(there), RegistrationTransform(back), segmentation)


def test_a_planted_lesion_is_found_where_it_is_and_as_large_as_it_is():
    found = detect_changes(result(lesion=120.0))
    [place] = found.places
    assert place.kind == "brighter" and np.linalg.norm(np.array(place.centre_mm) - LESION) < 1.0
    assert 0.05 < place.volume_ml < 0.16 and place.difference_sd > 2
    values = sitk.GetArrayViewFromImage(found.difference)
    k, j, i = np.unravel_index(values.argmax(), values.shape)
    assert np.linalg.norm(Grid.of(found.difference).world(np.array((i, j, k))) - LESION) < 4


def test_what_became_darker_is_called_darker():
    [place] = detect_changes(result(lesion=-120.0)).places
    assert place.kind == "darker" and np.linalg.norm(np.array(place.centre_mm) - LESION) < 1.0


@pytest.mark.parametrize(
    "options", [{}, {"gain": 3.0}, {"off": (0.7, -0.5, 0.4)}, {"gain": 0.2, "off": (0.0, 0.9, 0.0)}]
)
def test_motion_noise_and_another_scale_are_no_change(options):
    assert detect_changes(result(**options)).places == []


def test_without_allowing_for_misplacement_borders_would_be_taken_for_changes(monkeypatch):
    made = result(off=(0.7, -0.5, 0.4))
    assert detect_changes(made).places == []
    plain = "regexplain.changes._excess"
    monkeypatch.setattr(plain, lambda matched, fixed, off: matched - sitk.GetArrayFromImage(fixed))
    assert len(detect_changes(made).places) > 1


@pytest.mark.parametrize("model", [None, "any-contrast"])
def test_two_contrasts_are_refused_where_no_model_draws_one_from_the_other(model):
    with pytest.raises(BadInputError, match="The two images are of different contrasts"):
        detect_changes(result(invert=True), model=model)


def test_of_two_contrasts_the_fixed_one_is_held_against_what_is_drawn_of_it(monkeypatch):
    from regexplain.torch_backend.inference.synthesis import SynthesisedImage

    rng = np.random.default_rng(5)
    drawn = (head(points(FIXED), -120.0) + rng.normal(0, 6, FIXED.GetSize()[::-1])) / 700
    structures = Grid.of(FIXED).image((np.linalg.norm(points(FIXED) - LESION, axis=-1) < 6).astype(np.uint8))
    drawing = SynthesisedImage(
        Grid.of(FIXED).image(drawn.astype(np.float32)),
        np.ones(drawn.shape, bool),
        "FLAIR",
        (structures, {1: "thalamus"}),
    )
    monkeypatch.setattr("regexplain.changes._synthesised_fixed", lambda *_: drawing)
    found = detect_changes(result(invert=True))
    [place] = found.places
    assert place.kind == "darker" and np.linalg.norm(np.array(place.centre_mm) - LESION) < 1.0
    assert place.place == "thalamus" and found.record["drawn"] == "FLAIR"
    monkeypatch.setattr(
        "regexplain.changes._synthesised_fixed", lambda *_: drawing._replace(inside=drawing.inside & False)
    )
    with pytest.raises(BadInputError, match="Too little tissue"):
        detect_changes(result(invert=True))


def test_what_is_drawn_lies_where_the_registration_puts_the_moving_image(tmp_path):
    from regexplain.cards import registry
    from regexplain.torch_backend.inference.model import Model
    from regexplain.torch_backend.inference.synthesis import synthesise_fixed

    model = Model.load(registry.find_card(str(write_fire_model(tmp_path / "model"))), "cpu", threads=1)
    fixed, moving = fire_head("T1")[0], fire_head("FLAIR")[0]
    there, still = (
        RegistrationTransform(affine_transform(np.eye(3), (3.0, -2.0, 1.0))),
        RegistrationTransform(affine_transform(np.eye(3), np.zeros(3))),
    )
    made = RegistrationResult(fixed, moving, there, still)
    drawing = synthesise_fixed(model, made)
    assert Grid.of(drawing.image) == Grid.of(fixed) and drawing.inside.any() and drawing.contrast in ("T1", "FLAIR")
    again = synthesise_fixed(model, RegistrationResult(fixed, made.warped_moving, still, still))
    assert np.allclose(*(sitk.GetArrayViewFromImage(d.image) for d in (drawing, again)), atol=0.01)  # of whole numbers
    elsewhere = synthesise_fixed(model, RegistrationResult(fixed, moving, still, still))
    assert not np.allclose(*(sitk.GetArrayViewFromImage(d.image) for d in (drawing, elsewhere)), atol=0.1)


def test_an_error_map_says_how_far_off_the_registration_may_be_and_where_nothing_can_be_told(tmp_path):
    made = result(lesion=120.0)
    (tmp_path / "error").mkdir()
    grid = Grid.of(FIXED).subsampled(2)
    for value, count in ((0.8, 1), (0.0, 0)):
        expected = np.where(np.linalg.norm(points(grid.ones()) - LESION, axis=-1) < 8, value, 1.0)
        sitk.WriteImage(grid.image(expected.astype(np.float32)), str(tmp_path / "error/expected.nii.gz"))
        found = detect_changes(made, tmp_path)
        assert found.misplacement == "error map" and len(found.places) == count


def test_changes_are_counted_by_segment_and_named_after_it():
    labels = (np.linalg.norm(points(FIXED) - LESION, axis=-1) < 6).astype(np.uint8)
    found = detect_changes(result(lesion=120.0, segmentation=Grid.of(FIXED).image(labels)))
    assert found.places[0].place == "segment 1"
    assert (
        found.segments[0]["brighter_ml"] == pytest.approx(found.places[0].volume_ml)
        and found.segments[0]["darker_ml"] == 0
    )


def test_the_verb_adds_them_to_the_result_and_its_report(tmp_path):
    made = result(lesion=120.0)
    images = [tmp_path / f"{role}.nii.gz" for role in ("fixed", "moving")]
    for image, path in zip((made.fixed, made.moving), images, strict=True):
        sitk.WriteImage(image, str(path))
    sitk.WriteTransform(made.transform.alignment, str(tmp_path / "t.tfm"))
    run = CliRunner().invoke
    options = [f"--fixed={images[0]}", f"--moving={images[1]}", "--output", str(tmp_path / "r")]
    assert run(main, ["explain-transform", str(tmp_path / "t.tfm"), *options]).exit_code == 0
    done = run(main, ["changes", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    folder = ResultFolder.open(tmp_path / "r")
    jsonschema.validate(folder.record, SCHEMA)
    assert folder.record["changes"]["places"][0]["kind"] == "brighter" and folder.file("changes/difference.nii.gz")
    folder.record["changes"]["drawn"] = "FLAIR"
    jsonschema.validate(folder.record, SCHEMA)
    assert "drawn too bright" in render_report(folder)
    page = (tmp_path / "r/report.html").read_text(encoding="utf-8")
    assert "drawn too bright" not in page
    assert "no detector of disease" in page and '<th scope="row">brighter</th>' in page
