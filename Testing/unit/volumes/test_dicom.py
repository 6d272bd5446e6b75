"""A folder of DICOM is read as its slices' headers say, or refused in a sentence that says what is wrong."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, generate_uid

import sample_pair
from dicom_files import ORIGIN, SIZE, SPACING, header, set_pixels, slice_positions, values, write_frames, write_series
from equivalent_scans import rotation
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.volumes.geometry import Grid
from regexplain.volumes.images import read_volume

SLICES = SIZE[0]
few = settings(max_examples=15)  # each writes a folder


def read(path: Path, series=None) -> tuple[sitk.Image, list[str]]:
    warnings: list[str] = []
    return read_volume(path, "fixed image", series, warnings.append), warnings


def refused(path: Path, words: str, series=None) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        read(path, series)
    assert "\n" not in str(caught.value)


def assert_is(image: sitk.Image, pixels: np.ndarray, positions=None, axes=None, spacing=SPACING, within=1e-3) -> None:
    """Every voxel at the place that the headers give it, mm."""
    axes = np.eye(3) if axes is None else axes
    positions = slice_positions(len(pixels), axes) if positions is None else positions
    assert np.array_equal(sitk.GetArrayFromImage(image), pixels)
    z, y, x = np.indices(pixels.shape)
    truth = np.asarray(positions)[z] + x[..., None] * spacing[0] * axes[:, 0] + y[..., None] * spacing[1] * axes[:, 1]
    assert np.abs(Grid.of(image).world(np.stack([x, y, z], -1)) - truth).max() < within


# Regular series ----------------------------------------------------------------------------------------------------


@few
@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 0.1),
    degrees=st.floats(0, 180),
    step=st.floats(0.3, 8),
    order=st.permutations(range(SLICES)),
)
def test_oblique_series_in_any_order_lie_where_their_headers_say(tmp_path_factory, axis, degrees, step, order):
    folder, axes, order = tmp_path_factory.mktemp("series"), rotation(axis, degrees), list(order)
    write_series(folder, values()[order], slice_positions(axes=axes, step=step)[order], axes)
    image, warnings = read(folder)
    assert_is(image, values(), slice_positions(axes=axes, step=step), axes)
    assert warnings == [] and image.GetMetaDataKeys() == ()


def test_headers_that_are_rounded_to_a_tenth_of_a_millimetre_are_no_gaps(tmp_path):
    axes = rotation((1, 2, 0.5), 17)
    positions = slice_positions(SLICES, axes, 0.7)
    write_series(tmp_path, values(), np.round(positions, 1), np.round(axes, 4))
    image, _ = read(tmp_path)
    assert np.abs(Grid.of(image).world([[0, 0, n] for n in range(SLICES)]) - positions).max() < 0.1


@pytest.mark.parametrize("whole", [True, False])
def test_each_slice_has_its_own_slope_and_offset(tmp_path, whole):
    """The first one's whole numbers once decided that all are."""
    slopes = [1, 2, 3, 4, 5] if whole else [1, 7e-5, 8e-5, 0.25, 0.3]
    scaled = {"RescaleIntercept": "-4" if whole else "-0.5"}
    write_series(tmp_path, values(), slice_positions(), each=lambda n: {"RescaleSlope": str(slopes[n])} | scaled)
    image, _ = read(tmp_path)
    truth = values() * np.array(slopes)[:, None, None] + float(scaled["RescaleIntercept"])
    assert np.allclose(sitk.GetArrayFromImage(image), truth, rtol=1e-6, atol=1e-6)
    assert ("float" in image.GetPixelIDTypeAsString()) != whole


def test_frames_out_of_order_with_slopes_of_their_own_are_put_in_order(tmp_path):
    order, scalings = [3, 0, 4, 1, 2], np.array([[0.5, 0], [1, 0], [0.25, 3], [2, -1], [1, 1]])
    write_frames(tmp_path / "e.dcm", values()[order], slice_positions()[order], scalings[order])
    for path in (tmp_path, tmp_path / "e.dcm"):
        image, _ = read(path)
        assert_is(image, (values() * scalings[:, :1, None] + scalings[:, 1:, None]).astype(np.float32))


def test_the_only_series_of_a_disc_is_found_below_its_top(tmp_path):
    write_series(tmp_path / "DICOM" / "PA000001" / "SE000001", values(), slice_positions())
    header("1.2.840.10008.1.3.10").save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    (tmp_path / "README.TXT").write_text("Viewer for Windows")
    assert_is(read(tmp_path)[0], values())


def test_what_is_no_slice_beside_a_series_is_passed_over(tmp_path):
    write_series(tmp_path, values(), slice_positions())
    uid = generate_uid()
    header("1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", SeriesInstanceUID=uid).save_as(tmp_path / "report")
    header("1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", SeriesInstanceUID=uid).save_as(tmp_path / "rs")
    capture = header("1.2.840.10008.5.1.4.1.1.7", Modality="OT", SeriesInstanceUID=generate_uid())
    set_pixels(capture, values()[0])
    capture.save_as(tmp_path / "capture.dcm", enforce_file_format=True)
    (tmp_path / "empty").write_bytes(b"")
    header("1.2.840.10008.1.3.10", DirectoryRecordSequence=[]).save_as(tmp_path / "DICOMDIR")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    image, warnings = read(tmp_path)
    assert_is(image, values())
    assert warnings == []


def test_a_file_that_breaks_off_in_its_header_is_said(tmp_path):
    """One at the end leaves no gap."""
    write_series(tmp_path, values(), slice_positions())
    last = max(tmp_path.iterdir(), key=lambda file: pydicom.dcmread(file).InstanceNumber)
    last.write_bytes(last.read_bytes()[:420])
    image, warnings = read(tmp_path)
    assert_is(image, values()[:-1])
    assert (
        len(warnings) == 1 and f"1 files of the fixed image are damaged and were left out ({last.name}" in warnings[0]
    )


def test_a_slice_that_was_copied_twice_counts_once(tmp_path):
    write_series(tmp_path, values(), slice_positions())
    file = next(tmp_path.iterdir())
    (tmp_path / "copy of it").write_bytes(file.read_bytes())
    assert_is(read(tmp_path)[0], values())


def test_a_scout_in_the_series_is_left_out_and_said(tmp_path):
    uid = {"SeriesInstanceUID": generate_uid()}
    write_series(tmp_path, values(), slice_positions(), **uid)
    write_series(tmp_path, values()[:1], slice_positions()[:1], rotation((0, 1, 0), 90), first=99, **uid)
    image, warnings = read(tmp_path)
    assert_is(image, values())
    assert len(warnings) == 1 and "1 images of the series of the fixed image do not lie parallel" in warnings[0]


# What is no regular volume -----------------------------------------------------------------------------------------


@few
@given(missing=st.integers(1, 8), width=st.integers(1, 3), step=st.floats(0.4, 6), degrees=st.floats(0, 90))
def test_a_gap_is_refused_by_its_slices(tmp_path_factory, missing, width, step, degrees):
    folder, axes = tmp_path_factory.mktemp("series"), rotation(degrees=degrees)
    kept = [n for n in range(13) if not missing < n <= missing + width]
    write_series(
        folder,
        values(size=(13, 3, 2))[kept],
        slice_positions(13, axes, step)[kept],
        axes,
        each=lambda n: {"InstanceNumber": kept[n]},
    )
    apart = f"{step:.1f} to {(width + 1) * step:.1f} mm apart"
    refused(
        folder, f"missing or unevenly spaced: {apart}, the most between images {missing} and {missing + width + 1};"
    )


@few
@given(steps=st.lists(st.floats(0.5, 5), min_size=3, max_size=8).filter(lambda s: max(s) - min(s) > 0.5))
def test_uneven_distances_are_refused(tmp_path_factory, steps):
    folder, heights = tmp_path_factory.mktemp("series"), np.cumsum([0.0, *steps])
    positions = ORIGIN + heights[:, None] * [0, 0, 1]
    write_series(folder, values(size=(len(heights), 3, 2)), positions)
    refused(folder, f"unevenly spaced: {min(steps):.1f} to {max(steps):.1f} mm apart")


@few
@given(degrees=st.floats(0, 30), around=st.floats(0, 360), turned=st.floats(0, 90))
def test_a_tilted_gantry_is_refused_unless_every_voxel_keeps_its_place(tmp_path_factory, degrees, around, turned):
    folder, axes = tmp_path_factory.mktemp("series"), rotation(degrees=turned)
    beside = axes[:, :2] @ [np.cos(np.radians(around)), np.sin(np.radians(around))]
    drift = np.tan(np.radians(degrees)) * SPACING[2] * np.arange(SLICES)[:, None] * beside
    write_series(folder, values(), slice_positions(axes=axes) + drift, axes)
    if degrees > 4:
        refused(folder, r"sheared by \d+\.\d° \(gantry tilt\).*Slicer's module DICOM")
    try:
        image, _ = read(folder)
    except BadInputError:
        assert degrees > 0.5
    else:
        assert_is(image, values(), slice_positions(axes=axes) + drift, axes, within=0.1)


def test_a_slice_beside_its_place_is_refused(tmp_path):
    positions = slice_positions()
    positions[2] += [2.0, 0, 0]
    write_series(tmp_path, values(), positions)
    refused(tmp_path, "do not lie behind one another: image 3 lies 1.6 mm beside its place")


def test_a_second_try_of_one_slice_is_refused(tmp_path):
    uid = {"SeriesInstanceUID": generate_uid()}
    write_series(tmp_path, values(), slice_positions(), **uid)
    write_series(tmp_path, values(1)[:1], slice_positions()[2:3], first=9, **uid)
    refused(tmp_path, "two images or more at 1 of its positions .that of image 3.")


@pytest.mark.parametrize(("kept", "said"), [(slice(0, 5), False), (slice(2, 5), True), (slice(0, 5, 2), True)])
def test_numbers_that_are_missing_are_said_where_no_gap_shows(tmp_path, kept, said):
    numbers = np.arange(1, 6)[kept]
    write_series(tmp_path, values()[kept], slice_positions()[kept], each=lambda n: {"InstanceNumber": int(numbers[n])})
    image, warnings = read(tmp_path)
    assert_is(image, values()[kept], slice_positions()[kept])
    assert [("may lack slices" in text, f"numbered from {numbers[0]} to 5" in text) for text in warnings] == [
        (True, True)
    ] * said


# Several volumes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ([{"TemporalPositionIdentifier": n} for n in (1, 2)], "time point 1"),
        ([{"EchoTime": n} for n in ("9.5", "80")], "echo time 9.5"),
        ([{"EchoNumbers": n, "ImageType": ["ORIGINAL", "PRIMARY", k]} for n in (1, 2) for k in "MP"], "echo 1, kind"),
        ([{}, {}, {}], "image 1 of 3"),
    ],
)
def test_images_at_the_same_positions_are_listed_and_one_can_be_chosen(tmp_path, differences, words):
    uid = {"SeriesInstanceUID": generate_uid()}
    for n, elements in enumerate(differences):
        write_series(tmp_path, values(n), slice_positions(), first=1 + 10 * n, **uid, **elements)
    count = len(differences)
    refused(tmp_path, f"holds {count} images at each position .* 3.1 .5 slices, {words}.*--fixed-series 3.1")
    for n in range(count):
        assert_is(read(tmp_path, f"3.{n + 1}")[0], values(n))
    refused(tmp_path, f"holds no series 3.{count + 1}; it holds 3.1", f"3.{count + 1}")


def test_frames_at_the_same_positions_are_listed_and_one_can_be_chosen(tmp_path):
    twice = np.repeat(np.arange(SLICES), 2)
    frames = np.stack([values(n % 2)[k] for n, k in enumerate(twice)])
    for name, each in (("told", lambda n: {"TemporalPositionIndex": n % 2 + 1}), ("untold", lambda n: {})):
        write_frames(tmp_path / name / "e.dcm", frames, slice_positions()[twice], each=each)
        refused(tmp_path / name / "e.dcm", "holds 2 images at each position .* 4.1 .5 slices, ")
        assert_is(read(tmp_path / name, "4.2")[0], values(1))


def test_a_last_time_point_that_was_broken_off_leaves_the_others(tmp_path):
    uid = {"SeriesInstanceUID": generate_uid()}
    for n, count in enumerate((5, 5, 3)):
        write_series(
            tmp_path,
            values(n)[:count],
            slice_positions()[:count],
            TemporalPositionIdentifier=n + 1,
            first=10 * n,
            **uid,
        )
    refused(tmp_path, "holds 3 volumes: .* 3.3 .3 slices, time point 3.")
    assert_is(read(tmp_path, "3.2")[0], values(1))


def test_series_of_a_folder_are_listed_and_one_is_chosen_by_its_number_or_uid(tmp_path):
    write_series(
        tmp_path, values(0), slice_positions(), SeriesNumber=2, SeriesDescription="T1 axial", SeriesInstanceUID="1.2.3"
    )
    write_series(
        tmp_path, values(1), slice_positions(axes=rotation()), rotation(), SeriesNumber=11, SeriesDescription="FLAIR"
    )
    refused(
        tmp_path, r"holds 2 volumes: 2 \(T1 axial, 5 slices\), 11 \(FLAIR, 5 slices\); choose one, for example with"
    )
    assert_is(read(tmp_path, "2")[0], values(0))
    assert_is(read(tmp_path, "1.2.3")[0], values(0))
    assert_is(read(tmp_path, "11")[0], values(1), slice_positions(axes=rotation()), rotation())


# What is no volume -------------------------------------------------------------------------------------------------


def test_what_holds_no_volume_says_what_it_holds(tmp_path):
    refused(tmp_path, "holds no DICOM series; give the folder of one")
    write_series(tmp_path / "one", values()[:1], slice_positions()[:1])
    refused(next((tmp_path / "one").iterdir()), "The file .* holds one slice; give the folder of its whole series")
    for n in range(3):
        write_series(
            tmp_path / "scouts", values()[:1], slice_positions()[:1], np.roll(np.eye(3), n, 1), SeriesInstanceUID="1.2"
        )
    refused(tmp_path / "scouts", "holds 3 slices, but no two behind one another")
    (tmp_path / "colour").mkdir()
    capture = header("1.2.840.10008.5.1.4.1.1.7", Modality="OT", SeriesInstanceUID="1.3")
    set_pixels(capture, values()[0])
    capture.save_as(tmp_path / "colour" / "capture", enforce_file_format=True)
    refused(tmp_path / "colour", r"holds DICOM images \(1\), but none that says where in the patient it lies")


def test_a_series_larger_than_memory_is_refused_before_its_pixels_are_read(tmp_path, monkeypatch):
    write_series(tmp_path, values(), slice_positions())
    monkeypatch.setattr("regexplain.volumes.memory.physical_memory", lambda: 1000.0)
    monkeypatch.setattr("regexplain.volumes.dicom.stack_pixels", lambda *_: pytest.fail("read"))
    refused(tmp_path, "more than this computer has; crop or resample")


@pytest.mark.parametrize("write", [write_series, lambda folder, *rest: write_frames(folder / "e", *rest)])
def test_a_truncated_file_is_refused_by_its_name(tmp_path, write):
    write(tmp_path, values(), slice_positions())
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:-20])
    refused(tmp_path, f"The file {file.name} of the fixed image is truncated or damaged")


def test_a_series_to_choose_from_what_is_no_dicom_is_refused():
    refused(sample_pair.file("fixed"), "is no DICOM, so it has no series to choose", "3")


# The command line --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_chosen_series_and_its_warnings_reach_the_result(tmp_path):
    sample = sample_pair.image("fixed")
    pixels, grid = sitk.GetArrayFromImage(sample), Grid.of(sample)
    positions = grid.world([[0, 0, n] for n in range(2, grid.size[2])])
    for number in (5, 6):
        write_series(tmp_path / "in", pixels[2:], positions, grid.axes, grid.spacing, first=3, SeriesNumber=number)
    common = ["register", str(tmp_path / "in"), str(sample_pair.file("moving")), "--output", str(tmp_path / "r")]
    listed = CliRunner().invoke(main, common)
    assert listed.exit_code == 2 and listed.stderr.count("\n") == 1 and "--fixed-series 5" in listed.stderr
    assert not (tmp_path / "r").exists()
    done = CliRunner().invoke(main, [*common, "--fixed-series", "6"])
    assert done.exit_code == 0, done.stderr
    assert "may lack slices" in (tmp_path / "r" / "result.json").read_text(encoding="utf-8")
    assert Grid.of(sitk.ReadImage(str(tmp_path / "r" / "fixed.nii.gz"))).size == (*grid.size[:2], grid.size[2] - 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The value length")  # of what is written here
def test_nothing_but_the_sentence_reaches_the_terminal(tmp_path):
    """GDCM and pydicom write past and around the project's own words."""
    write_series(tmp_path / "cut", values(), slice_positions(), AccessionNumber="far too long for what it is, by far")
    file = next((tmp_path / "cut").iterdir())
    file.write_bytes(file.read_bytes()[:-20])
    for folder in ("cut", "none"):
        (tmp_path / folder).mkdir(exist_ok=True)
        command = [sys.executable, "-m", "regexplain", "register", tmp_path / folder, sample_pair.file("moving")]
        done = subprocess.run([*command, "--output", tmp_path / "r"], capture_output=True, text=True)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr


def test_packed_slices_are_unpacked(tmp_path):
    """As most archives send them: by GDCM, which pydicom alone cannot."""
    pixels = values(size=(SLICES, 64, 64))
    for n, position in enumerate(slice_positions()):
        image = sitk.GetImageFromArray(pixels[n : n + 1])
        image.SetMetaData("0020|000e", "1.2.3")
        image.SetMetaData("0020|0032", "\\".join(map(str, position)))
        image.SetMetaData("0020|0037", "1\\0\\0\\0\\1\\0")
        image.SetSpacing((*SPACING[:2], 1))
        image.SetMetaData("0020|0013", str(n + 1))
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG2000")
        writer.SetFileName(str(tmp_path / f"{n}.dcm"))
        writer.Execute(image)
    assert pydicom.dcmread(tmp_path / "0.dcm").file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert_is(read(tmp_path)[0], pixels)
