"""The result folder: complete or absent, and valid against its schema."""

import gzip
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

import regexplain
from equivalent_scans import rotation, with_moved_header
from regexplain import components, explain, register
from regexplain.errors import BadInputError, RegExplainError
from regexplain.motions.lengths import summarise
from regexplain.results import ResultFolder
from regexplain.results import folder as folder_module
from regexplain.results.explanations import ComponentMotions, Heatmaps
from regexplain.results.metrics import dice, inverse_consistency, inverse_error
from regexplain.results.registration_result import RegistrationResult
from regexplain.transforms.itk import RegistrationTransform, affine_transform, to_displacement_field
from regexplain.transforms.jacobians import jacobian_determinant, jacobian_summary, registration_jacobian_determinant
from regexplain.volumes.geometry import Grid
from synthetic_result import write_synthetic_result

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def loaded(tmp_path) -> RegistrationResult:
    write_synthetic_result(tmp_path / "made", grid="oblique", components=0, heatmaps=False)
    return RegistrationResult.load(tmp_path / "made")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["deformable", "affine"])
def test_the_tests_own_results_obey_the_schema(tmp_path, kind):
    write_synthetic_result(tmp_path / "r", kind=kind)
    jsonschema.validate(ResultFolder.open(tmp_path / "r").record, SCHEMA)


def test_a_saved_result_loads_the_same(loaded, tmp_path):
    loaded.save(tmp_path / "again")
    again = RegistrationResult.load(tmp_path / "again")
    assert again.record == loaded.record
    for name in ("fixed", "moving", "fixed_segmentation", "moving_segmentation", "warped_moving"):
        a, b = getattr(loaded, name), getattr(again, name)
        # NIfTI keeps geometry in single precision, so what is resampled anew may differ in the last digits.
        assert np.allclose(sitk.GetArrayViewFromImage(a), sitk.GetArrayViewFromImage(b), atol=0.1), name
        assert np.allclose(Grid.of(a).voxel_to_world, Grid.of(b).voxel_to_world, atol=1e-4), name
    point = Grid.of(loaded.fixed).centre.tolist()
    assert again.transform.itk().TransformPoint(point) == pytest.approx(loaded.transform.itk().TransformPoint(point))


def test_an_existing_result_is_replaced_only_when_told(loaded, tmp_path):
    before = listing(tmp_path / "made")
    with pytest.raises(BadInputError, match="exists already.*--overwrite"):
        loaded.save(tmp_path / "made")
    assert listing(tmp_path / "made") == before
    loaded.record["warnings"] = ["new"]
    loaded.save(tmp_path / "made", overwrite=True)
    assert ResultFolder.open(tmp_path / "made").record["warnings"] == ["new"]


def test_a_folder_that_is_no_result_is_never_replaced(loaded, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.txt").write_text("years of work")
    with pytest.raises(BadInputError, match="not an earlier result"):
        loaded.save(tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis/chapter1.txt").read_text(encoding="utf-8") == "years of work"


def test_a_disk_that_fills_up_leaves_nothing_behind(loaded, tmp_path, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RegistrationTransform, "write", full)
    with pytest.raises(RegExplainError, match="No space left on device.*free space"):
        loaded.save(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made"]


@pytest.mark.parametrize("writer", ["WriteImage", "WriteTransform"])
def test_itks_own_words_for_a_full_disk_reach_nobody(loaded, tmp_path, monkeypatch, writer):
    def full(*arguments):
        raise RuntimeError("Exception thrown in SimpleITK: H5Dwrite failed")

    monkeypatch.setattr(sitk, writer, full)
    with pytest.raises(RegExplainError, match="could not be written.*free space there or choose another --output"):
        loaded.save(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made"]


def test_adding_fails_whole_and_keeps_what_was_there(loaded, tmp_path, monkeypatch):
    folder = ResultFolder.open(tmp_path / "made")
    before = listing(tmp_path / "made")
    with pytest.raises(RuntimeError), folder.staging() as staging:
        (staging / "heatmaps").mkdir()
        (staging / "heatmaps/decoder.nii.gz").write_bytes(b"half")
        raise RuntimeError("cancelled")
    assert listing(tmp_path / "made") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made"]


def test_a_move_that_fails_puts_the_old_part_back(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old/keep.txt").write_text("kept")
    (tmp_path / "new").mkdir()
    real = Path.replace

    def refused(self, target):
        if self.name == "new":
            raise OSError("in use")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match="in use"):
        folder_module.replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old/keep.txt").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    "content, words", [(None, "not a result"), ("{", "not a result"), ('{"schema_version": 99}', "newer RegExplain")]
)
def test_what_is_no_result_is_said_in_one_sentence(tmp_path, content, words):
    if content:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(BadInputError, match=words):
        ResultFolder.open(tmp_path)


def test_the_jacobian_of_a_zoom_is_its_volume_change_on_an_oblique_grid():
    image = sitk.Image([12, 14, 10], sitk.sitkUInt8)
    image.SetSpacing((1.0, 0.8, 2.5))
    grid = Grid.of(with_moved_header(image, rotation(degrees=20)))
    zoom = affine_transform(np.diag([1.1, 0.9, 1.2]), (1, 2, 3))
    assert np.allclose(jacobian_determinant(zoom, grid), 1.1 * 0.9 * 1.2, atol=1e-6)
    assert jacobian_summary(np.array([1.0, -0.5, 0.0, np.e])) == {
        "min": -0.5,
        "share_folded": 0.5,
        "log_sd": pytest.approx(np.std([0, np.log(1e-9), np.log(1e-9), 1])),
    }


@pytest.mark.parametrize("matrix", [np.diag((-1.0, -1, 1)), 1.3 * np.eye(3)], ids=["half a turn", "growth"])
@pytest.mark.parametrize("size", [(9, 8, 7), (5, 2, 3)])
def test_the_jacobian_is_as_exact_at_the_border_as_within(monkeypatch, matrix, size):
    """ITK's filter halves the derivatives of the outermost voxels: half a turn would fold there. A slice at a time."""
    monkeypatch.setattr("regexplain.volumes.geometry.SLAB_VOXELS", 10)
    image = sitk.Image(size, sitk.sitkUInt8)
    image.SetSpacing((1.0, 0.8, 2.5))
    grid = Grid.of(with_moved_header(image, rotation(degrees=20)))
    whole = affine_transform(matrix, (1, 2, 3))
    kept = RegistrationTransform(affine_transform(rotation(degrees=20), (0, 0, 0)))
    kept.displacement = to_displacement_field(sitk.CompositeTransform([kept.alignment.GetInverse(), whole]), grid)
    for found in (jacobian_determinant(whole, grid), registration_jacobian_determinant(kept, grid)):
        assert np.allclose(found, np.linalg.det(matrix), atol=2e-6)
        assert jacobian_summary(found)["log_sd"] < 1e-6


def test_inverse_consistency_is_how_far_a_point_ends_from_where_it_began():
    """There by (1, 2, 2), back by nothing: 3 mm, wherever the moving image has data; a large image, so that memory that
    was freed too early would show."""
    image = sitk.Image([120, 110, 100], sitk.sitkUInt8)
    grid = Grid.of(with_moved_header(image, rotation(degrees=20)))
    there, identity, back_again = (
        RegistrationTransform(affine_transform(np.eye(3), np.array([1.0, 2.0, 2.0]) * times)) for times in (1, 0, -1)
    )
    for back, millimetres in ((identity, 3.0), (back_again, 0.0), (there, 6.0)):
        said = inverse_consistency(there, back, grid, grid)
        assert said == {key: pytest.approx(millimetres, abs=1e-9) for key in ("mean", "p95", "max")}


SIZES = (22, 20, 18), (25, 23, 21)


def test_there_and_back_by_displacements_is_what_itks_transforms_give():
    """Large fields that differ from place to place, each on the grid of its own image; a coarse grid between."""
    random = np.random.default_rng(0)
    grids = [Grid.of(with_moved_header(sitk.Image(size, sitk.sitkUInt8), rotation(degrees=20))) for size in SIZES]
    ways = []
    for grid, angle in zip(grids, (10, -10), strict=True):
        field = grid.image(random.normal(0, 1.5, (*grid.size[::-1], 3)), vector=True)
        ways.append(RegistrationTransform(affine_transform(rotation(degrees=angle), (1, 0, 0)), field))
    coarse = grids[0].subsampled(3)
    found = inverse_error(*ways, coarse, grids[1])
    index = np.argwhere(~np.isnan(found))
    assert len(index) > 100
    for z, y, x in index[::7]:
        point = coarse.world(np.array([x, y, z]))
        ended = ways[1].itk().TransformPoint(ways[0].itk().TransformPoint(point.tolist()))
        assert found[z, y, x] == pytest.approx(np.linalg.norm(ended - point), abs=1e-6)


def test_dice_and_spread_by_hand():
    a, b = np.array([1, 1, 2, 0]), np.array([1, 0, 2, 2])
    assert dice(a, b, 1) == pytest.approx(2 / 3)
    assert dice(a, b, 9) == 0
    assert summarise(np.array([0.0, 1.0, 2.0])) == {"mean": 1.0, "p95": pytest.approx(1.9), "max": 2.0}
    assert summarise(np.array([])) == {"mean": 0.0, "p95": 0.0, "max": 0.0}


@pytest.mark.slow
def test_explanations_join_the_folder_and_the_record(tmp_path, sample_result):
    sample_result.save(tmp_path / "r")
    ResultFolder.open(tmp_path / "r").add(
        Heatmaps(explain(sample_result, ["decoder", "encoder-fixed"], region=1, threads=1))
    )
    ResultFolder.open(tmp_path / "r").add(Heatmaps(explain(sample_result, ["encoder-fixed"], region=2, threads=1)))
    ResultFolder.open(tmp_path / "r").add(ComponentMotions(components(sample_result, 2, (-1.0, 0.0, 2.0), threads=1)))
    folder = ResultFolder.open(tmp_path / "r")
    jsonschema.validate(folder.record, SCHEMA)
    assert {row["stage"]: row["region"] for row in folder.record["heatmaps"]} == {
        "decoder": "segment 1",
        "encoder-fixed": "segment 2",
    }
    files = [row["file"] for row in folder.record["heatmaps"]]
    files += [row["file"] for item in folder.record["components"]["items"] for row in item["fields"]]
    assert all(folder.file(name) for name in files)
    assert folder.file("components/component-02/strength+2.00.nii.gz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r"]


@pytest.mark.slow
def test_a_component_moves_more_the_stronger_it_is_and_not_at_all_at_zero(sample_result):
    motion = components(sample_result, 1, (0.0, 0.5, 1.0, 2.0, -1.0), threads=1)[0]
    size = {s: np.linalg.norm(sitk.GetArrayViewFromImage(d), axis=-1).mean() for s, d in motion.displacements.items()}
    assert size[0.0] == 0
    assert 0.05 < size[0.5] < size[1.0] < size[2.0]
    there, back = (sitk.GetArrayViewFromImage(motion.displacements[s]) for s in (1.0, -1.0))
    assert np.abs(there + back).mean() < 0.2 * size[1.0]


def test_no_name_and_no_path_reaches_the_result(tmp_path, sample_result):
    image = sitk.Image(sample_result.fixed)
    image.SetMetaData("0010|0010", "DOE^JANE")
    image.SetMetaData("descrip", "DOE^JANE")
    register(image, sample_result.moving, threads=1).save(tmp_path / "r")
    for name, content in listing(tmp_path / "r").items():
        plain = gzip.decompress(content) if name.endswith(".gz") else content
        assert b"DOE" not in plain, name
        assert str(tmp_path).encode() not in plain, name
