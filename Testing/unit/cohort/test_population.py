"""What a cohort with a planted motion has in common is that motion, named, and it goes with the planted group alone."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("scipy")
pytest.importorskip("vl_convert")

from regexplain.cohort.associations import Column, associations, voxelwise
from regexplain.cohort.group import write_group
from regexplain.cohort.pairs import Pair, Pairs
from regexplain.cohort.population import population
from regexplain.cohort.settings import Settings
from regexplain.cohort.study import Plan, Study
from regexplain.cohort.template import exponential, logarithm
from regexplain.cohort.work import attempt, register_pair
from regexplain.errors import BadInputError
from regexplain.results.folder import ResultFolder
from regexplain.transforms.itk import grid_points
from regexplain.volumes.geometry import Grid

GRID = Grid((14, 18, 13), (2.8, 2.7, 3.4), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
PAIRS = 14
TURN_DEG = 8.0  # of the second half, about +S
pytestmark = pytest.mark.slow


def smooth(random: np.random.Generator) -> np.ndarray:
    """(z, y, x, 3), mm: nobody is like another."""
    phases, waves = random.uniform(0, 6.3, (3, 3)), grid_points(GRID) / 25
    return 0.25 * np.stack([np.sin(waves + phase).sum(-1) for phase in phases], -1)


def turned() -> np.ndarray:
    angle = np.radians(TURN_DEG)
    matrix = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return (grid_points(GRID) - GRID.centre) @ (matrix - np.eye(3)).T


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Transforms made elsewhere of one ellipsoid, of which every other one turns."""
    folder, random = tmp_path_factory.mktemp("cohort"), np.random.default_rng(0)
    inside = (((grid_points(GRID) - GRID.centre) / (14, 18, 17)) ** 2).sum(-1) < 1
    image = GRID.image((100 * inside + random.normal(0, 2, inside.shape)).astype(np.float32))
    sitk.WriteImage(image, str(folder / "atlas.nii.gz"))
    pairs = Pairs()
    for index in range(PAIRS):
        name, turns = f"p{index:02d}", index % 2
        sitk.WriteImage(GRID.image(smooth(random) + turns * turned(), vector=True), str(folder / f"{name}.nrrd"))
        files = {"fixed": "atlas.nii.gz", "moving": "atlas.nii.gz", "transform": f"{name}.nrrd"}
        columns = {
            "group": ("still", "turned")[turns],
            "shuffled": "ab"[(index // 2) % 2],
            "age": f"{50 + 20 * turns + random.normal():.1f}",
            "name": name,
        }
        pairs.usable.append(Pair(name, {role: str(folder / file) for role, file in files.items()}, columns))
    made = Study(folder / "study")
    made.results.mkdir(parents=True)
    plan = Plan.of(made, pairs, Settings("none"))
    assert [attempt(job, register_pair) for job in plan.jobs] == [None] * PAIRS
    write_group(made, pairs.usable, Plan(done=pairs.usable))
    return made.path


@pytest.fixture(scope="module")
def found(study):
    return population(study, "displacement", 3, ["group", "shuffled", "age"], permutations=999, template=True)


def row(found, column, component=1):
    [told] = [row for row in found.associations if (row["column"], row["component"]) == (column, component)]
    return told


def test_the_planted_turn_is_the_first_component_and_has_its_size(found):
    sign = np.sign(row(found, "group")["value"])  # of a component: either is as good
    planted = TURN_DEG / 2  # half of all turn: the SD of 0 and 1 is a half, with n - 1 a little more
    assert sign * found.motions[0].motion.rotation_vector_deg[2] == pytest.approx(planted, rel=0.1)
    assert found.motions[0].name.startswith(f"turns anterior towards {'left' if sign > 0 else 'right'} by 4.")
    assert found.motions[0].explained_variance > 0.5


def test_it_goes_with_the_planted_group_and_not_with_a_shuffled_one(found):
    assert row(found, "group")["p_corrected"] < 0.01 and abs(row(found, "group")["value"]) > 1.5
    assert all(row(found, "shuffled", k)["p_corrected"] > 0.05 for k in (1, 2, 3))
    assert row(found, "age")["statistic"] == "correlation" and abs(row(found, "age")["value"]) > 0.9
    assert "name" not in {told["column"] for told in found.associations}


def test_what_it_writes_is_a_result_with_components(study, found):
    folder = ResultFolder.open(study / "population")
    assert [item["index"] for item in folder.record["components"]["items"]] == [1, 2, 3]
    assert folder.file("report.html") and folder.file("template.nii.gz")
    mean = folder.record["transform"]["motion"]
    assert mean["rotation_vector_deg"][2] == pytest.approx(TURN_DEG / 2, rel=0.05)
    with open(study / "population" / "scores.tsv", newline="") as stream:
        scores = [float(line["component_1_sd"]) for line in csv.DictReader(stream, delimiter="\t")]
    assert np.std(scores, ddof=1) == pytest.approx(1, abs=1e-3)
    schema = pytest.importorskip("jsonschema")
    from regexplain.results import folder as module

    told = json.loads((module.Path(module.__file__).parent / "result.schema.json").read_text())
    schema.validate(folder.record, told)


def test_volume_is_found_to_change_nowhere_by_a_turn(study, found):
    """A turn keeps volumes, so no voxel's p is small; the maps lie on the fixed image."""
    p = sitk.ReadImage(str(study / "population" / "log-jacobian-01-p.nii.gz"))
    assert Grid.of(p).size == GRID.size and sitk.GetArrayViewFromImage(p).min() > 0.01


def test_in_blocks_the_components_are_the_same(study, found):
    again = population(study, "displacement", 3, memory=3e6)
    assert np.allclose(again.scores, found.scores, atol=1e-3)


def test_log_jacobian_components_are_named_by_what_moves_with_them(study):
    told = population(study, "log-jacobian", 2, permutations=99)
    assert all(motion.motion.rms_mm > 0 for motion in told.motions)


def test_latent_differences_need_one_model_and_one_column_that_is_there(study):
    with pytest.raises(BadInputError, match="one model with a latent space"):
        population(study, "latent", 2)
    with pytest.raises(BadInputError, match="has no column sex"):
        population(study, "displacement", 2, ["sex"])
    with pytest.raises(BadInputError, match="cannot be tested"):
        population(study, "displacement", 2, ["name"])
    with pytest.raises(BadInputError, match="is no study"):
        population(study.parent, "displacement", 2)


def test_the_exponential_undoes_the_logarithm():
    field = smooth(np.random.default_rng(3)) + turned()
    velocity = logarithm(field, GRID)
    inner = np.s_[3:-3, 3:-3, 3:-3]
    assert np.abs(exponential(velocity, GRID) - field)[inner].max() < 0.1
    generator = np.radians(TURN_DEG) * np.cross([0, 0, 1], grid_points(GRID) - GRID.centre)
    assert np.abs(logarithm(turned(), GRID) - generator)[inner].max() < 0.05


def test_more_groups_than_two_are_compared_at_once():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 12)
    scores = np.stack([labels + random.normal(0, 0.3, 36), random.normal(size=36)], 1)
    first, second = associations(scores, Column("site", [f"s{k}" for k in labels]), 499, 0)
    assert first["statistic"] == "F" and first["p_corrected"] == pytest.approx(2 / 500) and second["p"] > 0.05


def test_a_voxel_that_differs_is_found_and_its_neighbours_are_not():
    pytest.importorskip("nilearn")
    random, tested = np.random.default_rng(1), np.repeat([0.0, 1.0], 10)
    values = random.normal(size=(20, 50)).astype(np.float32)
    values[:, 7] += 4 * tested
    t, p = voxelwise(values, tested, 500, 0)
    assert t[7] > 5 and p[7] < 0.01 and np.delete(p, 7).min() > 0.05
