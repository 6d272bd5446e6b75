"""The shipped model on the project's own pair: the same anatomical answer however the scan is stored."""

import numpy as np
import pytest
import SimpleITK as sitk

import sample_pair
from equivalent_scans import (
    REORDERINGS,
    points_in,
    reoriented,
    resampled,
    rotation,
    transform_points,
    with_moved_header,
)
from regexplain import components, register
from regexplain.cards import registry
from regexplain.errors import BadInputError
from regexplain.report.verdict import verdict_record
from regexplain.volumes.geometry import Grid
from regexplain.volumes.intensities import background_value
from regexplain.volumes.segmentations import labels_of

fixed, moving = sample_pair.image("fixed"), sample_pair.image("moving")
fixed_labels, moving_labels = sample_pair.image("fixed_segmentation"), sample_pair.image("moving_segmentation")


@pytest.fixture
def result(sample_result):
    return sample_result


def answer(result, points) -> np.ndarray:
    return transform_points(result.transform.itk(), points)


def moving_box_holds(point) -> bool:
    index = np.array(moving.TransformPhysicalPointToContinuousIndex(point.tolist()))
    return bool((index > -0.5).all() and (index < np.array(moving.GetSize()) - 0.5).all())


def test_the_model_is_chosen_by_itself_and_the_segments_come_closer(result):
    assert result.record["model"]["name"] == "hippocampus"
    assert result.record["kind"] == "deformable"
    assert result.record["dice"]["after"] > result.record["dice"]["aligned"] + 0.1
    assert result.record["jacobian"]["share_folded"] <= 0.001
    assert result.record["warnings"] == []


def test_the_written_transform_alone_makes_the_warped_image(result, tmp_path):
    result.save(tmp_path / "r")
    transform = sitk.ReadTransform(str(tmp_path / "r/transform.h5"))
    warped = sitk.ReadImage(str(tmp_path / "r/warped_moving.nii.gz"))
    alone = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, background_value(moving))
    assert warped.GetPixelID() == moving.GetPixelID()
    assert np.array_equal(sitk.GetArrayViewFromImage(alone), sitk.GetArrayViewFromImage(warped))


def test_the_inverse_transform_leads_back(result):
    points = points_in(fixed, margin=0.25)
    there_and_back = transform_points(result.inverse_transform.itk(), answer(result, points))
    error = np.linalg.norm(there_and_back - points, axis=1)
    assert error.mean() < 0.1
    voxels = np.random.default_rng(0).integers(fixed.GetSize(), size=(2000, 3))
    everywhere = np.array([fixed.TransformIndexToPhysicalPoint(v.tolist()) for v in voxels])
    error = np.linalg.norm(
        transform_points(result.inverse_transform.itk(), answer(result, everywhere)) - everywhere, axis=1
    )
    inside = [moving_box_holds(p) for p in answer(result, everywhere)]
    assert error[inside].mean() == pytest.approx(result.record["inverse_consistency_mm"]["mean"], rel=0.2)


@pytest.mark.slow
def test_an_image_registered_to_itself_does_not_move():
    record = register(fixed, fixed, threads=1).record
    assert record["displacement_mm"]["max"] == 0
    assert record["alignment"]["translation_mm"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("order, flips", REORDERINGS)
def test_storage_order_changes_no_answer(result, order, flips):
    points = points_in(fixed)
    other = register(reoriented(fixed, order, flips), reoriented(moving), threads=1)
    assert np.abs(answer(other, points) - answer(result, points)).max() < 0.01


def test_an_oblique_header_turns_the_answer_with_it(result):
    points = points_in(fixed)
    a, b = rotation(degrees=25), rotation((0, 1, 1), -30)
    other = register(with_moved_header(fixed, a, (10, 0, -5)), with_moved_header(moving, b), threads=1)
    expected = answer(result, points) @ b.T
    assert np.abs(answer(other, points @ a.T + [10, 0, -5]) - expected).max() < 0.01


def test_thick_slices_change_the_answer_by_less_than_a_millimetre(result):
    points = points_in(fixed)
    other = register(resampled(fixed, (0.7, 0.7, 2.0)), moving, model="hippocampus", threads=1)
    error = np.linalg.norm(answer(other, points) - answer(result, points), axis=1)
    assert error.mean() < 0.5
    assert np.percentile(error, 95) < 1.0


def test_pixel_type_and_intensity_scale_change_no_answer(result):
    points = points_in(fixed)
    other = register(sitk.Cast(fixed, sitk.sitkFloat32) * 3 - 1000, sitk.Cast(moving, sitk.sitkFloat64), threads=1)
    assert np.abs(answer(other, points) - answer(result, points)).max() < 0.01


def test_the_same_input_gives_the_same_output(result):
    again = register(fixed, moving, threads=1)
    assert np.array_equal(*[sitk.GetArrayViewFromImage(r.transform.displacement) for r in (result, again)])


def test_a_model_forced_on_what_it_was_not_made_for_warns():
    wide = resampled(fixed, (3.0, 3.0, 3.0))
    record = register(wide, wide + 0, model="hippocampus", threads=1).record
    assert record["model"]["inside_domain"] is False
    assert "was not made for these images" in record["warnings"][0]
    assert "; and 4 more. Do not rely on the result." in record["warnings"][0]


def test_both_images_are_placed_among_the_training_images(result):
    stands = result.record["population"]
    assert [(role, stand["atypical"]) for role, stand in stands.items()] == [("fixed", False), ("moving", False)]
    [component] = components(result, 1, [1.0], threads=1)
    assert component.fixed_sd == pytest.approx(stands["fixed"]["coordinates_sd"][0], abs=1e-3)
    assert component.moving_sd == pytest.approx(stands["moving"]["coordinates_sd"][0], abs=1e-3)


@pytest.mark.ci
@pytest.mark.slow
def test_an_image_that_is_upside_down_is_said_to_be_unlike_the_training_images():
    upside_down = Grid.of(moving).image(sitk.GetArrayFromImage(moving)[::-1])
    assert (register(fixed, upside_down, threads=1).record["model"] or {}).get("name") in (None, "any-contrast")
    record = register(fixed, upside_down, "hippocampus", threads=1).record
    assert [stand["atypical"] for stand in record["population"].values()] == [False, True]
    [warning] = [text for text in record["warnings"] if "unlike the images" in text]
    assert warning.startswith(
        "The moving image is unlike the images that the model hippocampus was trained on: it shows "
    )
    assert "neither turned nor mirrored" in warning
    reason = "does not look like a T1 scan cropped to a hippocampus"
    content = {"model": "hippocampus", "fixed": None, "moving": reason}
    assert record["content"] == content and record["model"]["inside_domain"] is False
    assert f"hippocampus was not made for these images: the moving image {reason}." in record["warnings"][0]
    assert "Content" in verdict_record(record)["because"]


def test_without_a_fitting_model_it_is_affine_and_says_so():
    small = fixed[:12, :12, :12]
    result = register(small, small, threads=1)
    assert result.record["kind"] == "affine"
    assert result.record["model"] is None
    assert "affine registration only" in result.record["warnings"][0]
    assert result.record["population"] is None
    assert result.transform.displacement is None


def test_an_initial_transform_replaces_the_alignment():
    shift = sitk.TranslationTransform(3, (1.5, -2.0, 0.5))
    result = register(fixed, fixed, initial_transform=shift, threads=1)
    assert result.record["alignment"]["kind"] == "given"
    assert result.transform.alignment.GetTranslation() == pytest.approx((1.5, -2.0, 0.5))
    points = points_in(fixed)
    left = np.linalg.norm(answer(result, points) - points, axis=1).mean()
    assert left < np.linalg.norm((1.5, -2.0, 0.5))  # the network takes some of the given error back


def test_a_bending_or_flattening_initial_transform_is_refused():
    flat = sitk.AffineTransform(3)
    flat.SetMatrix((1, 0, 0, 0, 1, 0, 0, 0, 0))
    for bad, words in ((sitk.BSplineTransform(3), "not linear"), (flat, "flattens")):
        with pytest.raises(BadInputError, match=words):
            register(fixed, fixed, initial_transform=bad)


def test_a_label_of_one_segmentation_only_is_warned_about():
    extra = sitk.Paste(fixed_labels, fixed_labels[:2, :2, :2] * 0 + 7, [2, 2, 2], destinationIndex=[0, 0, 0])
    record = register(fixed, moving, fixed_segmentation=extra, moving_segmentation=moving_labels, threads=1).record
    assert record["warnings"] == ["Segment 7 is only in the fixed segmentation."]
    assert [row["label"] for row in record["segments"]] == labels_of(extra)


def test_dice_in_the_record_is_what_the_label_maps_say(result):
    a, b = (sitk.GetArrayViewFromImage(i) == 1 for i in (fixed_labels, result.warped_moving_segmentation))
    expected = 2 * (a & b).sum() / (a.sum() + b.sum())
    assert result.record["segments"][0]["dice"]["after"] == pytest.approx(expected)


def correlation(result) -> float:
    pair = [sitk.GetArrayFromImage(image).ravel() for image in (result.fixed, result.warped_moving)]
    return float(np.corrcoef(pair)[0, 1])


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.parametrize("model", ["hippocampus", "hippocampus-skip"])
def test_refining_makes_the_images_more_alike_and_still_folds_nothing(model):
    plain = register(fixed, moving, model, threads=1)
    refined = register(fixed, moving, model, refine=15, threads=1)
    assert correlation(refined) > correlation(plain) > correlation_aligned()
    assert refined.record["settings"]["refine"] == 15
    assert plain.record["settings"]["refine"] == 0
    assert refined.record["jacobian"]["share_folded"] <= 0.001
    assert refined.record["inverse_consistency_mm"]["mean"] < 0.25


def correlation_aligned() -> float:
    aligned = sitk.Resample(moving, fixed)
    return float(np.corrcoef(*[sitk.GetArrayFromImage(image).ravel() for image in (fixed, aligned)])[0, 1])


def test_fewer_than_no_refining_steps_are_refused():
    with pytest.raises(BadInputError, match="negative"):
        register(fixed, moving, refine=-1)


@pytest.mark.slow
def test_none_is_affine_only_and_asks_no_model():
    record = register(fixed, moving, "none", threads=1).record
    assert record["kind"] == "affine" and record["model"] is None and "not_kept" not in record
    assert not any("No installed model fits" in text for text in record["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "kind"), [("auto", "affine"), ("hippocampus", "deformable")])
def test_an_answer_that_is_worse_than_the_alignment_is_dropped_by_auto_and_said_of_a_named_model(
    model, kind, monkeypatch
):
    from regexplain.torch_backend.inference import prediction

    real = prediction.predict

    def worse(model, fixed, moving, linear, *rest):
        found = real(model, fixed, moving, linear)
        vectors = sitk.GetArrayFromImage(found.displacement) * 0
        vectors[..., 0] = np.linspace(-12, 12, vectors.shape[0])[:, None, None]
        wrong = Grid.of(found.displacement).image(vectors, vector=True)
        return found._replace(displacement=wrong, inverse=wrong)

    monkeypatch.setattr(prediction, "predict", worse)
    result = register(fixed, moving, model, threads=1)
    assert result.record["kind"] == kind
    assert any("less alike than after the alignment alone" in text for text in result.record["warnings"])
    if kind == "affine":
        assert result.record["model"] is None and result.transform.displacement is None
        assert result.record["not_kept"] == "any-contrast"  # asked last
    else:
        assert result.record["model"]["better"] is False and "not_kept" not in result.record


def test_the_models_own_answer_is_kept(result):
    assert result.record["model"]["better"] is True


@pytest.mark.slow
def test_what_lies_outside_the_moving_scan_is_its_background():
    ct = sitk.Cast(moving, sitk.sitkInt16) - 1024
    small = ct[:, :20, :]
    warped = sitk.GetArrayFromImage(register(ct, small, "none", threads=1).warped_moving)
    assert warped.min() == sitk.GetArrayViewFromImage(small).min() and not (warped == 0).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of", "words"),
    [
        (lambda values: (values > np.median(values)).astype(np.uint8), "is a mask or a label map"),
        (lambda values: np.where(values < np.median(values), -1000, values).astype(np.int16), "has air at −1000"),
        (lambda values: values.max() - values, "does not look like a T1 scan cropped to a hippocampus"),
    ],
)
def test_auto_takes_no_model_for_what_it_was_not_made_for(of, words, monkeypatch):
    special = [card for card in registry.installed_cards() if not card.canvas_fits_pair]
    monkeypatch.setattr(registry, "installed_cards", lambda: special)
    other = Grid.of(moving).image(of(sitk.GetArrayFromImage(moving)))
    record = register(fixed, other, threads=1).record
    assert record["model"] is None
    assert f"the moving image {words}" in next(text for text in record["warnings"] if "No installed model" in text)


@pytest.mark.ci
@pytest.mark.slow
def test_the_chest_pair_is_registered_by_the_general_model():
    folder = sample_pair.FOLDER / "chest"
    images, labels = (
        [sitk.ReadImage(str(folder / f"{role}{name}.nii.gz")) for role in ("fixed", "moving")]
        for name in ("", "_segmentation")
    )
    identity = sitk.AffineTransform(3)  # as their headers say
    named = {"fixed_segmentation": labels[0], "moving_segmentation": labels[1]}
    record = register(*images, initial_transform=identity, threads=1, **named).record
    assert record["model"]["name"] == "any-contrast" and record["jacobian"]["share_folded"] == 0
    assert record["dice"]["after"] > record["dice"]["aligned"] + 0.02


@pytest.mark.ci
@pytest.mark.slow
def test_auto_takes_the_general_model_for_what_no_other_was_made_for():
    """A contrast that no model knows, moved by a known smooth motion of 2 mm: it is found, and said which model did."""
    array = sitk.GetArrayFromImage(fixed).astype(float)
    other = Grid.of(fixed).image(array.max() - array)
    bend = Grid.of(fixed).image(np.zeros((*array.shape, 3)), vector=True)
    values = sitk.GetArrayFromImage(bend)
    values[..., 1] = 2 * np.sin(np.linspace(0, 2 * np.pi, array.shape[2]))
    warp = sitk.DisplacementFieldTransform(Grid.of(fixed).image(values, vector=True))
    warped = Grid.of(fixed).resample(other, warp, outside=float(array.max()))
    result = register(fixed, warped, threads=1)
    assert result.record["model"]["name"] == "any-contrast" and result.record["model"]["chosen"] == "auto"
    assert result.record["jacobian"]["share_folded"] == 0
    points = points_in(fixed)
    left = np.linalg.norm(transform_points(warp, answer(result, points)) - points, axis=1).mean()
    before = np.linalg.norm(transform_points(warp, points) - points, axis=1).mean()
    assert left < 0.6 * before, (left, before)
