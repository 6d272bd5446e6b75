"""A NIfTI file is read as its own header says, or refused in a sentence that says what is wrong."""

import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from equivalent_scans import rotation
from regexplain.errors import BadInputError
from regexplain.volumes.geometry import Grid
from regexplain.volumes.images import read_segmentation, read_vectors, read_volume

LPS = np.diag([-1, -1, 1, 1])  # from RAS, and back
AFFINE = np.array([[-1.5, 0, 0, 40], [0, 2, 0, -30], [0, 0, 3, 20], [0, 0, 0, 1]])  # to RAS
few = settings(max_examples=30)  # each writes a file


def values(seed: int = 0, kind=np.int16) -> np.ndarray:
    """(x, y, z)"""
    return np.random.default_rng(seed).integers(0, 100, (6, 5, 4)).astype(kind)


def write(path: Path, array=None, sform=AFFINE, qform=None, codes=(1, 0), kind=nibabel.Nifti1Image, **header) -> Path:
    """codes: of sform and qform; header: further fields, as they are in the file."""
    array = values() if array is None else array
    image = kind(array, None, dtype=array.dtype)
    image.header.set_zooms([*np.linalg.norm(sform[:3, :3], axis=0), *[1] * (array.ndim - 3)])
    image.header.set_sform(sform, codes[0])
    image.header.set_qform(sform if qform is None else qform, codes[1])
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def read(path: Path) -> tuple[sitk.Image, list[str]]:
    warnings: list[str] = []
    return read_volume(path, "fixed image", warn=warnings.append), warnings


def assert_is(image: sitk.Image, array: np.ndarray, affine: np.ndarray, within=1e-3) -> None:
    """Every voxel where the affine (x, y, z → RAS mm) puts it, mm."""
    assert np.array_equal(sitk.GetArrayFromImage(image).T, array)
    index = np.stack(np.indices(array.shape), -1).reshape(-1, 3)
    truth = (np.c_[index, np.ones(len(index))] @ (LPS @ affine).T)[:, :3]
    assert np.abs(Grid.of(image).world(index) - truth).max() < within


def oblique(axis, degrees: float, spacing, origin, flipped: bool) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = rotation(axis, degrees) @ np.diag([*spacing[:2], -spacing[2] if flipped else spacing[2]])
    affine[:3, 3] = origin
    return affine


affines = st.builds(
    oblique,
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 0.1),
    st.floats(0, 180),
    st.tuples(*[st.floats(0.3, 6)] * 3),
    st.tuples(*[st.floats(-300, 300)] * 3),
    st.booleans(),
)


@few
@given(
    affine=affines,
    codes=st.sampled_from([(1, 0), (0, 1), (2, 0), (1, 1), (4, 1)]),
    kind=st.sampled_from([nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.Nifti1Pair]),
    number=st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]),
)
def test_every_voxel_lies_where_the_header_says_as_itk_reads_it(tmp_path_factory, affine, codes, kind, number):
    path = tmp_path_factory.mktemp("n") / ("a.hdr" if kind is nibabel.Nifti1Pair else "a.nii.gz")
    image, warnings = read(write(path, values(kind=number), affine, codes=codes, kind=kind))
    assert_is(image, values(kind=number), affine)
    assert warnings == [] and image.GetMetaDataKeys() == ()
    if kind is nibabel.Nifti2Image:  # which ITK does not read
        return
    by_itk = sitk.ReadImage(str(path))
    assert image.GetPixelID() == by_itk.GetPixelID()
    for of in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(image, of)(), getattr(by_itk, of)(), atol=1e-3)


@pytest.mark.parametrize("unit, scale", [(1, 1e3), (2, 1.0), (3, 1e-3)])
def test_metres_and_microns_become_millimetres(tmp_path, unit, scale):
    image, _ = read(write(tmp_path / "a.nii", xyzt_units=unit))
    assert_is(image, values(), np.diag([scale, scale, scale, 1]) @ AFFINE)


def test_a_file_without_a_position_is_read_as_slicer_reads_it(tmp_path):
    path = write(tmp_path / "a.nii", codes=(0, 0))
    image, by_itk = read(path)[0], sitk.ReadImage(str(path))
    assert Grid.of(image) == Grid.of(by_itk)
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(by_itk))


def test_slope_and_offset_make_floats(tmp_path):
    path = write(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([0.25, -3], "<f4").tobytes()
    path.write_bytes(content)
    image, _ = read(path)
    assert image.GetPixelID() == sitk.sitkFloat32
    assert_is(image, values() * 0.25 - 3, AFFINE)


def test_numbers_in_the_other_byte_order_are_read(tmp_path):
    swapped = nibabel.Nifti1Image(values(), AFFINE, nibabel.Nifti1Header(endianness=">"))
    swapped.header.set_data_dtype(">i2")
    nibabel.save(swapped, tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == b"\0\0\x01\x5c"
    assert_is(read(tmp_path / "a.nii")[0], values(), AFFINE)


# Shears, and two positions -----------------------------------------------------------------------------------------


@few
@given(affine=affines, axes=st.permutations(range(3)), degrees=st.floats(0, 40), beside=st.booleans())
def test_sheared_axes_are_refused_unless_every_voxel_keeps_its_place(tmp_path_factory, affine, axes, degrees, beside):
    """With a qform beside the sform, too, which holds the nearest rotation and would be taken without a word."""
    sheared = affine.copy()
    along = affine[:3, axes[0]] / np.linalg.norm(affine[:3, axes[0]])
    sheared[:3, axes[1]] += np.tan(np.radians(degrees)) * np.linalg.norm(affine[:3, axes[1]]) * along
    path = write(tmp_path_factory.mktemp("n") / "a.nii", sform=sheared, codes=(1, int(beside)))
    try:
        image, _ = read(path)
    except BadInputError as error:
        assert f"not perpendicular: they are sheared by {degrees:.1f}°" in str(error) and degrees > 0.1
    else:
        assert_is(image, values(), sheared, within=0.11)


@pytest.mark.parametrize("codes, taken", [((1, 1), "sform"), ((2, 1), "qform"), ((4, 1), "qform")])
def test_a_sform_and_a_qform_that_lie_apart_are_said_and_slicers_choice_is_taken(tmp_path, codes, taken):
    moved = AFFINE.copy()
    moved[:3, 3] += [3, 0, 4]
    image, warnings = read(write(tmp_path / "a.nii", sform=moved, qform=AFFINE, codes=codes))
    assert_is(image, values(), moved if taken == "sform" else AFFINE)
    assert Grid.of(image).origin == pytest.approx(sitk.ReadImage(str(tmp_path / "a.nii")).GetOrigin())
    [text] = warnings
    assert f"up to 5.0 mm apart; the {taken} was taken" in text and "fixed image a.nii" in text


def test_a_sform_of_an_atlas_may_be_sheared_beside_a_qform_of_the_scanner(tmp_path):
    atlas = AFFINE.copy()
    atlas[0, 2] += 1
    image, warnings = read(write(tmp_path / "a.nii", sform=atlas, qform=AFFINE, codes=(4, 1)))
    assert_is(image, values(), AFFINE)
    assert len(warnings) == 1


def test_a_voxel_size_of_zero_is_refused(tmp_path):
    path = write(tmp_path / "a.nii", codes=(0, 0))
    content = bytearray(path.read_bytes())
    content[80:84] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="has a voxel size of 0"):
        read(path)


# Names and contents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked, beside", [("scan.nii.gz", "scan.nii"), ("scan.nii", "scan.nii.gz")])
def test_a_file_of_the_same_name_but_another_end_is_never_read_instead(tmp_path, asked, beside):
    write(tmp_path / asked, values(0)), write(tmp_path / beside, values(1))
    assert_is(read(tmp_path / asked)[0], values(0), AFFINE)
    labels = read_segmentation(tmp_path / asked, read(tmp_path / asked)[0])
    assert np.array_equal(sitk.GetArrayFromImage(labels).T, values(0))
    field = np.random.default_rng(0).normal(size=(6, 5, 4, 1, 3)).astype(np.float32)
    write(tmp_path / asked, field, intent_code=1007), write(tmp_path / beside, -field, intent_code=1007)
    read_back = sitk.GetArrayFromImage(read_vectors(tmp_path / asked, "transform"))
    assert np.array_equal(read_back, field[:, :, :, 0].transpose(2, 1, 0, 3))


@pytest.mark.parametrize("intent", [1006, 1007])
def test_vectors_are_those_that_itk_reads(tmp_path, intent):
    """Displacements lie along RAS in the file and along LPS in ITK; other vectors stay as they are."""
    field = np.random.default_rng(0).normal(size=(6, 5, 4, 1, 3)).astype(np.float32)
    path = write(tmp_path / "a.nii.gz", field, intent_code=intent, intent_name=b"NREG_TRANS")
    own, by_itk = read_vectors(path, "transform"), sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(own), sitk.GetArrayFromImage(by_itk))
    assert np.allclose(own.GetDirection(), by_itk.GetDirection()) and np.allclose(own.GetOrigin(), by_itk.GetOrigin())
    assert own.GetMetaData("intent_name") == "NREG_TRANS"


@pytest.mark.parametrize("name, packed", [("a.nii.gz", False), ("a.nii", True), ("A.NII.GZ", True), ("a.NII", False)])
def test_whether_a_file_is_packed_is_seen_from_its_content(tmp_path, name, packed):
    content = write(tmp_path / "plain.nii").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    assert_is(read(tmp_path / name)[0], values(), AFFINE)


SPELLINGS = ["a.nii", "a.nii.gz", "a.hdr", "a.img", "a.NII.GZ", "a.NII", "a.HDR"]


def spelt(folder: Path, name: str, array: np.ndarray) -> tuple[Path, Path]:
    """A file of that name, and the one that holds its voxels."""
    pair = name.lower().endswith((".hdr", ".img"))
    path = write(folder / name.lower(), array, kind=nibabel.Nifti1Pair if pair else nibabel.Nifti1Image)
    os.replace(path, folder / name)
    return folder / name, folder / ("a.img" if pair else name)


@pytest.mark.parametrize("name", SPELLINGS)
def test_nan_and_a_missing_end_are_noticed_in_every_spelling(tmp_path, name):
    holes = values(kind=np.float32)
    holes[1, 2, :3] = np.nan
    path, voxels = spelt(tmp_path, name, holes)
    with pytest.raises(BadInputError, match="has 3 voxels that are NaN or infinite"):
        read(path)
    voxels.write_bytes(voxels.read_bytes()[:-9])
    with pytest.raises(BadInputError, match=f"fixed image {name} is truncated or damaged; copy it again"):
        read(path)


def test_an_analyze_pair_is_still_read_and_its_missing_end_noticed(tmp_path):
    nibabel.save(nibabel.AnalyzeImage(values(), np.diag([1.5, 2, 3, 1])), tmp_path / "a.hdr")
    assert read(tmp_path / "a.hdr")[0].GetSpacing() == pytest.approx((1.5, 2, 3))
    (tmp_path / "a.img").write_bytes((tmp_path / "a.img").read_bytes()[:-2])
    with pytest.raises(BadInputError, match="truncated or damaged"):
        read(tmp_path / "a.hdr")


def test_a_pair_of_which_one_file_is_missing_is_refused(tmp_path):
    write(tmp_path / "a.hdr", kind=nibabel.Nifti1Pair)
    (tmp_path / "a.img").unlink()
    with pytest.raises(BadInputError, match="is one of two files, and a.img is missing beside it; give both"):
        read(tmp_path / "a.hdr")


def test_a_byte_that_was_changed_in_a_packed_file_is_noticed(tmp_path):
    path = write(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="truncated or damaged"):
        read(path)


@pytest.mark.parametrize("kind", [np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]), np.complex64])
def test_colours_and_complex_numbers_are_refused(tmp_path, kind):
    path = write(tmp_path / "a.nii", np.zeros((6, 5, 4), kind))
    with pytest.raises(BadInputError, match="several values per voxel"):
        read(path)


def test_a_header_that_promises_more_than_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("regexplain.volumes.memory.physical_memory", lambda: 1000.0)
    with pytest.raises(BadInputError, match="more than this computer has; crop or resample"):
        read(write(tmp_path / "a.nii.gz"))
