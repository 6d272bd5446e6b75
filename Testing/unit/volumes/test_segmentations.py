"""Segmentations as people have them: one label map, whose segments belong together by name."""

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import sample_pair
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.results import ResultFolder
from regexplain.volumes.images import read_segmentation, resample_segmentation, resample_segmentation_pair
from regexplain.volumes.segmentations import label_map, labels_of, match_labels, names_of

SHAPE = 6, 7, 8


def row(k: int) -> np.ndarray:
    """A slab of its own for each k, (z, y, x) of bool."""
    found = np.zeros(SHAPE, bool)
    found[k, 1:6, 2:7] = True
    return found


def with_header(image: sitk.Image, *segments: dict[str, object]) -> sitk.Image:
    """As Slicer writes it: Segment0_Name, Segment0_LabelValue, Segment0_Layer, … and what is nobody's business."""
    for number, segment in enumerate(segments):
        for key, value in segment.items():
            image.SetMetaData(f"Segment{number}_{key}", str(value))
    image.SetMetaData("PatientName", "Smith^Jane")
    return image


def named(names: dict[str, int], kind=np.uint8) -> sitk.Image:
    """The k-th name's segment is the k-th slab, of that label."""
    values = sum(row(k) * kind(label) for k, label in enumerate(names.values()))
    header = [{"Name": name, "LabelValue": label, "Layer": 0} for name, label in names.items()]
    return with_header(sitk.GetImageFromArray(values.astype(kind)), *header)


def slabs_of(image: sitk.Image) -> dict[int, int]:
    """Which slab each label lies in."""
    values = sitk.GetArrayFromImage(image)
    return {label: int(np.flatnonzero((values == label).any((1, 2)))[0]) for label in labels_of(image)}


# Names ---------------------------------------------------------------------------------------------------------------


@given(
    names=st.permutations(["Left hippocampus", "Right hippocampus", "Brain stem", "Lesion"]), count=st.integers(1, 4)
)
def test_segments_of_the_same_name_get_the_same_number_whatever_their_order(names, count):
    fixed = label_map(named({name: n for n, name in enumerate(sorted(names), 1)}), "fixed")
    moving = label_map(named({name: n for n, name in enumerate(names[:count], 1)}), "moving")
    found, said = match_labels(fixed, moving)
    of_fixed = {name: label for label, name in names_of(fixed).items()}
    for label, slab in slabs_of(found).items():
        assert names_of(found)[label] == names[slab] and of_fixed[names[slab]] == label
    assert (said is None) == (names_of(moving) == names_of(found))


def test_a_segment_of_one_file_only_gets_a_number_that_no_other_has():
    found, said = match_labels(
        label_map(named({"Liver": 1, "Spleen": 2}), "fixed"),
        label_map(named({"Kidney": 1, "spleen ": 3, "Liver": 2}), "moving"),
    )
    assert names_of(found) == {3: "Kidney", 2: "spleen ", 1: "Liver"}
    assert slabs_of(found) == {3: 0, 2: 1, 1: 2}
    assert said == (
        "The segments were matched by name, as their numbers differ between the two files: Liver (1, was 2), Spleen "
        "(2, was 3)."
    )


@pytest.mark.parametrize(
    "names", [{"A": 2, "B": 1}, {"Liver": 1, "liver": 2}], ids=["no common name", "one name twice"]
)
def test_where_names_cannot_tell_the_numbers_do_and_that_is_said(names):
    moving = label_map(named(names), "moving")
    found, said = match_labels(label_map(named({"Liver": 1, "Spleen": 2}), "fixed"), moving)
    assert found is moving and "were matched by number" in said


def test_without_names_nothing_is_said_or_changed():
    plain = sitk.GetImageFromArray((row(1) * 5).astype(np.uint8))
    for pair in ((plain, named({"A": 1})), (named({"A": 1}), plain), (plain, plain)):
        fixed, moving = (label_map(image, "s") for image in pair)
        assert match_labels(fixed, moving) == (moving, None)


def test_the_sample_pair_numbered_the_other_way_round_overlaps_as_it_did(tmp_path):
    """By number the two would hardly touch: Dice 0.017 for 0.900."""
    names = {"anterior": 1, "posterior": 2}, {"anterior": 2, "posterior": 1}
    for role, numbers in zip(("fixed", "moving"), names, strict=True):
        image = sample_pair.image(f"{role}_segmentation")
        swapped = np.array([0, numbers["anterior"], numbers["posterior"]], np.uint8)[sitk.GetArrayFromImage(image)]
        other = sitk.GetImageFromArray(swapped)
        other.CopyInformation(image)
        header = [{"Name": name, "LabelValue": label, "Layer": 0} for name, label in numbers.items()]
        sitk.WriteImage(with_header(other, *header), str(tmp_path / f"{role}.seg.nrrd"))
    arguments = [str(sample_pair.file("fixed")), str(sample_pair.file("moving")), "--output", str(tmp_path / "r")]
    for role in ("fixed", "moving"):
        arguments += [f"--{role}-segmentation", str(tmp_path / f"{role}.seg.nrrd")]
    done = CliRunner().invoke(main, ["register", *arguments, "--model", "hippocampus"])
    assert done.exit_code == 0, done.output
    assert "matched by name" in done.output
    rows = ResultFolder.open(tmp_path / "r").record["segments"]
    assert [(row["label"], row["name"]) for row in rows] == [(1, "anterior"), (2, "posterior")]
    assert [row["dice"]["before"] for row in rows] == pytest.approx([0.490, 0.557], abs=1e-3)
    assert [row["dice"]["after"] for row in rows] == pytest.approx([0.900, 0.876], abs=5e-3)
    report = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "anterior" in report and "Smith" not in report


# Layers and stacks ---------------------------------------------------------------------------------------------------


def in_layers(*layers: np.ndarray, as_4d: bool = False) -> sitk.Image:
    images = [sitk.GetImageFromArray(layer.astype(np.uint8)) for layer in layers]
    return sitk.JoinSeries(images) if as_4d else sitk.Compose(images)


def test_layers_of_slicer_become_one_label_map_with_their_own_labels(tmp_path):
    header = [
        {"Name": "Liver", "LabelValue": 4, "Layer": 0},
        {"Name": "Spleen", "LabelValue": 2, "Layer": 1},
        {"Name": "Tumour", "LabelValue": 7, "Layer": 1},
    ]
    sitk.WriteImage(with_header(in_layers(4 * row(0), 2 * row(1) + 7 * row(2)), *header), str(tmp_path / "l.seg.nrrd"))
    found = read_segmentation(tmp_path / "l.seg.nrrd", sitk.GetImageFromArray(np.zeros(SHAPE)))
    assert slabs_of(found) == {4: 0, 2: 1, 7: 2}
    assert names_of(found) == {4: "Liver", 2: "Spleen", 7: "Tumour"}
    assert not any("Patient" in key for key in found.GetMetaDataKeys())


def test_layers_that_use_one_value_again_are_numbered_by_their_order():
    header = [{"Name": name, "LabelValue": 1, "Layer": n} for n, name in enumerate("ABC")]
    for segments in (header, [{"Name": s["Name"]} for s in header]):  # before 2020 each had a layer, and no numbers
        found = label_map(with_header(in_layers(row(2), row(0), row(1)), *segments), "s")
        assert slabs_of(found) == {1: 2, 2: 0, 3: 1} and names_of(found) == {1: "A", 2: "B", 3: "C"}


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("end", ["nii.gz", "nrrd"])
def test_a_stack_of_masks_becomes_one_label_map_by_their_places(tmp_path, value, end):
    """The second mask is empty; the third is still number 3."""
    stack = in_layers(value * row(0), 0 * row(0), value * row(3), as_4d=True)
    sitk.WriteImage(stack, str(tmp_path / f"masks.{end}"))
    found = read_segmentation(tmp_path / f"masks.{end}", sitk.GetImageFromArray(np.zeros(SHAPE)))
    assert slabs_of(found) == {1: 0, 3: 3}


@pytest.mark.parametrize("as_4d", [True, False])
def test_masks_that_overlap_are_refused(as_4d):
    with pytest.raises(BadInputError, match="The fixed segmentation is not one 3-D label map: its segment .* overlaps"):
        label_map(in_layers(row(0), row(0) | row(1), as_4d=as_4d), "fixed segmentation")


def test_frames_of_a_label_map_are_no_stack_of_masks():
    frames = in_layers(row(0) + 2 * row(1), row(2) + 2 * row(3), as_4d=True)
    with pytest.raises(BadInputError, match="not one 3-D label map"):
        label_map(frames, "segmentation")


# Numbers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.int64, np.float64])
@pytest.mark.parametrize("label", [65_536, 312_782_546, 2**31 - 1])
def test_labels_as_large_as_those_of_atlases_are_kept(tmp_path, kind, label):
    image = sitk.GetImageFromArray((row(1) * label + row(2) * 3).astype(kind))
    found = resample_segmentation(image, image)
    assert labels_of(found) == [3, label] and slabs_of(found) == {3: 2, label: 1}
    sitk.WriteImage(found, str(tmp_path / "s.nii.gz"))
    assert labels_of(sitk.ReadImage(str(tmp_path / "s.nii.gz"))) == [3, label]


def test_a_pair_is_laid_on_its_images_and_numbered_alike():
    image = sitk.GetImageFromArray(np.zeros(SHAPE))
    fixed, moving, said = resample_segmentation_pair(named({"A": 1, "B": 2}), named({"B": 1, "A": 2}), (image, image))
    assert slabs_of(fixed) == {1: 0, 2: 1} and slabs_of(moving) == {2: 0, 1: 1} and said
    assert resample_segmentation_pair(None, named({"A": 1}), (image, image))[0] is None
