"""Transforms made elsewhere: the same map, told in true words, whatever wrote them and wherever the scan lies."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import regexplain
import sample_pair
from equivalent_scans import points_in, transform_points
from regexplain import RegistrationResult, explain_transform, trust
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.report import render_report
from regexplain.results import ResultFolder
from regexplain.transforms.files import read_transforms
from regexplain.transforms.itk import affine_transform, to_displacement_field
from regexplain.volumes.geometry import Grid
from synthetic_result import BUMP_OFFSET, SEGMENT_CENTRES, grid_centre, grid_points, write_synthetic_result
from synthetic_result import rotation as turn_about

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))
IMAGES = ("fixed", "moving", "fixed_segmentation", "moving_segmentation")
LEFT = np.array([1.0, 0.0, 0.0])


@pytest.fixture(scope="module", params=["plain", "oblique"])
def truth(request, tmp_path_factory):
    """A pair and its transform by formula; the oblique one is also anisotropic, flipped and stored sagittally."""
    folder = tmp_path_factory.mktemp(request.param) / "made"
    return write_synthetic_result(folder, grid=request.param, heatmaps=False, components=0)


def image(truth, name: str) -> sitk.Image:
    return sitk.ReadImage(str(truth.folder / f"{name}.nii.gz"))


def explained(truth, transform, segmentations: bool = False, **more) -> RegistrationResult:
    fixed, moving, *labels = (image(truth, name) for name in IMAGES)
    named = {"fixed_segmentation": labels[0], "moving_segmentation": labels[1]} if segmentations else {}
    return explain_transform(transform, fixed, moving, **named, **more)


@pytest.fixture(scope="module")
def whole(truth):
    """The pair's own transform, explained."""
    return explained(truth, sitk.ReadTransform(str(truth.folder / "transform.h5")), segmentations=True)


def about(truth, matrix=None, shift=(0.0, 0.0, 0.0)) -> sitk.AffineTransform:
    """An affine about the fixed image's centre."""
    matrix = np.eye(3) if matrix is None else matrix
    return affine_transform(matrix, truth.centre + shift - matrix @ truth.centre)


def as_field(transform: sitk.Transform, truth, margin: int = 4) -> sitk.Image:
    """The transform as a displacement field some voxels larger than the fixed image."""
    padded = sitk.ConstantPad(truth.fixed, [margin] * 3, [margin] * 3)
    return to_displacement_field(transform, Grid.of(padded))


def spline(truth) -> sitk.BSplineTransform:
    transform = sitk.BSplineTransformInitializer(truth.fixed, [3, 3, 3])
    transform.SetParameters(np.random.default_rng(3).normal(0, 1.0, len(transform.GetParameters())).tolist())
    return transform


# The map -------------------------------------------------------------------------------------------------------------


def voxels(truth) -> np.ndarray:
    index = np.random.default_rng(0).integers(1, np.array(truth.fixed.GetSize()) - 1, (200, 3))
    return Grid.of(truth.fixed).world(index)


@pytest.mark.parametrize("kind", ["composite", "field", "B-spline", "affine and B-spline", "affine"])
def test_the_result_is_the_very_map_that_was_given(truth, kind):
    composite = sitk.ReadTransform(str(truth.folder / "transform.h5"))
    given = {
        "composite": composite,
        "field": as_field(composite, truth),
        "B-spline": spline(truth),
        "affine and B-spline": sitk.CompositeTransform([about(truth, turn_about(9, 1), (2, 3, -1)), spline(truth)]),
        "affine": about(truth, turn_about(12, 0) @ np.diag((1.1, 1.0, 0.9)), (1, -2, 3)),
    }[kind]
    points = voxels(truth)
    found = transform_points(explained(truth, given).transform.itk(), points)
    given = sitk.DisplacementFieldTransform(sitk.Image(given)) if kind == "field" else given
    assert np.abs(found - transform_points(given, points)).max() < 1e-6


def test_the_synthetic_truth_comes_out(truth, whole):
    """Half a voxel, a flipped axis or another order of the parts would be more than a millimetre."""
    points = voxels(truth)
    assert np.abs(transform_points(whole.transform.itk(), points) - truth.moving_points(points)).max() < 1e-5
    assert whole.record["dice"]["after"] > 0.9 > whole.record["dice"]["before"] + 0.1


def test_the_inverse_leads_back(truth, whole):
    there = points_in(truth.fixed, margin=0.25)
    back = transform_points(whole.inverse_transform.itk(), truth.moving_points(there))
    assert np.abs(back - there).max() < 0.3  # interpolated between voxels of up to 2.5 mm
    assert whole.record["inverse_consistency_mm"]["p95"] < 0.1


# The words -----------------------------------------------------------------------------------------------------------


def test_a_field_that_only_turns_and_shifts_is_an_affine_motion_and_bends_nothing(truth):
    rigid = about(truth, turn_about(6, 2), (0.0, 0.0, 3.0))
    record = explained(truth, as_field(rigid, truth)).record
    assert record["kind"] == "deformable"
    assert record["displacement_mm"]["max"] < 1e-6
    assert record["alignment"]["rotation_deg"] == pytest.approx(6, abs=1e-6)
    assert record["transform"]["kinds"]["rotation"] == "turns anterior towards left by 6.0°"
    assert record["transform"]["kinds"]["bending"] is None
    assert record["transform"]["motion"]["translation_mm"][2] == pytest.approx(3, abs=1e-6)


def test_a_linear_transform_is_kept_as_it_is_and_deforms_nothing(truth):
    shift = about(truth, shift=3 * LEFT)
    result = explained(truth, shift, segmentations=True)
    assert result.record["kind"] == "affine" and result.transform.displacement is None
    assert result.record["alignment"]["kind"] == "given"
    record = result.record["transform"]
    assert (record["name"], record["parts"]) == ("moves 3.0 mm towards left", ["affine"])
    assert record["moved_mm"] == pytest.approx({"mean": 3, "p95": 3, "max": 3})
    assert [row["moved_mm"]["mean"] for row in record["segments"]] == pytest.approx([3, 3])


def test_a_bump_of_one_segment_is_told_of_that_segment_and_not_of_the_head(truth, whole):
    """The head is only aligned; what bends it is a bump of 5 mm towards left and posterior about segment 1."""
    first, second = whole.record["transform"]["segments"]
    assert first["rest"]["motion"]["rms_mm"] > 2 * second["rest"]["motion"]["rms_mm"]
    expected = truth.displacement(truth.centre + np.array([SEGMENT_CENTRES[1], BUMP_OFFSET]))
    found = np.array(first["rest"]["motion"]["translation_mm"])
    assert found @ expected[0] / np.linalg.norm(found) / np.linalg.norm(expected[0]) > 0.95
    assert 2 < np.linalg.norm(found) < 5
    inside = sitk.GetArrayFromImage(image(truth, "fixed_segmentation")) == 1
    middle = grid_points(truth.fixed)[inside.ravel()].mean(0)
    assert first["rest"]["motion"]["centroid_mm"] == pytest.approx(middle, abs=1e-3)


def test_lengths_and_dice_of_each_segment_are_measured(truth):
    """4 mm to the left everywhere but in air: nothing bends, and the segments lie 4 mm off where they were."""
    result = explained(truth, as_field(about(truth, shift=4 * LEFT), truth), segmentations=True)
    for row, record in zip(result.record["segments"], result.record["transform"]["segments"], strict=True):
        assert row["displacement_mm"]["max"] < 1e-6
        assert record["moved_mm"]["mean"] == pytest.approx(4)
        assert set(row["dice"]) == {"before", "aligned", "after"}


def test_volumes_of_each_segment_are_measured(truth):
    """Tissue that is 1.1 × 1.2 × 1 as large in the moving image has a determinant of 1.32."""
    larger = about(truth, np.diag((1.1, 1.2, 1.0)))
    for row in explained(truth, as_field(larger, truth), segmentations=True).record["segments"]:
        assert row["jacobian"] == pytest.approx({"mean": 1.32, "min": 1.32, "share_folded": 0}, abs=1e-6)


def test_the_report_begins_with_what_moved_and_says_how_the_inverse_came(truth, tmp_path):
    shift = about(truth, shift=3 * LEFT)
    text = render_report(explained(truth, as_field(shift, truth), True).save(tmp_path / "r"))
    assert "<h1>From the fixed to the moving image, tissue mainly moves 3.0 mm towards left.</h1>" in text
    assert "What the transform does" in text and "found numerically" in text
    assert "none: a transform made elsewhere" in text


def test_the_report_of_a_transform_speaks_of_no_alignment_and_of_no_registration(truth, tmp_path):
    text = " ".join(render_report(explained(truth, spline(truth), True).save(tmp_path / "bent")).split())
    assert "Moving (is deformed)" in text and "after the nearest affine motion alone" in text
    assert "beyond the nearest affine motion" in text and "the alignment" not in text


def test_the_report_of_a_linear_transform_says_that_nothing_is_deformed(truth, tmp_path):
    result = explained(truth, about(truth, shift=3 * LEFT), True)
    text = " ".join(render_report(result.save(tmp_path / "linear")).split())
    assert "Moving (is aligned)" in text and "is deformed" not in text and "the alignment" not in text
    assert "affine registration" not in text and "The transform is affine" in text


def test_no_transform_made_elsewhere_is_taken_for_a_registration_that_found_no_model(truth):
    with pytest.raises(BadInputError, match="This transform was made elsewhere"):
        trust(explained(truth, about(truth, shift=3 * LEFT)))


# Files ---------------------------------------------------------------------------------------------------------------


def nifti_warp(vector, intent: int = 1007, dimensions=(5, 8, 8, 8, 1, 3, 1, 1), name: bytes = b"") -> bytes:
    """A constant warp as ANTs stores it, 5-D with the intent vector, written without ITK."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *dimensions)
    struct.pack_into("<hhh", header, 68, intent, 16, 32)
    struct.pack_into("<9f", header, 76, *[1.0] * 8, 352.0)
    struct.pack_into("<h", header, 254, 1)
    for row in range(3):
        struct.pack_into("<4f", header, 280 + 16 * row, *np.eye(4)[row])
    header[328 : 328 + len(name)] = name
    header[344:348] = b"n+1\0"
    shape = [n for n in dimensions[1 : dimensions[0] + 1]]
    values = np.broadcast_to(np.reshape(vector, (-1, *[1] * 4)), (shape[-1], 1, *shape[2::-1]))
    return bytes(header) + values.astype("<f4").tobytes()


def test_an_ants_warp_keeps_its_directions(tmp_path):
    """ANTs stores LPS vectors whatever NIfTI says of its axes. This grid's voxel (4, 4, 4) lies at RAS (4, 4, 4)."""
    (tmp_path / "1Warp.nii").write_bytes(nifti_warp([1.0, 2.0, 3.0]))
    found = read_transforms([tmp_path / "1Warp.nii"]).TransformPoint((-4.0, -4.0, 4.0))
    assert found == pytest.approx((-3, -2, 7))


def test_of_several_files_a_fixed_point_goes_through_the_first_one_first(tmp_path):
    (tmp_path / "1Warp.nii").write_bytes(nifti_warp([1.0, 0.0, 0.0]))
    sitk.WriteTransform(affine_transform(np.diag((2.0, 1, 1)), np.zeros(3)), str(tmp_path / "0GenericAffine.mat"))
    given = read_transforms([tmp_path / "1Warp.nii", tmp_path / "0GenericAffine.mat"])
    assert given.TransformPoint((-4.0, -4.0, 4.0)) == pytest.approx((-6, -4, 4))


@pytest.mark.parametrize("name", ["t.h5", "t.tfm", "t.txt", "t.nii.gz", "t.nrrd", "t.mha"])
def test_every_kind_of_file_gives_the_same_map(truth, tmp_path, name):
    given = as_field(sitk.ReadTransform(str(truth.folder / "transform.h5")), truth)
    path = str(tmp_path / name)
    if name.endswith((".h5", ".tfm", ".txt")):
        sitk.WriteTransform(sitk.DisplacementFieldTransform(sitk.Image(given)), path)
    else:
        sitk.WriteImage(given, path)
    points = voxels(truth)
    assert np.abs(transform_points(read_transforms([path]), points) - truth.moving_points(points)).max() < 1e-3


BAD_FILES = {
    "scan.nii.gz": (None, "is an image, but no displacement field"),
    "plane.h5": (None, "2-D transform; a 3-D one is needed"),
    "none.h5": (None, "There is no transform file"),
    "text.tfm": (b"turn it a bit to the left", "not a transform that ITK reads"),
    "TransformParameters.0.txt": (b'(Transform "BSplineTransform")\n', "truncated or damaged"),
    "slicer.tfm": (
        b"#Insight Transform File V1.0\nTransform: InverseDisplacementFieldTransform_double_3_3\n",
        "Slicer",
    ),
    "nan.nii": (nifti_warp([1.0, np.nan, 0.0]), "voxels that are NaN or infinite"),
    "niftyreg.nii": (nifti_warp([1.0, 1.0, 1.0], name=b"NREG_TRANS"), "written by NiftyReg"),
    "no-intent.nii": (nifti_warp([1.0, 1.0, 1.0], intent=0), "is an image, but no displacement field"),
    "plane.nii": (nifti_warp([1.0, 1.0], dimensions=(5, 8, 8, 1, 1, 2, 1, 1)), "is an image, but no displacement"),
    "cut.nii": (nifti_warp([1.0, 2.0, 3.0])[:-500], "truncated or damaged"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_is_no_transform_is_refused_in_one_sentence(tmp_path, name):
    content, words = BAD_FILES[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "scan.nii.gz":
        sitk.WriteImage(sample_pair.image("fixed"), str(path))
    elif name == "plane.h5":
        sitk.WriteTransform(sitk.AffineTransform(2), str(path))
    with pytest.raises(BadInputError, match=words) as refused:
        read_transforms([path])
    assert str(tmp_path / "x")[:-1] not in str(refused.value) or name == "none.h5"


# Transforms that cannot be, or should not be relied on ---------------------------------------------------------------


def warnings_of(result: RegistrationResult, words: str) -> list[str]:
    return [warning for warning in result.record["warnings"] if words in warning]


def test_nan_in_a_transform_is_refused(truth):
    field = as_field(about(truth, shift=LEFT), truth)
    field[5, 6, 7] = (float("nan"), 0.0, 0.0)
    with pytest.raises(BadInputError, match=r"NaN or infinite at \d voxels"):
        explained(truth, field)


def test_a_transform_that_flattens_is_refused(truth):
    flat = about(truth, np.diag((1.0, 1.0, 0.0)))
    for given in (flat, as_field(flat, truth)):
        with pytest.raises(BadInputError, match="flattens space"):
            explained(truth, given)


def test_another_number_of_dimensions_is_refused(truth):
    for given in (sitk.AffineTransform(2), sitk.Image([4, 4, 4], sitk.sitkVectorFloat32, 2)):
        with pytest.raises(BadInputError, match="3-D one is needed|three dimensions"):
            explained(truth, given)


def test_a_transform_that_misses_the_moving_image_is_refused(truth):
    with pytest.raises(BadInputError, match="no point of the fixed image into the moving one"):
        explained(truth, about(truth, shift=(500.0, 0, 0)))


def test_what_a_field_does_not_reach_is_warned_of_and_does_not_change_the_words(truth):
    """Half of the head lies beyond the field, and the field moves all it reaches by 3 mm."""
    shift, size = about(truth, shift=3 * LEFT), list(truth.fixed.GetSize())
    size[0] //= 2
    half = to_displacement_field(shift, Grid.of(sitk.RegionOfInterest(truth.fixed, size)))
    result = explained(truth, half)
    assert 0.4 < result.record["transform"]["covered"] < 0.6
    assert result.record["transform"]["name"] == "moves 3.0 mm towards left"
    [warning] = warnings_of(result, "does not reach")
    assert f"{100 * (1 - result.record['transform']['covered']):.1f} %" in warning
    assert not warnings_of(explained(truth, as_field(shift, truth, margin=0)), "does not reach")


def test_the_way_to_a_field_counts_for_what_it_reaches(truth):
    """Behind a shift of 200 mm to the left and half a turn, the field has to lie 200 mm to the right."""
    there, turn = about(truth, shift=200 * LEFT), about(truth, turn_about(180, 2))
    back = [about(truth, shift=LEFT), there.GetInverse(), turn.GetInverse()]
    far = as_field(about(truth), truth, margin=25)
    far.SetOrigin(np.subtract(far.GetOrigin(), 200 * LEFT).tolist())
    field = sitk.DisplacementFieldTransform(far)
    assert explained(truth, sitk.CompositeTransform([*back, field, turn, there])).record["transform"]["covered"] == 1
    with pytest.raises(BadInputError, match="lies elsewhere"):
        explained(truth, sitk.CompositeTransform([*back, turn, there, field]))


@pytest.mark.slow
def test_a_b_spline_reaches_as_far_as_its_control_points(truth):
    size = list(truth.fixed.GetSize())
    size[2] //= 2
    part = sitk.BSplineTransformInitializer(sitk.RegionOfInterest(truth.fixed, size), [3, 3, 3])
    assert 0.3 < explained(truth, part).record["transform"]["covered"] < 0.7
    assert explained(truth, spline(truth)).record["transform"]["covered"] == 1


def test_a_transform_given_the_wrong_way_round_is_noticed_by_its_segments(truth):
    right = about(truth, shift=(6.0, 0, 0))
    moved = Grid.of(truth.fixed).resample(image(truth, "fixed"), right.GetInverse())
    labels = image(truth, "fixed_segmentation")
    moved_labels = Grid.of(truth.fixed).resample(labels, right.GetInverse(), nearest=True)
    both = {"fixed_segmentation": labels, "moving_segmentation": moved_labels}
    wrong = explain_transform(right.GetInverse(), image(truth, "fixed"), moved, **both)
    assert warnings_of(wrong, "it may be the inverse")
    for fine in (right, sitk.Transform(3, sitk.sitkIdentity)):
        assert not warnings_of(explain_transform(fine, image(truth, "fixed"), moved, **both), "it may be the inverse")


def test_a_mirror_is_refused_and_half_a_turn_is_not(truth):
    with pytest.raises(BadInputError, match="mirrors the image"):
        explained(truth, about(truth, np.diag((-1.0, 1, 1))))
    record = explained(truth, about(truth, np.diag((-1.0, -1, 1)))).record["transform"]
    assert np.abs(record["motion"]["rotation_vector_deg"]) == pytest.approx([0, 0, 180], abs=1e-6)


# The folder ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["deformable", "affine"])
@pytest.mark.parametrize("segmentations", [True, False])
def test_the_folder_is_one_that_register_could_have_written(truth, tmp_path, kind, segmentations):
    shift = about(truth, turn_about(5, 0), LEFT)
    result = explained(truth, shift if kind == "affine" else as_field(shift, truth), segmentations)
    folder = result.save(tmp_path / "r")
    jsonschema.validate(folder.record, SCHEMA)
    assert (folder.record["kind"], folder.record["model"]) == (kind, None)
    again = RegistrationResult.load(tmp_path / "r")
    points = voxels(truth)
    assert np.allclose(transform_points(again.transform.itk(), points), transform_points(shift, points), atol=1e-5)
    with pytest.raises(BadInputError, match="no network"):
        regexplain.explain(again)


WITHOUT_TORCH = """
import sys
for name in ("torch", "sklearn", "scipy", "safetensors", "vtk", "slicer"): sys.modules[name] = None
sys.argv = ["regexplain", *sys.argv[1:]]
from regexplain.cli import main
main()
"""


@pytest.mark.slow
def test_the_command_needs_no_torch_keeps_no_names_and_reports_as_a_program_expects(tmp_path):
    """A file may be called after a patient."""
    fixed, moving = sample_pair.image("fixed"), sample_pair.image("moving")
    warp = tmp_path / "Smith^Jane 1Warp.nii.gz"
    shift = affine_transform(np.eye(3), Grid.of(moving).centre - Grid.of(fixed).centre)
    sitk.WriteImage(to_displacement_field(shift, Grid.of(fixed)), str(warp))
    command = [sys.executable, "-c", WITHOUT_TORCH, "explain-transform", str(warp), "--output", str(tmp_path / "r")]
    for name in IMAGES:
        command += [f"--{name.replace('_', '-')}", str(sample_pair.file(name))]
    done = subprocess.run(
        [*command, "--progress", "json"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(regexplain.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1] == {"event": "finished", "result": str(tmp_path / "r")}
    assert {event["event"] for event in events[:-1]} == {"progress"}
    texts = [(tmp_path / "r" / name).read_text(encoding="utf-8") for name in ("result.json", "report.html")]
    assert not any("Smith" in text or str(tmp_path) in text for text in texts)
    assert ResultFolder.open(tmp_path / "r").record["dice"]["after"] > 0


def test_a_bad_file_ends_the_command_with_2_and_leaves_nothing(tmp_path):
    pair = ["--fixed", str(sample_pair.file("fixed")), "--moving", str(sample_pair.file("moving"))]
    arguments = ["explain-transform", str(tmp_path / "none.h5"), *pair, "--output", str(tmp_path / "r")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2 and "There is no transform file" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["B-spline", "field", "affine"])
def test_a_large_pair_gives_the_same_slab_by_slab_but_for_a_coarser_inverse(truth, monkeypatch, kind):
    """A slice at a time, the inverse at every other voxel; a last one, where that ends before the image does."""
    given = {
        "B-spline": spline(truth),
        "field": as_field(sitk.ReadTransform(str(truth.folder / "transform.h5")), truth),
        "affine": about(truth, turn_about(12, 0), (1, -2, 3)),
    }[kind]
    once = explained(truth, given, segmentations=True)
    monkeypatch.setattr("regexplain.volumes.geometry.SLAB_VOXELS", 1)
    monkeypatch.setattr("regexplain.transform_explanation.INVERSE_VOXELS", np.prod(truth.fixed.GetSize()) // 8 + 500)
    again = explained(truth, given, segmentations=True)
    points = voxels(truth)
    assert np.allclose(
        transform_points(once.transform.itk(), points), transform_points(again.transform.itk(), points), atol=1e-6
    )
    for key in ("segments", "displacement_mm", "jacobian", "dice"):
        assert again.record[key] == once.record[key]
    record = [[row["moved_mm"] for row in result.record["transform"]["segments"]] for result in (once, again)]
    assert record[0] == record[1]
    there_and_back = (result.record["inverse_consistency_mm"]["p95"] for result in (once, again))
    assert max(there_and_back) < 0.15
    if kind != "affine":
        grid, coarse = Grid.of(image(truth, "moving")), Grid.of(again.inverse_transform.displacement)
        assert 6 * np.prod(coarse.size) < np.prod(grid.size)
        assert all(edge >= -1e-6 for edge in (coarse.extent - coarse.spacing) - (grid.extent - grid.spacing))


def test_the_python_entry_takes_a_field_as_an_image(truth):
    centre = grid_centre(truth.fixed)
    result = regexplain.explain_transform(
        as_field(about(truth, shift=2 * LEFT), truth), image(truth, "fixed"), image(truth, "moving")
    )
    moved = np.array(result.transform.itk().TransformPoint(centre.tolist())) - centre
    assert moved == pytest.approx(2 * LEFT, abs=1e-6)
