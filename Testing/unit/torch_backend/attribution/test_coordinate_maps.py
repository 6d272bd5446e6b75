"""What makes a coordinate large: exact sums, and heat that must lie where the only change is."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import regexplain
import sample_pair
from bright_spot_scans import bright_spot_result
from regexplain import explain
from regexplain.cards import registry
from regexplain.cards.stages import component_of, coordinate_stage
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.latent.components import LatentComponents
from regexplain.results.folder import ResultFolder
from regexplain.torch_backend.attribution import coordinate_maps as maps_module
from regexplain.torch_backend.attribution.coordinate_maps import contributions, coordinate_maps, distribute
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.spatial.warp import warp
from regexplain.volumes.geometry import Grid, canvas_around

SHAPE, CELL = (4, 5, 3), 4


def random_components(seed: int, channels: int = 3, shape=SHAPE, count: int = 2) -> LatentComponents:
    random = np.random.default_rng(seed)
    size = channels * int(np.prod(shape))
    basis = np.linalg.qr(random.normal(size=(size, count)))[0].T
    return LatentComponents(basis, random.normal(size=size), random.uniform(0.5, 3, count), np.full(count, 0.1))


@given(st.integers(0, 1000))
def test_the_cells_and_the_voxels_of_a_map_sum_to_the_coordinate(seed):
    components = random_components(seed)
    latent = torch.from_numpy(np.random.default_rng(seed + 1).normal(size=(1, 3, *SHAPE)))
    coordinates = components.coordinates(latent.flatten().numpy())
    for index, coordinate in enumerate(coordinates):
        cells = contributions(latent, components, index)
        voxels = distribute(cells, [n * CELL for n in SHAPE])
        assert cells.shape == SHAPE and voxels.shape == tuple(n * CELL for n in SHAPE)
        assert cells.sum().item() == pytest.approx(coordinate, abs=1e-9)
        assert voxels.sum().item() == pytest.approx(coordinate, abs=1e-9)


def test_a_change_in_one_cell_changes_the_map_there_alone_and_by_its_weight():
    components = random_components(3)
    latent = torch.zeros(1, 3, *SHAPE, dtype=torch.float64)
    changed = latent.clone()
    changed[0, 1, 2, 3, 1] += 5.0
    change = contributions(changed, components, 1) - contributions(latent, components, 1)
    expected = 5.0 * components.basis[1].reshape(3, *SHAPE)[1, 2, 3, 1] / components.sd[1]
    assert change[2, 3, 1].item() == pytest.approx(expected)
    assert (change != 0).sum() == 1


class CellMeans(torch.nn.Module):
    """Encodes each 4³ cell of the canvas by its mean intensity."""

    def encode(self, volume):
        return torch.nn.functional.avg_pool3d(volume, CELL)


@dataclass
class CellModel:
    """A model whose first component is every cell alike and whose population is dark: heat lies where it is bright."""

    network: CellMeans = field(default_factory=CellMeans)
    device: torch.device = torch.device("cpu")
    components = LatentComponents(np.full((1, 64), 1 / 8), np.zeros(64), np.ones(1), np.ones(1))

    def canvas(self, fixed: sitk.Image, *_) -> Grid:
        return canvas_around(fixed, (16, 16, 16), (2.0, 2.0, 2.0))

    def volume(self, image, canvas, alignment=None):
        return torch.from_numpy(sitk.GetArrayFromImage(canvas.resample(image, alignment)))[None, None]


def check_heat_lies_on_its_cause() -> None:
    """Spots in the middles of different cells."""
    result, spots = bright_spot_result([9.5, 5.5, 9.5], [5.5, 9.5, 5.5])
    for heatmap in coordinate_maps(CellModel(), result, 1):
        values = sitk.GetArrayFromImage(heatmap.image).astype(float)
        values[values < 0.6 * values.max()] = 0
        index = [(i * values).sum() / values.sum() for i in np.indices(values.shape)[::-1]]
        assert heatmap.stage == f"component-01-{heatmap.grid}"
        assert np.linalg.norm(Grid.of(heatmap.image).world(np.array(index)) - spots[heatmap.grid]) < 1.0, heatmap.grid


def test_heat_lies_on_its_cause_in_both_scans():
    check_heat_lies_on_its_cause()


@pytest.mark.parametrize(
    "wrong",
    [
        *(lambda cells, a=a: cells.roll(1, a) for a in range(3)),
        *(lambda cells, a=a: cells.flip(a) for a in range(3)),
    ],
)
def test_heat_in_another_cell_is_noticed(monkeypatch, wrong):
    monkeypatch.setattr(maps_module, "contributions", lambda *a: wrong(contributions(*a)))
    with pytest.raises(AssertionError):
        check_heat_lies_on_its_cause()


def test_heat_shifted_by_half_a_cell_is_noticed(monkeypatch):
    monkeypatch.setattr(maps_module, "distribute", lambda *a: distribute(*a).roll(CELL // 2, 2))
    with pytest.raises(AssertionError):
        check_heat_lies_on_its_cause()


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(registry.find_card("hippocampus"), "cpu")


def test_the_shipped_models_maps_point_at_the_only_change(model):
    """A bump of 4 mm at places spread over the sample's segmentation: most maps must change most within one cell."""
    canvas = model.canvas(sample_pair.image("fixed"))
    volume = model.volume(sample_pair.image("fixed"), canvas)
    labels = sitk.GetArrayFromImage(canvas.resample(sample_pair.image("fixed_segmentation"), nearest=True))
    voxels = np.argwhere(labels > 0)
    index = np.moveaxis(np.indices(labels.shape), 0, -1)
    hits = []
    with torch.inference_mode():
        before = model.network.encode(volume)
        for place in voxels[:: len(voxels) // 8][1:8]:
            bump = np.exp(-((index - place) ** 2).sum(-1) / (2 * 4.0**2))
            u = torch.from_numpy(np.stack([0 * bump, 3.2 * bump, 2.4 * bump])[None]).float()
            after = model.network.encode(warp(volume, u))
            for component in range(4):
                change = [contributions(e, model.components, component) for e in (before, after)]
                voxel = distribute(change[1] - change[0], labels.shape).abs().argmax().item()
                hits.append(np.linalg.norm(np.unravel_index(voxel, labels.shape) - place) <= 8)
    assert np.mean(hits) > 0.45, f"{sum(hits)} of {len(hits)}; a blind guess in the segmentation hits about one in five"


@pytest.mark.slow
def test_the_maps_of_the_pair_join_the_folder_beside_the_others(sample_result, tmp_path):
    sample_result.save(tmp_path / "r")
    for arguments in (["--stage", "decoder"], ["--component", "3"]):
        done = CliRunner().invoke(main, ["explain", str(tmp_path / "r"), *arguments, "--threads", "1"])
        assert done.exit_code == 0, done.output
    folder = ResultFolder.open(tmp_path / "r")
    schema = Path(regexplain.__file__).parent / "results/result.schema.json"
    jsonschema.validate(folder.record, json.loads(schema.read_text(encoding="utf-8")))
    stages = [row["stage"] for row in folder.record["heatmaps"]]
    assert stages == ["decoder", "component-03-fixed", "component-03-moving"]
    for row in folder.record["heatmaps"][1:]:
        home = sample_result.fixed if row["grid"] == "fixed" else sample_result.moving
        image = sitk.ReadImage(str(folder.require(row["file"])))
        assert image.GetSize() == home.GetSize() and row["max_abs"] > 0 and row["region"] == "whole image"
    report = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "Component 3 in the fixed image" in report and "Component 3 in the moving image" in report


def test_what_cannot_be_asked_is_said_in_one_sentence(sample_result):
    with pytest.raises(BadInputError, match="no component 99; the model hippocampus has 1 to 32"):
        explain(sample_result, component=99, threads=1)
    with pytest.raises(BadInputError, match="no stage and no region"):
        explain(sample_result, ["decoder"], component=1, threads=1)
    with pytest.raises(BadInputError, match="no stage and no region"):
        explain(sample_result, region=1, component=1, threads=1)


def test_a_stage_tells_its_component():
    assert component_of(coordinate_stage(3, "moving")) == 3 and coordinate_stage(3, "moving") == "component-03-moving"
    assert component_of("encoder-fixed") is None and component_of("component-03") is None
