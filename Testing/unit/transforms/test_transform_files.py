"""Transform files that people have: read as the program that wrote them means them, or refused by name."""

import struct
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import elastix_examples
import sample_pair
from equivalent_scans import rotation, transform_points
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.transform_explanation import explain_transform
from regexplain.transforms.composition import flatten_composite, transform_kind
from regexplain.transforms.files import read_transforms
from regexplain.transforms.itk import affine_matrix, affine_transform, grid_points, to_displacement_field
from regexplain.volumes.geometry import Grid

POINTS = np.array([(1.0, 2.0, 3.0), (-20.0, 14.0, 33.0), (8.0, -30.0, -5.0)])
MATRIX, SHIFT = rotation(degrees=8) @ np.diag((1.1, 1.0, 0.9)), np.array([3.0, -1.0, 2.0])
TO_MOVING = affine_transform(MATRIX, SHIFT)
FLIP = np.diag((-1.0, -1.0, 1.0, 1.0))
RAS = FLIP @ affine_matrix(TO_MOVING) @ FLIP  # fixed to moving points


def same(path, expected=TO_MOVING, atol=1e-5) -> bool:
    return np.allclose(transform_points(read_transforms([path]), POINTS), transform_points(expected, POINTS), atol=atol)


def rows(matrix) -> str:
    return "\n".join(" ".join(f"{value:.9f}" for value in row) for row in matrix)


# What ITK reads ------------------------------------------------------------------------------------------------------


def itk_text(*names: str) -> str:
    """Several affines one below the other, each further right than the one before."""
    blocks = [
        f"#Transform {n}\nTransform: {name}_double_3_3\nParameters: "
        f"{' '.join(map(str, MATRIX.ravel()))} {' '.join(map(str, SHIFT + (n, 0, 0)))}\nFixedParameters: 0 0 0\n"
        for n, name in enumerate(names)
    ]
    return "#Insight Transform File V1.0\n" + "".join(blocks)


def mat_file(*arrays: tuple[str, np.ndarray]) -> bytes:
    """MATLAB 4, as ITK writes it."""
    return b"".join(
        struct.pack("<5i", 0, len(values), 1, 0, len(name) + 1) + name.encode() + b"\0" + values.astype("<f8").tobytes()
        for name, values in arrays
    )


BASE = "MatrixOffsetTransformBase"
NUMBERS = (f"{BASE}_double_3_3", np.r_[MATRIX.ravel(), SHIFT]), ("fixed", np.zeros(3))


@pytest.mark.parametrize("name", ["t.txt", "t.tfm", "t.mat"])
def test_the_class_that_converters_of_matrices_write_is_an_affine_like_any_other(tmp_path, name):
    (tmp_path / name).write_bytes(mat_file(*NUMBERS) if name.endswith("mat") else itk_text(BASE).encode())
    assert same(tmp_path / name)
    given = read_transforms([tmp_path / name])
    assert [transform_kind(part) for part in flatten_composite(given)] == ["affine"]
    record = explain_transform(given, sample_pair.image("fixed"), sample_pair.image("moving")).record
    assert record["kind"] == "affine" and record["transform"]["parts"] == ["affine"]


@pytest.mark.parametrize("name", ["t.txt", "t.mat"])
def test_several_transforms_in_one_file_are_refused_for_only_one_would_be_used(tmp_path, name):
    second = ("AffineTransform_double_3_3", NUMBERS[0][1]), NUMBERS[1]
    text = itk_text("AffineTransform", "AffineTransform").encode()
    (tmp_path / name).write_bytes(mat_file(*NUMBERS, *second) if name.endswith("mat") else text)
    with pytest.raises(BadInputError, match="holds 2 transforms one beside the other"):
        read_transforms([tmp_path / name])


def written(transform: sitk.Transform, path):
    sitk.WriteTransform(transform, str(path))
    return path


def field(size=(9, 8, 7)) -> sitk.Image:
    grid = Grid(size, (3.0, 4.0, 5.0), (-10.0, -12.0, -8.0), tuple(rotation(degrees=20).ravel().tolist()))
    return to_displacement_field(TO_MOVING, grid)


def spline(order: int = 3) -> sitk.Transform:
    made = sitk.BSplineTransformInitializer(field(), [3, 4, 3], order)
    made.SetParameters(np.sin(np.arange(len(made.GetParameters()))).tolist())
    return made


KINDS = {
    "displacement field": lambda: sitk.DisplacementFieldTransform(field()),
    "B-spline": spline,
    "affine": lambda: TO_MOVING,
}


@given(st.sampled_from(list(KINDS)), st.sampled_from(["h5", "tfm", "txt", "mat"]), st.floats(0.02, 0.995))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_file_that_ends_too_early_is_refused_and_never_read_by_halves(tmp_path_factory, capfd, kind, end, share):
    """Cut within the last number of a text, a file says nothing of it; there only, it may be read."""
    path = written(KINDS[kind](), tmp_path_factory.mktemp("cut") / f"half.{end}")
    whole = path.read_bytes()
    last = 6 if end in ("tfm", "txt") else 1
    path.write_bytes(whole[: min(int(share * len(whole)), len(whole) - last)])
    with pytest.raises(BadInputError, match="half"):
        read_transforms([path])
    assert capfd.readouterr() == ("", "")  # HDF5 writes its own lines, past Python


@pytest.mark.slow
@pytest.mark.parametrize("end", ["h5", "tfm"])
def test_half_a_displacement_field_is_called_damaged_with_nothing_else_on_the_terminal(tmp_path, end):
    path = written(KINDS["displacement field"](), tmp_path / f"half.{end}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    pair = ["--fixed", str(sample_pair.file("fixed")), "--moving", str(sample_pair.file("moving"))]
    command = [sys.executable, "-m", "regexplain", "explain-transform", str(path), *pair]
    done = subprocess.run([*command, "--output", str(tmp_path / "r")], capture_output=True, text=True, timeout=300)
    said = f"Error: half.{end} is truncated or damaged; copy it again from its source.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize("end", ["tfm", "h5"])
def test_a_kind_that_itk_does_not_know_is_named(tmp_path, end):
    path = written(spline(), tmp_path / f"old.{end}")
    path.write_bytes(path.read_bytes().replace(b"BSplineTransform_double_3_3", b"BSplineTransfurm_double_3_3"))
    with pytest.raises(BadInputError, match=f"old.{end} holds a BSplineTransfurm, which this ITK does not know"):
        read_transforms([path])


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "t.h5").touch()
    with pytest.raises(BadInputError, match="t.h5 is an empty file"):
        read_transforms([tmp_path / "t.h5"])


LINEAR = [
    partial(sitk.Transform, 3, sitk.sitkIdentity),
    partial(sitk.Transform, 3, sitk.sitkScaleLogarithmic),
    partial(sitk.Transform, 3, sitk.sitkQuaternionRigid),
    partial(sitk.TranslationTransform, 3),
    partial(sitk.ScaleTransform, 3),
    partial(sitk.AffineTransform, 3),
    sitk.VersorTransform,
    sitk.VersorRigid3DTransform,
    sitk.ScaleVersor3DTransform,
    sitk.ScaleSkewVersor3DTransform,
    sitk.ComposeScaleSkewVersor3DTransform,
    sitk.Similarity3DTransform,
    sitk.Euler3DTransform,
]
BENDING = [partial(spline, order) for order in (1, 2, 3)] + [KINDS["displacement field"]]
SMALL = Grid((7, 6, 5), (3.0, 4.0, 5.0), (-8.0, -10.0, -6.0), tuple(rotation(degrees=20).ravel().tolist()))


@st.composite
def transforms(draw, kinds=(*LINEAR, *BENDING), depth=2) -> sitk.Transform:
    """Of every kind that SimpleITK can write, and composites of them in one another."""
    if depth and draw(st.booleans()):
        parts = draw(st.lists(transforms(kinds, depth - 1), min_size=1, max_size=3))
        return sitk.CompositeTransform(parts)
    transform = draw(st.sampled_from(kinds))()
    if len(transform.GetParameters()) < 16:
        step = draw(st.sampled_from([0.0, 0.03, -0.05]))
        values = np.array(transform.GetParameters()) + step * np.cos(np.arange(len(transform.GetParameters())))
        transform.SetParameters(values.tolist())
    return transform


@pytest.mark.slow
@given(transform=transforms(), end=st.sampled_from(["h5", "tfm", "txt", "mat"]))
@settings(max_examples=60)
def test_whatever_simpleitk_writes_is_read_and_explained_as_the_same_map(tmp_path_factory, transform, end):
    path = tmp_path_factory.mktemp("any") / f"t.{end}"
    try:
        sitk.WriteTransform(transform, str(path))
    except RuntimeError:
        assume(False)
    points = grid_points(SMALL)[1:-1, 1:-1, 1:-1].reshape(-1, 3)
    expected = transform_points(transform, points)
    try:
        read = read_transforms([path])
    except BadInputError as refused:  # a composite in a MATLAB file, which ITK writes but cannot read
        assert end == "mat" and transform.GetName() == "CompositeTransform" and "save it as .h5 or .tfm" in str(refused)
        return
    assert np.allclose(transform_points(read, points), expected, atol=1e-9)
    try:
        image = SMALL.image(np.arange(210, dtype=np.float32).reshape(5, 6, 7))
        result = explain_transform(read, image, image)
    except BadInputError:
        return
    assert np.allclose(transform_points(result.transform.itk(), points), expected, atol=1e-5)
    assert "Composite" not in " ".join(result.record["transform"]["parts"])


# Matrices in RAS -----------------------------------------------------------------------------------------------------


def xfm(*parts: tuple[np.ndarray, str]) -> str:
    """Each a matrix of source to target, and more lines."""
    blocks = [f"Transform_Type = Linear;\n{more}Linear_Transform =\n{rows(m[:3])};\n" for m, more in parts]
    return "MNI Transform File\n% made up\n\n" + "\n".join(blocks)


HALF = np.diag((1.2, 1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    "text",
    [
        xfm((np.linalg.inv(RAS), "")),
        xfm((RAS, "Invert_Flag = True;\n")),
        xfm((HALF, ""), (np.linalg.inv(RAS) @ np.linalg.inv(HALF), "")),
    ],
    ids=["one", "its inverse", "two, one after the other"],
)
def test_an_xfm_of_the_mni_tools_is_in_ras_and_maps_moving_to_fixed_points(tmp_path, text):
    (tmp_path / "linear.xfm").write_text(text)
    assert same(tmp_path / "linear.xfm")


def test_a_turn_in_an_xfm_is_told_as_that_turn_by_both_commands(tmp_path):
    """The middle of the sample scan is still; ITK alone would take the numbers as LPS, and move it by 8.3 mm."""
    middle = Grid.of(sample_pair.image("fixed")).centre
    turn = affine_transform(rotation(degrees=8), middle - rotation(degrees=8) @ middle)
    (tmp_path / "linear.xfm").write_text(xfm((np.linalg.inv(FLIP @ affine_matrix(turn) @ FLIP), "")))
    assert same(tmp_path / "linear.xfm", turn)
    pair = [str(sample_pair.file("fixed")), str(sample_pair.file("moving")), "--output", str(tmp_path / "r")]
    more = ["--initial-transform", str(tmp_path / "linear.xfm"), "--model", "none-such"]
    done = CliRunner().invoke(main, ["register", *pair, *more])
    assert "no model 'none-such'" in done.output  # the transform was read before that


VOLUME = """{role} volume info
valid = 1  # volume info valid
filename = {role}.mgz
volume = 20 30 40
voxelsize = 1.0 1.5 2.0
xras   = -1.0 0.0 0.0
yras   = 0.0 0.0 -1.0
zras   = 0.0 1.0 0.0
cras   = {centre}
"""


def lta(kind: int, matrix: np.ndarray, known: bool = True) -> str:
    volumes = [VOLUME.format(role=role, centre=c) for role, c in (("src", "5 -6 7"), ("dst", "-4 8 9"))]
    if not known:
        volumes = [f"{role} volume info\nvalid = 0  # volume info invalid\n" for role in ("src", "dst")]
    head = f"type      = {kind} # LINEAR\nnxforms   = 1\nmean      = 0 0 0\nsigma     = 1.0000\n1 4 4\n"
    return head + rows(matrix) + "\n" + "".join(volumes) + "subject fsaverage\nfscale 0.15\n"


def voxels_to_ras(centre) -> np.ndarray:
    """As FreeSurfer has it: the centre is that of voxel (10, 15, 20)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]]) * (1.0, 1.5, 2.0)
    matrix[:3, 3] = centre - matrix[:3, :3] @ (10, 15, 20)
    return matrix


def test_an_lta_of_freesurfer_is_read_in_ras_and_in_voxels(tmp_path):
    path, forward = tmp_path / "reg.lta", np.linalg.inv(RAS)
    for known in (True, False):
        path.write_text(lta(1, forward, known))
        assert same(path)
    source, target = voxels_to_ras((5, -6, 7)), voxels_to_ras((-4, 8, 9))
    path.write_text(lta(0, np.linalg.inv(target) @ forward @ source))
    assert same(path)


GREEDY = "is a bare matrix, as greedy, FSL and AFNI write it.*c3d_affine_tool FILENAME -oitk FILE.txt"
REFUSED = {
    "greedy_affine.mat": (rows(RAS), GREEDY),
    "flirt.mat": (rows(RAS).replace("\n", "  \n"), GREEDY),
    "anat.aff12.1D": ("# 3dAllineate matrices (DICOM-to-DICOM, row-by-row):\n" + rows(RAS[:3].reshape(1, 12)), "bare"),
    "grid.xfm": ("MNI Transform File\nTransform_Type = Grid_Transform;\nDisplacement_Volume = g.mnc;\n", "bends space"),
    "cut.xfm": (xfm((RAS, ""))[:-40], "truncated or damaged"),
    "voxels.lta": (lta(0, RAS, known=False), "lta_convert --inlta voxels.lta --outitk"),
    "tkreg.lta": (lta(14, RAS), "lta_convert --inlta tkreg.lta --outitk"),
    "cut.lta": (lta(1, RAS)[:150], "truncated or damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_say_what_it_means_is_refused_with_the_program_that_converts_it(tmp_path, name):
    content, words = REFUSED[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInputError, match=words.replace("FILENAME", name)) as refused:
        read_transforms([tmp_path / name])
    assert str(refused.value).startswith(name)


def test_the_inverse_is_asked_for_as_in_ants(tmp_path):
    path = written(TO_MOVING, tmp_path / "affine.mat")
    assert same(f"[{path},1]", TO_MOVING.GetInverse()) and same(f"[{path}, 0]")
    warp = tmp_path / "1Warp.nii.gz"
    sitk.WriteImage(field(), str(warp))
    assert same(f"[{warp},0]", sitk.DisplacementFieldTransform(field()))
    with pytest.raises(BadInputError, match="give the file of the inverse"):
        read_transforms([f"[{warp},1]"])
    flat = written(affine_transform(np.diag((1.0, 1.0, 0.0)), SHIFT), tmp_path / "flat.tfm")
    with pytest.raises(BadInputError, match="flattens space"):
        read_transforms([f"[{flat},1]"])


# Fields --------------------------------------------------------------------------------------------------------------


def with_key(image: sitk.Image, key: str, value: str) -> sitk.Image:
    image = sitk.Image(image)
    image.SetMetaData(key, value)
    return image


def test_a_field_of_slicer_says_itself_which_way_it_points(tmp_path):
    there = to_displacement_field(
        TO_MOVING, Grid((30, 25, 25), (4.0, 4.0, 4.0), (-60.0, -50.0, -40.0), np.eye(3).ravel())
    )
    back = to_displacement_field(TO_MOVING.GetInverse(), Grid.of(there))
    for kind, image, ending in (("resampling", there, "nrrd"), ("modeling", back, "nrrd"), ("modeling", back, "nhdr")):
        path = tmp_path / f"{kind}.{ending}"
        sitk.WriteImage(with_key(image, "displacement field type", kind), str(path))
        assert same(path, atol=0.02), path
    sitk.WriteImage(with_key(there, "displacement field type", "velocity"), str(tmp_path / "other.nrrd"))
    with pytest.raises(BadInputError, match="displacement field of the type velocity"):
        read_transforms([tmp_path / "other.nrrd"])


def test_the_positions_of_spm_are_taken_as_where_points_go(tmp_path):
    """In RAS, in a NIfTI file whose vectors ITK leaves as they are; so read, they would flatten space."""
    grid = Grid((12, 11, 10), (4.0, 4.0, 4.0), (-30.0, -30.0, -20.0), tuple(rotation(degrees=20).ravel().tolist()))
    for turned in (TO_MOVING, affine_transform(rotation(degrees=35), SHIFT)):
        positions = transform_points(turned, grid_points(grid).reshape(-1, 3)).reshape(10, 11, 12, 3) * (-1, -1, 1)
        sitk.WriteImage(grid.image(positions.astype(np.float32), vector=True), str(tmp_path / "y_scan.nii"))
        assert np.abs(positions).max() > 20
        found = transform_points(read_transforms([tmp_path / "y_scan.nii"]), points := grid_points(grid).reshape(-1, 3))
        assert np.allclose(found, transform_points(turned, points), atol=1e-4)


def test_positions_in_lps_could_be_a_growth_and_are_refused(tmp_path):
    grid = Grid.of(field())
    sitk.WriteImage(grid.image(grid_points(grid).astype(np.float32), vector=True), str(tmp_path / "where.nrrd"))
    with pytest.raises(BadInputError, match="where.nrrd seems to hold positions"):
        read_transforms([tmp_path / "where.nrrd"])


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("degrees", [90, 180])
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.3])
def test_no_large_turn_is_taken_for_positions(tmp_path, axis, degrees, scale):
    turn = affine_transform(scale * elastix_examples.turn(axis, degrees), (0.0, 0.0, 0.0))
    sitk.WriteImage(to_displacement_field(turn, Grid.of(field())), str(tmp_path / "turn.nrrd"))
    middle = [Grid.of(field()).centre]
    assert np.allclose(
        transform_points(read_transforms([tmp_path / "turn.nrrd"]), middle), transform_points(turn, middle), atol=1e-4
    )


# elastix -------------------------------------------------------------------------------------------------------------

VOXELS = (2, 3, 4), (11, 8, 7)  # x, y, z
TRANSFORMIX = {  # displacements there, mm: transformix -def all (itk-elastix 0.25.4) on those of elastix_examples.py
    "translation": [[1.0, -2.0, 3.0], [1.0, -2.0, 3.0]],
    "rigid": [[3.8938, 0.7747, 0.9306], [-1.0446, 0.833, 3.1715]],
    "rigid, ZYX": [[4.1055, 0.7214, 0.9437], [-1.0487, 0.8504, 3.1725]],
    "similarity": [[1.9107, 0.7054, -1.2707], [-3.6862, -0.4544, 3.8671]],
    "affine": [[-0.2375, 2.7625, -0.5519], [0.9283, 2.1569, 0.1589]],
    "B-spline of order 1": [[-1.7205, 1.5809, 3.5811], [4.4976, 3.5227, -0.3515]],
    "B-spline of order 2": [[-1.5104, 1.4797, 3.252], [3.319, 2.5731, -0.2905]],
    "B-spline of order 3": [[-1.2448, 1.3759, 2.8642], [2.8678, 2.2108, -0.2657]],
    "rigid, then affine, then B-spline": [[2.119, 4.0113, 3.2911], [2.4709, 3.6759, 1.5627]],
    "rigid and affine added": [[3.6563, 3.5372, 0.3787], [-0.1163, 2.9899, 3.3304]],
    "affine and B-spline added": [[-1.4823, 4.1384, 2.3123], [3.7961, 4.3677, -0.1068]],
}


def elastix_points() -> np.ndarray:
    direction = tuple(elastix_examples.DIRECTION.ravel().tolist())
    return Grid(elastix_examples.SIZE, elastix_examples.SPACING, elastix_examples.ORIGIN, direction).world(
        np.array(VOXELS)
    )


@pytest.mark.parametrize("chain", elastix_examples.CHAINS)
def test_a_parameter_file_of_elastix_moves_points_as_transformix_does(tmp_path, chain):
    path, points = elastix_examples.write_chain(tmp_path, chain), elastix_points()
    assert np.allclose(transform_points(read_transforms([path]), points) - points, TRANSFORMIX[chain], atol=2e-4)


def test_a_chain_of_elastix_is_found_after_it_was_copied_elsewhere(tmp_path):
    """The file before is named by the path it had on another computer; or, since elastix 5.2, by another key."""
    first = elastix_examples.write_parameters(tmp_path / "TransformParameters.0.txt", "TranslationTransform")
    for name in (r"C:\\scans\\out\\TransformParameters.0.txt", "/home/smith/out/TransformParameters.0.txt"):
        second = elastix_examples.write_parameters(tmp_path / "TransformParameters.1.txt", "TranslationTransform", name)
        assert same(second, affine_transform(np.eye(3), (2.0, -4.0, 6.0)))
    text = second.read_text().replace("ParametersFileName", "ParameterFileName")
    second.write_text(text)
    assert same(second, affine_transform(np.eye(3), (2.0, -4.0, 6.0)))
    first.unlink()
    with pytest.raises(BadInputError, match="comes after TransformParameters.0.txt, which is not there"):
        read_transforms([second])


ELASTIX_REFUSED = {
    "SplineKernelTransform": ({"Transform": '"SplineKernelTransform"'}, "ITK has no SplineKernelTransform"),
    "binary": ({"UseBinaryFormatForTransformationParameters": '"true"'}, "its numbers lie in another file"),
    "no directions": ({"UseDirectionCosines": '"false"'}, "it leaves out directions"),
    "2-D": ({"FixedImageDimension": 2}, "of other than 3 dimensions"),
    "too few": ({"TransformParameters": "1 2 3"}, "truncated or damaged"),
    "itself": ({"InitialTransformParametersFileName": '"t.txt"'}, "each come after the other"),
    "no centre": ({"CenterOfRotationPoint": ""}, "truncated or damaged"),
}


@pytest.mark.parametrize("case", ELASTIX_REFUSED)
def test_what_elastix_has_and_itk_does_not_is_refused_with_the_way_to_a_field(tmp_path, case):
    more, words = ELASTIX_REFUSED[case]
    path = elastix_examples.write_parameters(tmp_path / "t.txt", "AffineTransform", **more)
    with pytest.raises(BadInputError, match=words) as refused:
        read_transforms([path])
    assert "transformix -def all" in str(refused.value) or "cannot be read exactly" not in str(refused.value)
