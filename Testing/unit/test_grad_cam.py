"""Grad-CAM against numbers worked by hand, and heat that must lie where its cause is."""

from dataclasses import dataclass

import numpy as np
import pytest
import SimpleITK as sitk
import torch

import sample_pair
from regexplain import explain, register
from regexplain.attribution import heatmaps as heatmaps_module
from regexplain.attribution.grad_cam import EPS_MM, grad_cam, mean_magnitude
from regexplain.attribution.heatmaps import heatmaps
from regexplain.errors import BadInputError
from regexplain.geometry import Grid, canvas_about
from regexplain.networks.latent import LatentNetwork, RegistrationOutput
from regexplain.results.registration_result import RegistrationResult
from scan_copies import reordered
from spotted_scans import spotted_result

SHAPE = (16, 16, 16)
CELL = 4


class OneCellNetwork(torch.nn.Module):
    """Its only stage holds the mean intensity of each 4³ cell, and tissue moves along x by twice that, in voxels."""

    def forward(self, fixed, moving):
        cells = {"encoder-fixed": fixed, "encoder-moving": moving, "decoder": fixed}
        stages = {name: torch.nn.functional.avg_pool3d(v, CELL) for name, v in cells.items()}
        moves = 2 * (stages["encoder-fixed"] + stages["encoder-moving"] + stages["decoder"])
        x = torch.nn.functional.interpolate(moves, size=fixed.shape[2:], mode="nearest")
        displacement = torch.cat([x, 0 * x, 0 * x], 1)
        return RegistrationOutput(displacement, -displacement, x, stages)


def test_the_scalar_is_the_mean_length_in_millimetres_over_the_region():
    displacement = torch.zeros(1, 3, 2, 2, 2)
    displacement[0, :, 0, 0, 0] = torch.tensor([3.0, 0.0, 2.0])
    region = torch.zeros(2, 2, 2)
    region[0, 0, :] = 1
    output = RegistrationOutput(displacement, -displacement, displacement)
    assert mean_magnitude(output, region, (1.0, 1.0, 2.0)).item() == pytest.approx((5.0 + EPS_MM) / 2)


def test_a_map_is_the_activation_times_its_mean_gradient():
    """Everything moves, so the scalar, the mean of 2a, has gradient 2/64 in each of 64 cells: the map is a · 2/64."""
    fixed = torch.full((1, 1, *SHAPE), 0.5)
    fixed[..., :CELL, :CELL, :CELL] = 1.0
    heat = grad_cam(OneCellNetwork(), fixed, fixed, torch.ones(SHAPE), (1.0, 1.0, 1.0), ["encoder-fixed"])[
        "encoder-fixed"
    ]
    assert heat[0, 0, 0].item() == pytest.approx(1.0 * 2 / 64, rel=1e-4)
    assert heat[-1, -1, -1].item() == pytest.approx(0.5 * 2 / 64, rel=1e-4)


def test_each_stream_of_the_shared_encoder_gets_its_own_map():
    torch.manual_seed(0)
    network = LatentNetwork((4, 6, 8)).requires_grad_(False)
    for weight in network.parameters():
        weight.data *= 2.5
    fixed, moving = torch.rand(1, 1, *SHAPE), torch.rand(1, 1, *SHAPE)
    stages = ["encoder-fixed", "encoder-moving", "decoder"]
    maps = grad_cam(network, fixed, moving, torch.ones(SHAPE), (1.0, 1.0, 1.0), stages)
    again = grad_cam(network, fixed, moving, torch.ones(SHAPE), (1.0, 1.0, 1.0), stages)
    swapped = grad_cam(network, moving, fixed, torch.ones(SHAPE), (1.0, 1.0, 1.0), stages)
    assert all(torch.equal(maps[s], again[s]) for s in stages)
    assert maps["encoder-fixed"].abs().max() > 0
    assert not torch.allclose(maps["encoder-fixed"], maps["encoder-moving"])
    assert not torch.allclose(maps["encoder-fixed"], swapped["encoder-fixed"])


@dataclass
class OneCellModel:
    """A model whose heat is known: the hot cell is the bright one of the image it explains."""

    network: OneCellNetwork
    device: torch.device = torch.device("cpu")

    def canvas(self, fixed: sitk.Image) -> Grid:
        return canvas_about(fixed, (16, 16, 16), (2.0, 2.0, 2.0))

    def volume(self, image, canvas, alignment=None):
        return torch.from_numpy(sitk.GetArrayFromImage(canvas.sample(image, alignment)))[None, None]


def check_heat_lies_on_its_cause() -> None:
    """Spots in the middle of cell (2, 1, 2), x, y, z."""
    result, at = spotted_result([9.5, 5.5, 9.5], [9.5, 5.5, 9.5])
    spots = {"encoder-fixed": at["fixed"], "encoder-moving": at["moving"], "decoder": at["fixed"]}
    everywhere = result.fixed >= 0
    for heatmap in heatmaps(OneCellModel(OneCellNetwork()), result, list(spots), everywhere, "whole image", None):
        values = np.maximum(sitk.GetArrayFromImage(heatmap.image).astype(float), 0)
        values[values < 0.6 * values.max()] = 0
        weights = values.transpose(2, 1, 0)
        index = np.array(
            [
                (weights.sum(tuple(a for a in range(3) if a != axis)) * np.arange(n)).sum() / weights.sum()
                for axis, n in enumerate(weights.shape)
            ]
        )
        hot = Grid.of(heatmap.image).world(index)
        assert np.linalg.norm(hot - spots[heatmap.stage]) < 1.0, heatmap.stage


def test_heat_lies_on_its_cause_in_fixed_and_moving_space():
    check_heat_lies_on_its_cause()


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, -1, 0), (0, 0, 1)])
def test_heat_shifted_by_one_cell_is_noticed(monkeypatch, shift):
    def shifted(*arguments):
        return {
            stage: cells.roll([s * CELL for s in shift], (0, 1, 2)) for stage, cells in grad_cam(*arguments).items()
        }

    monkeypatch.setattr(heatmaps_module, "grad_cam", shifted)
    with pytest.raises(AssertionError):
        check_heat_lies_on_its_cause()


def test_heat_shifted_by_half_a_cell_is_noticed(monkeypatch):
    """What sampling with another corner convention does."""
    monkeypatch.setattr(
        heatmaps_module, "grad_cam", lambda *a: {s: c.roll(CELL // 2, 2) for s, c in grad_cam(*a).items()}
    )
    with pytest.raises(AssertionError):
        check_heat_lies_on_its_cause()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_heat_with_a_flipped_axis_is_noticed(monkeypatch, axis):
    monkeypatch.setattr(heatmaps_module, "grad_cam", lambda *a: {s: c.flip(axis) for s, c in grad_cam(*a).items()})
    with pytest.raises(AssertionError):
        check_heat_lies_on_its_cause()


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


def test_the_region_changes_the_map(real):
    first, second = (explain(real, ["decoder"], region=label, threads=1)[0] for label in (1, 2))
    assert (first.region, first.region_label) == ("segment 1", 1)
    assert not np.allclose(*[sitk.GetArrayViewFromImage(h.image) for h in (first, second)])


def test_a_mask_of_a_segment_gives_the_segments_map(real):
    mask = reordered(sample_pair.image("fixed_segmentation") == 1)
    by_mask, by_label = (explain(real, ["encoder-fixed"], region=r, threads=1)[0] for r in (mask, 1))
    assert np.array_equal(*[sitk.GetArrayViewFromImage(h.image) for h in (by_mask, by_label)])


def test_unknown_stages_and_regions_are_named_with_what_there_is(real):
    with pytest.raises(BadInputError, match="no stage 'nowhere'.*encoder-fixed, encoder-moving, decoder"):
        explain(real, ["nowhere"])
    with pytest.raises(BadInputError, match="no segment 9 .it has 1, 2."):
        explain(real, region=9)


def test_an_affine_registration_has_nothing_to_explain():
    small = sample_pair.image("fixed")[:12, :12, :12]
    with pytest.raises(BadInputError, match="affine only"):
        explain(register(small, small, threads=1))
