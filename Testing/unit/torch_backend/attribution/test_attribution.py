"""Attribution methods against numbers worked by hand, and heat that must lie where its cause is."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from bright_spot_scans import bright_spot_result, hottest_point
from regexplain.cards.heatmap_names import METHODS, SCALARS
from regexplain.errors import BadInputError
from regexplain.torch_backend.attribution import heatmaps as heatmaps_module
from regexplain.torch_backend.attribution.attribution import StageAttribution
from regexplain.torch_backend.attribution.heatmaps import heatmaps, resample_to_image
from regexplain.torch_backend.attribution.methods import attribution_method, occlusion
from regexplain.torch_backend.attribution.methods.integrated_gradients import IntegratedGradients
from regexplain.torch_backend.attribution.methods.occlusion import Occlusion
from regexplain.torch_backend.attribution.modules import split_calls
from regexplain.torch_backend.attribution.scalars import (
    AXES,
    EPS_MM,
    mean_along,
    mean_logit,
    mean_magnitude,
    synthesis_agreement,
)
from regexplain.torch_backend.attribution.target import Target, motion_target
from regexplain.torch_backend.networks.latent import LatentNetwork, RegistrationNetwork, RegistrationOutput
from regexplain.volumes.geometry import Grid, canvas_around

SPACING = (1.0, 2.0, 3.0)
GRADIENT_METHODS = ["grad-cam", "hirescam", "integrated-gradients"]


def test_magnitude_is_the_mean_length_in_millimetres_over_the_region():
    displacement, region = torch.zeros(1, 3, 2, 2, 2), torch.zeros(2, 2, 2)
    displacement[0, :, 0, 0, 0] = torch.tensor([3.0, 0.0, 2.0])
    region[0, 0, :] = 1
    assert mean_magnitude(displacement, region, (1.0, 1.0, 2.0)).item() == pytest.approx((5.0 + EPS_MM) / 2)


def test_each_axis_is_a_signed_mean_in_millimetres_along_the_patients_direction():
    """A canvas of a scan stored the other way round still points to left, posterior and superior."""
    scan = sitk.Image([8, 8, 8], sitk.sitkFloat32)
    scan.SetDirection((0, -1, 0, -1, 0, 0, 0, 0, -1))
    canvas = canvas_around(scan, (4, 4, 4), SPACING)
    assert np.allclose(canvas.axes, np.eye(3))  # LPS
    displacement = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 4, 4)
    found = [mean_along(axis, displacement, torch.ones(4, 4, 4), SPACING).item() for axis in AXES]
    assert found == pytest.approx([1.0, -4.0, 1.5])
    assert ["magnitude", *AXES] == list(SCALARS)


def test_the_scalars_of_synthesis_and_patches_by_hand():
    real, region = torch.zeros(1, 1, 2, 2, 4), torch.zeros(2, 2, 4)
    region[0, 0] = torch.tensor([1.0, 1.0, 0.0, 2.0])
    synthesised = real.clone()
    synthesised[0, 0, 0, 0] = torch.tensor([0.5, -0.5, 9.0, 1.0])
    assert synthesis_agreement(synthesised, real, region).item() == pytest.approx(-(0.5 + 0.5 + 2.0) / 4)
    assert mean_logit(torch.tensor([[[[[3.0, -1.0]]]]]), region).item() == pytest.approx((3.0 * 2 - 1.0 * 2) / 4)


class LinearNetwork(RegistrationNetwork):
    """Everything is linear and as fine as the canvas: each map's answer is known to the voxel.

    Activations A = (v, 1 − v); every voxel moves by the `weights` (2, D, H, W) times A(moving) − A(fixed), along x, and
    by twice and minus three times that along y and z.
    """

    stages = {"encoder-fixed": "fixed", "encoder-moving": "moving"}

    def __init__(self, weights: torch.Tensor, separately: bool = False):
        super().__init__()
        self.weights, self.separately = weights, separately
        self.encoder = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 1), torch.nn.Identity())
        self.encoder[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1, 1)
        self.encoder[0].bias.data = torch.tensor([0.0, 1.0])
        self.unused = torch.nn.Conv3d(1, 1, 1)
        self.requires_grad_(False)

    def forward(self, fixed, moving):
        if self.separately:
            f, m = self.encoder(fixed), self.encoder(moving)
        else:
            f, m = self.encoder(torch.cat([fixed, moving])).chunk(2)
        x = (self.weights * (m - f)).sum(1, keepdim=True)
        displacement = torch.cat([x, 2 * x, -3 * x], 1)
        return RegistrationOutput(displacement, -displacement, x, {"encoder-fixed": f, "encoder-moving": m})


@dataclass
class LinearCase:
    """A target about a LinearNetwork, and by hand ∂scalar/∂A (2, D, H, W) of the moving image; minus it of fixed."""

    target: Target
    gradient: torch.Tensor

    @classmethod
    def make(cls, scalar: str = "left", separately: bool = False) -> "LinearCase":
        torch.manual_seed(0)
        fixed, moving, weights, region = (torch.rand(n, 4, 6, 8) for n in (1, 1, 2, 1))
        moving[0, :2, :2, :2] = 0  # a black cube
        factor = {"left": 1 * SPACING[0], "posterior": 2 * SPACING[1], "superior": -3 * SPACING[2]}[scalar]
        network = LinearNetwork(weights, separately)
        target = motion_target(network, fixed[None], moving[None], scalar, region[0], SPACING)
        return cls(target, factor * weights * region / region.sum())

    def by_hand(self, method: str) -> dict[str, torch.Tensor]:
        found = {}
        for name, volume, sign in (("fixed", self.target.fixed, -1), ("moving", self.target.moving, 1)):
            v = volume[0, 0]
            activations, gradient = torch.stack([v, 1 - v]), sign * self.gradient
            voxels = (gradient[0] - gradient[1]) * v  # A changes with v by (1, −1)
            found[name] = {
                "hirescam": (gradient * activations).sum(0),
                "grad-cam": (gradient.mean((1, 2, 3), keepdim=True) * activations).sum(0),
                "integrated-gradients": voxels,
                "occlusion": torch.nn.functional.avg_pool3d(voxels[None], 2)[0]
                .mul(8)
                .repeat_interleave(2, 0)
                .repeat_interleave(2, 1)
                .repeat_interleave(2, 2),
            }[method]
        return found


@pytest.fixture
def small_cubes(monkeypatch):
    monkeypatch.setattr(occlusion, "METHOD", Occlusion(cube=2))


@pytest.mark.parametrize("scalar", AXES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_map_worked_by_hand(small_cubes, method, scalar):
    case = LinearCase.make(scalar)
    maps = {m.stage.removeprefix("encoder-"): m for m in attribution_method(method).maps(case.target)}
    expected = case.by_hand(method)
    assert {name: m.grid for name, m in maps.items()} == {"fixed": "fixed", "moving": "moving"}
    for name, m in maps.items():
        assert torch.allclose(m.values, expected[name], atol=1e-6), name
        assert m.values.abs().max() > 1e-3


def test_the_maps_of_the_inverse_explain_the_other_direction():
    case = LinearCase.make()
    asked = case.target
    region = torch.ones(asked.fixed.shape[2:])
    there, back = (
        motion_target(asked.network, asked.fixed, asked.moving, "left", region, SPACING, inverse)
        for inverse in (False, True)
    )
    for a, b in zip(*(attribution_method("hirescam").maps(q) for q in (there, back)), strict=True):
        assert a.stage == b.stage and torch.equal(a.values, -b.values)


@pytest.mark.parametrize("separately", [False, True])
@pytest.mark.parametrize("method", ["grad-cam", "hirescam"])
def test_a_module_gives_a_map_for_each_image_that_it_saw_together_or_one_by_one(method, separately):
    """A plain hook would keep the last call alone."""
    case = LinearCase.make(separately=separately)
    maps = attribution_method(method).maps(case.target, ["encoder.0"])
    expected = case.by_hand(method)
    assert [(m.stage, m.grid) for m in maps] == [("encoder.0-fixed", "fixed"), ("encoder.0-moving", "moving")]
    assert all(torch.allclose(m.values, expected[m.grid], atol=1e-6) for m in maps)
    [alone] = attribution_method(method).maps(case.target, ["encoder.0-moving"])
    assert alone.stage == "encoder.0-moving" and torch.equal(alone.values, maps[1].values)


def test_modules_and_named_stages_come_in_one_pass_in_the_order_asked():
    case = LinearCase.make()
    asked = ["encoder.0", "encoder-moving", "encoder.1-fixed"]
    stages = [m.stage for m in attribution_method("grad-cam").maps(case.target, asked)]
    assert stages == ["encoder.0-fixed", "encoder.0-moving", "encoder-moving", "encoder.1-fixed"]


def test_calls_are_divided_by_batch_or_by_turns():
    both, one = torch.arange(2.0), torch.arange(1.0)
    assert split_calls([both, both], 2) == [[torch.tensor([0.0])] * 2, [torch.tensor([1.0])] * 2]
    first, second, third, fourth = (one + n for n in range(4))
    assert split_calls([first, second, third, fourth], 2) == [[first, second], [third, fourth]]
    with pytest.raises(BadInputError, match="called 3 times cannot be shared among 2"):
        split_calls([one, one, one], 2)


@pytest.mark.parametrize(
    ("method", "stage", "complaint"),
    [
        ("grad-cam", "nowhere", "no stage 'nowhere'; the network has encoder-fixed, encoder-moving"),
        ("grad-cam", "encoder.0-decoder", "no stage 'encoder.0-decoder'"),
        ("grad-cam", "encoder.9", "no stage 'encoder.9'"),
        ("hirescam", "unused", "no stage 'unused'"),
        ("occlusion", "encoder-fixed", "explains the images fixed and moving"),
        ("integrated-gradients", "encoder.0", "explains the images fixed and moving"),
    ],
)
def test_a_stage_that_there_is_not_is_named(method, stage, complaint):
    with pytest.raises(BadInputError, match=complaint):
        attribution_method(method).maps(LinearCase.make().target, [stage])


def test_a_module_that_gives_no_features_is_named():
    network = LatentNetwork((4, 6)).requires_grad_(False)
    target = motion_target(network, *torch.rand(2, 1, 1, 8, 8, 8), "magnitude", torch.ones(8, 8, 8), SPACING)
    with pytest.raises(BadInputError, match="'encoder' gives no single volume of features"):
        attribution_method("grad-cam").maps(target, ["encoder"])
    with pytest.raises(BadInputError, match="no method 'guess'; there are grad-cam, hirescam"):
        attribution_method("guess")


def test_a_stage_beside_the_way_to_the_scalar_is_an_error_not_a_map_of_zeros():
    """A copy made of an activation after the network went on from it looks like it, and has no gradient."""
    target = LinearCase.make().target

    def forward(fixed, moving):
        value, stages = target.forward(fixed, moving)
        return value, {stage: activation * 1 for stage, activation in stages.items()}

    with pytest.raises(BadInputError, match="'encoder-fixed' has no part in what is explained"):
        attribution_method("hirescam").maps(replace(target, forward=forward))


def hooks_of(network: torch.nn.Module) -> list:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [hook for module in network.modules() for kind in kinds for hook in getattr(module, kind).values()]


def test_no_hook_is_left_after_use():
    target = LinearCase.make().target
    attribution_method("grad-cam").maps(target, ["encoder.0", "encoder.1"])
    assert hooks_of(target.network) == []


def test_no_hook_is_left_after_an_exception():
    target, there = LinearCase.make().target, []

    def failing(fixed, moving):
        target.network(fixed, moving)
        there.extend(hooks_of(target.network))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        attribution_method("hirescam").maps(replace(target, forward=failing), ["encoder.0", "encoder.1"])
    assert len(there) == 2 and hooks_of(target.network) == []


@pytest.fixture
def latent_network() -> LatentNetwork:
    torch.manual_seed(0)
    network = LatentNetwork((4, 6, 8)).requires_grad_(False)
    for weight in network.parameters():
        weight.data *= 2.5
    return network


def asked(network, fixed, moving, scalar="magnitude") -> Target:
    return motion_target(network, fixed, moving, scalar, torch.ones(fixed.shape[2:]), SPACING)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_explaining_twice_gives_the_same_map_bit_for_bit_and_swapping_another(latent_network, method):
    fixed, moving = torch.rand(2, 1, 1, 16, 16, 16)
    pairs = (fixed, moving), (fixed, moving), (moving, fixed)
    once, again, swapped = (attribution_method(method).maps(asked(latent_network, *pair)) for pair in pairs)
    for a, b, c in zip(once, again, swapped, strict=True):
        assert torch.equal(a.values, b.values)
        assert a.values.abs().max() > 0 and not torch.allclose(a.values, c.values)
    assert not torch.allclose(once[0].values, once[1].values)  # each stream has its own


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_an_identical_pair_has_maps_of_zeros(latent_network, method):
    volume = torch.rand(1, 1, 16, 16, 16)
    for m in attribution_method(method).maps(asked(latent_network, volume, volume)):
        assert not m.values.any(), m.stage


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_of_an_identical_pair_the_two_images_pull_a_direction_equally_and_against_each_other(latent_network, method):
    volume = torch.rand(1, 1, 16, 16, 16)
    fixed, moving, *decoder = attribution_method(method).maps(asked(latent_network, volume, volume, "left"))
    assert fixed.values.abs().max() > 0 and torch.allclose(fixed.values, -moving.values, atol=1e-6)
    assert all(m.values.abs().max() < 1e-6 for m in decoder)


def test_blackening_a_cube_of_one_of_two_identical_images_can_only_add_motion(latent_network, small_cubes):
    volume = torch.rand(1, 1, 8, 8, 8)
    for m in attribution_method("occlusion").maps(asked(latent_network, volume, volume)):
        assert (m.values <= 0).all() and m.values.any()


@pytest.mark.slow
def test_integrated_gradients_add_up_to_the_scalar_beyond_that_of_black_images(latent_network):
    target = asked(latent_network, *torch.rand(2, 1, 1, 16, 16, 16))
    black = torch.zeros_like(target.fixed)
    whole, nothing = (target.forward(*v)[0].item() for v in ((target.fixed, target.moving), (black, black)))
    found = sum(m.values.sum().item() for m in IntegratedGradients(steps=64).maps(target))
    assert abs(whole - nothing) > 1e-3
    assert found == pytest.approx(whole - nothing, rel=0.03)


def test_a_method_is_one_small_class():
    class Gradient(StageAttribution):
        def cells(self, activation, gradient):
            return gradient.sum((0, 1))

    case = LinearCase.make()
    _, moving = Gradient().maps(case.target)
    assert torch.allclose(moving.values, case.gradient.sum(0))


CELL = 4


class OneCellNetwork(RegistrationNetwork):
    """Its stages hold the mean intensity of each 4³ cell, and tissue moves towards left by twice that, in voxels."""

    stages = {"encoder-fixed": "fixed", "encoder-moving": "moving", "decoder": "fixed"}

    def __init__(self, towards: float = 2.0):
        super().__init__()
        self.towards = towards

    def forward(self, fixed, moving):
        cells = {"encoder-fixed": fixed, "encoder-moving": moving, "decoder": fixed}
        stages = {name: torch.nn.functional.avg_pool3d(v, CELL) for name, v in cells.items()}
        moves = self.towards * (stages["encoder-fixed"] + stages["encoder-moving"] + stages["decoder"])
        x = torch.nn.functional.interpolate(moves, size=fixed.shape[2:], mode="nearest")
        displacement = torch.cat([x, 0 * x, 0 * x], 1)
        return RegistrationOutput(displacement, -displacement, x, stages)


@dataclass
class OneCellModel:
    """A model whose heat is known: the hot cell is the bright one of the image it explains."""

    network: OneCellNetwork
    device: torch.device = torch.device("cpu")

    def canvas(self, fixed: sitk.Image, *_) -> Grid:
        return canvas_around(fixed, (16, 16, 16), (2.0, 2.0, 2.0))

    def volume(self, image, canvas, alignment=None):
        return torch.from_numpy(sitk.GetArrayFromImage(canvas.resample(image, alignment)))[None, None]


@pytest.fixture
def cell_cubes(monkeypatch):
    monkeypatch.setattr(occlusion, "METHOD", Occlusion(cube=CELL))


def check_heat_lies_on_its_cause(method: str, scalar: str = "magnitude") -> None:
    """Spots in the middle of cell (2, 1, 2), x, y, z; oblique, anisotropic scans under an alignment that turns."""
    result, at = bright_spot_result([9.5, 5.5, 9.5], [9.5, 5.5, 9.5])
    everywhere = result.fixed >= 0
    model = OneCellModel(OneCellNetwork())
    found = heatmaps(model, result, [], everywhere, "whole image", None, method, scalar)
    assert {heatmap.grid for heatmap in found} == {"fixed", "moving"}
    for heatmap in found:
        assert np.linalg.norm(hottest_point(heatmap.image) - at[heatmap.grid]) < 1.0, heatmap.stage


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scalar", ["magnitude", "left"])
def test_heat_lies_on_its_cause_in_both_scans(cell_cubes, method, scalar):
    check_heat_lies_on_its_cause(method, scalar)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "wrong",
    [
        *(lambda cells, a=a: np.roll(cells, CELL, a) for a in range(3)),
        *(lambda cells, a=a: np.flip(cells, a) for a in range(3)),
        lambda cells: np.roll(cells, CELL // 2, 2),  # what sampling with another corner convention does
    ],
    ids=["one cell in z", "in y", "in x", "z flipped", "y flipped", "x flipped", "half a cell"],
)
def test_heat_in_a_wrong_place_is_noticed(cell_cubes, monkeypatch, method, wrong):
    monkeypatch.setattr(
        heatmaps_module, "resample_to_image", lambda cells, *where: resample_to_image(wrong(cells), *where)
    )
    with pytest.raises(AssertionError):
        check_heat_lies_on_its_cause(method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("towards", "sign"), [(2.0, 1), (-2.0, -1)])
def test_a_shift_towards_left_is_warm_where_left_is_explained_and_one_towards_right_is_cool(
    cell_cubes, method, towards, sign
):
    result, _ = bright_spot_result([9.5, 5.5, 9.5], [9.5, 5.5, 9.5])
    model = OneCellModel(OneCellNetwork(towards))
    for heatmap in heatmaps(model, result, [], result.fixed >= 0, "whole image", None, method, "left"):
        values = sitk.GetArrayViewFromImage(heatmap.image)
        assert sign * values.flat[np.abs(values).argmax()] > 0, heatmap.stage
        assert (heatmap.method, heatmap.scalar) == (method, "left")


def test_a_map_is_the_activation_times_its_mean_gradient():
    """Everything moves, so the scalar, the mean of 2a, has gradient 2/64 in each of 64 cells: the map is a · 2/64."""
    fixed = torch.full((1, 1, 16, 16, 16), 0.5)
    fixed[..., :CELL, :CELL, :CELL] = 1.0
    target = motion_target(OneCellNetwork(), fixed, fixed, "magnitude", torch.ones(16, 16, 16), (1.0, 1.0, 1.0))
    [heat] = attribution_method("grad-cam").maps(target, ["encoder-fixed"])
    assert heat.values[0, 0, 0].item() == pytest.approx(1.0 * 2 / 64, rel=1e-4)
    assert heat.values[-1, -1, -1].item() == pytest.approx(0.5 * 2 / 64, rel=1e-4)
