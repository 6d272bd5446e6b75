"""`explain` on the sample pair with the shipped model: stages, regions, methods, scalars, and what cannot be asked."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner

import regexplain
import sample_pair
from equivalent_scans import reoriented
from regexplain import explain, register
from regexplain.cards import registry
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.progress import Progress
from regexplain.results.explanations import share_outside
from regexplain.results.folder import ResultFolder
from regexplain.results.registration_result import RegistrationResult
from regexplain.torch_backend.attribution.methods import integrated_gradients
from regexplain.torch_backend.attribution.target import motion_target
from regexplain.torch_backend.inference.model import Model
from regexplain.volumes.geometry import Grid
from regexplain.volumes.intensities import tissue_mask


@pytest.fixture
def real(sample_result) -> RegistrationResult:
    return sample_result


def test_every_stage_of_the_shipped_model_has_a_signed_map_on_its_own_image(real):
    maps = {heatmap.stage: heatmap for heatmap in explain(real, threads=1)}
    assert set(maps) == {"encoder-fixed", "encoder-moving", "decoder"}
    for stage, heatmap in maps.items():
        home = real.moving if stage == "encoder-moving" else real.fixed
        assert Grid.of(heatmap.image) == Grid.of(home)
        assert np.isfinite(sitk.GetArrayViewFromImage(heatmap.image)).all()
        assert heatmap.record["max_abs"] > 0
        assert heatmap.region == "all segments"


def test_every_map_says_how_much_of_its_heat_lies_in_air(real):
    for heatmap in explain(real, ["decoder", "encoder-moving"], threads=1):
        inside = tissue_mask(getattr(real, heatmap.grid))
        sizes = np.abs(sitk.GetArrayFromImage(heatmap.image))
        assert heatmap.record["air_share"] == pytest.approx(sizes[~inside].sum() / sizes.sum(), rel=1e-5)
        assert 0 < heatmap.record["air_share"] < 0.2
    (of_component, _) = explain(real, component=1, threads=1)
    assert 0 < of_component.record["air_share"] < 1
    assert share_outside(np.zeros(3), np.zeros(3, bool)) == 0.0
    assert share_outside(np.array([-3.0, 1.0, 4.0]), np.array([False, True, True])) == 0.375


@pytest.mark.slow
def test_the_region_changes_the_map(real):
    first, second = (explain(real, ["decoder"], region=label, threads=1)[0] for label in (1, 2))
    assert (first.region, first.region_label) == ("segment 1", 1)
    assert not np.allclose(*[sitk.GetArrayViewFromImage(h.image) for h in (first, second)])


@pytest.mark.slow
def test_without_a_segmentation_the_tissue_is_asked_about_and_not_the_air(real):
    bare = replace(real, fixed_segmentation=None)
    (without,), (masked,) = (
        explain(bare, ["decoder"], region=region, threads=1)
        for region in (None, Grid.of(real.fixed).image(tissue_mask(real.fixed).astype(np.uint8)))
    )
    assert (without.region, without.region_label) == ("all tissue", None)
    assert np.array_equal(*[sitk.GetArrayViewFromImage(h.image) for h in (without, masked)])


@pytest.mark.slow
def test_a_mask_of_a_segment_gives_the_segments_map(real):
    mask = reoriented(sample_pair.image("fixed_segmentation") == 1)
    by_mask, by_label = (explain(real, ["encoder-fixed"], region=r, threads=1)[0] for r in (mask, 1))
    assert np.array_equal(*[sitk.GetArrayViewFromImage(h.image) for h in (by_mask, by_label)])


def test_unknown_stages_and_regions_are_named_with_what_there_is(real):
    with pytest.raises(BadInputError, match="no stage 'nowhere'.*encoder-fixed, encoder-moving, decoder"):
        explain(real, ["nowhere"])
    with pytest.raises(BadInputError, match="no segment 9 .it has 1, 2."):
        explain(real, region=9)
    with pytest.raises(BadInputError, match="no method 'lime'; there are grad-cam, hirescam"):
        explain(real, method="lime", threads=1)
    with pytest.raises(BadInputError, match="no scalar 'right'; there are magnitude, left"):
        explain(real, scalar="right", threads=1)
    with pytest.raises(BadInputError, match="no stage and no region, method or scalar"):
        explain(real, component=1, method="hirescam", threads=1)


@pytest.mark.slow
def test_an_affine_registration_has_nothing_to_explain():
    small = sample_pair.image("fixed")[:12, :12, :12]
    with pytest.raises(BadInputError, match="affine only"):
        explain(register(small, small, threads=1))


@pytest.mark.slow
def test_maps_by_other_methods_of_other_scalars_stand_beside_the_usual_ones(real, tmp_path):
    real.save(tmp_path / "r")
    for how in ([], ["--method", "hirescam"], ["--method", "hirescam", "--scalar", "left"], ["--scalar", "left"], []):
        done = CliRunner().invoke(main, ["explain", str(tmp_path / "r"), "--stage", "decoder", *how, "--threads", "1"])
        assert done.exit_code == 0, done.output
    folder = ResultFolder.open(tmp_path / "r")
    schema = Path(regexplain.__file__).parent / "results/result.schema.json"
    jsonschema.validate(folder.record, json.loads(schema.read_text(encoding="utf-8")))
    rows = {row["file"]: (row["method"], row["scalar"]) for row in folder.record["heatmaps"]}
    assert rows == {
        "heatmaps/decoder.nii.gz": ("grad-cam", "magnitude"),
        "heatmaps/decoder.hirescam.nii.gz": ("hirescam", "magnitude"),
        "heatmaps/decoder.hirescam.left.nii.gz": ("hirescam", "left"),
        "heatmaps/decoder.left.nii.gz": ("grad-cam", "left"),
    }
    images = [sitk.GetArrayFromImage(sitk.ReadImage(str(folder.require(name)))) for name in rows]
    assert all(not np.allclose(a, b) for n, a in enumerate(images) for b in images[:n])


def test_any_module_of_the_shipped_model_can_be_asked(real):
    maps = explain(real, ["encoder.refine.1", "decoder.refine.0", "decoder"], threads=1)
    assert [(m.stage, m.grid) for m in maps] == [
        ("encoder.refine.1-fixed", "fixed"),
        ("encoder.refine.1-moving", "moving"),
        ("decoder.refine.0", "fixed"),
        ("decoder", "fixed"),
    ]
    *_, module, named = [sitk.GetArrayViewFromImage(m.image) for m in maps]
    assert np.array_equal(module, named)  # the decoder's stage is that very module, called once for both passes
    assert all(m.record["max_abs"] > 0 for m in maps)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_shipped_model_calls_a_shift_towards_a_direction_positive(axis):
    """Content that lies 3 mm further left in the moving volume was shifted towards left, and so on."""
    model = Model.load(registry.find_card("hippocampus"), "cpu")
    fixed = sample_pair.image("fixed")
    canvas = model.canvas(fixed)
    assert canvas.axes[axis].argmax() == axis  # towards left, posterior, superior
    volume = model.volume(fixed, canvas)
    region = torch.from_numpy(
        sitk.GetArrayFromImage(canvas.resample(sample_pair.image("fixed_segmentation"), nearest=True)) > 0
    ).float()
    values = {}
    for voxels in (3, -3):
        moved = volume.roll(voxels, 4 - axis)
        scalar = ("left", "posterior", "superior")[axis]
        question = motion_target(model.network, volume, moved, scalar, region, canvas.spacing)
        with torch.no_grad():
            values[voxels] = question.forward(volume, moved)[0].item()
    assert 1 < values[3] < 4 and -4 < values[-3] < -1


@pytest.mark.slow
def test_a_long_method_tells_how_far_it_is(real, monkeypatch):
    monkeypatch.setattr(integrated_gradients, "METHOD", integrated_gradients.IntegratedGradients(steps=3))

    class RecordingProgress(Progress):
        def __init__(self):
            self.steps = []

        def report(self, stage, done, total, numbers=None):
            self.steps.append((stage, done, total))

    progress = RecordingProgress()
    maps = explain(real, ["fixed"], method="integrated-gradients", threads=1, progress=progress)
    assert [m.file for m in maps] == ["heatmaps/fixed.integrated-gradients.nii.gz"]
    assert progress.steps == [("Integrating gradients", done, 3) for done in (1, 2, 3)]
