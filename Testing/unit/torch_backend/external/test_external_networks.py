"""Networks of other frameworks: what they answer arrives in mm, and what explains them lies where its cause does."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from bright_spot_scans import bright_spot, hottest_point
from equivalent_scans import points_in, transform_points
from external_models import (
    SIZE,
    SPACING,
    ShiftFinder,
    allowed,
    canvas_translation,
    framework_networks,
    imported,
    moved_spot_pair,
    own_class,
    translating,
    write_draft,
)
from regexplain import explain, register
from regexplain.cards import registry
from regexplain.cards.external import CHOICES
from regexplain.torch_backend.attribution.methods import attribution_method, occlusion
from regexplain.torch_backend.attribution.methods.occlusion import Occlusion
from regexplain.torch_backend.attribution.target import motion_target
from regexplain.torch_backend.external.convention import Convention
from regexplain.torch_backend.external.network import ExternalNetwork, OneWayOutput, from_corners
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.spatial.warp import compose

FRAMEWORKS = "voxelmorph", "monai-pair", "monai-concatenated", "icon"
IDENTITY = sitk.AffineTransform(3)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    allowed(monkeypatch, tmp_path / "home")


def moved(result, fixed):
    points = points_in(fixed, 30, margin=0.3)
    return transform_points(result.transform.itk(), points) - points


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_known_translation_arrives_in_mm_on_an_oblique_anisotropic_pair(framework, tmp_path):
    network = framework_networks()[framework]
    imported(write_draft(tmp_path, network, translating(framework, network)))
    fixed, moving, _ = moved_spot_pair((3.0, -2.0, 1.0))
    result = register(fixed, moving, "mine", initial_transform=IDENTITY, device="cpu")
    wanted = canvas_translation(fixed)
    assert np.linalg.norm(wanted) > 5
    assert np.abs(moved(result, fixed) - wanted).max() < 0.02
    assert result.record["model"]["name"] == "mine"


READINGS = [
    dict(zip(CHOICES, values, strict=True))
    for values in product(*CHOICES.values())
    if values.count("coordinates") + (values[2] != "voxels") + (values[3] == "reversed") + (values[0][0] == "f") <= 2
]


@pytest.mark.parametrize("axes", ["SPL", "RAS", "LIP"])
@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: " ".join(reading.values()))
def test_every_convention_says_the_same_of_the_same_pair(reading, axes):
    """A network that finds a shift, in any axes, answers it in every convention; all are read as the same vector."""
    order = ["SPL".index(letter) if letter in "SPL" else "IAR".index(letter) for letter in axes]
    spacing = [SPACING[::-1][axis] for axis in order]
    network = ExternalNetwork(
        ShiftFinder(**reading, spacing=spacing),
        Convention(**reading, axes=axes, spacing=tuple(SPACING)),
        {},
        "finder",
    )
    fixed, moving = torch.zeros(2, 1, 1, *SIZE[::-1])
    fixed[0, 0, 10, 9, 7], moving[0, 0, 13, 7, 8] = 1, 1  # z, y, x
    with torch.no_grad():
        output = network(fixed, moving)
    assert torch.allclose(output.displacement[0, :, 5, 5, 5], torch.tensor([1.0, -2.0, 3.0]), atol=1e-3)
    assert torch.allclose(output.displacement.amax((2, 3, 4)), output.displacement.amin((2, 3, 4)), atol=1e-3)


def test_the_inverse_is_the_answer_the_other_way_round_and_its_consistency_is_measured(tmp_path):
    imported(write_draft(tmp_path, own_class("ShiftFinder")))
    fixed, moving, _ = moved_spot_pair((3.0, -2.0, 1.0))
    result = register(fixed, moving, "mine", initial_transform=IDENTITY, device="cpu")
    assert np.abs(moved(result, fixed) - (3.0, -2.0, 1.0)).max() < 0.15
    assert result.record["inverse_consistency_mm"]["mean"] < 0.05
    translated = framework_networks()["voxelmorph"]
    imported(write_draft(tmp_path, translated, translating("voxelmorph", translated), "one-sided"))
    one_sided = register(fixed, moving, "one-sided", initial_transform=IDENTITY, device="cpu")
    both = 2 * np.linalg.norm(canvas_translation(fixed))  # the same translation both ways does not undo itself
    assert one_sided.record["inverse_consistency_mm"]["mean"] == pytest.approx(both, rel=0.02)


def test_a_network_to_which_each_image_is_resized_by_itself_sees_both_whole(tmp_path):
    """Of a moving scan of another size, shape and place in the world the spot at the same share of the box is met."""
    canvas = {"size": SIZE, "fits": "image"}
    imported(write_draft(tmp_path, own_class("ShiftFinder"), canvas=canvas, alignment="stretched"))
    grids = sitk.Image([20, 24, 28], sitk.sitkFloat32), sitk.Image([30, 18, 22], sitk.sitkFloat32)
    grids[1].SetSpacing((1.3, 2.2, 1.9))
    grids[1].SetOrigin((4.0, -3.0, 6.0))
    places = [np.array(g.TransformContinuousIndexToPhysicalPoint([0.55 * n - 0.5 for n in g.GetSize()])) for g in grids]
    fixed, moving = (bright_spot(at, grid) for at, grid in zip(places, grids, strict=True))
    result = register(fixed, moving, "mine", device="cpu")
    assert result.record["alignment"]["kind"] == "stretched"
    assert np.linalg.norm(transform_points(result.transform.itk(), [places[0]])[0] - places[1]) < 0.7


@pytest.mark.parametrize("corners", [False, True], ids=["pooled", "strided"])
@pytest.mark.parametrize("method", ["grad-cam", "hirescam"])
@pytest.mark.parametrize("stage", ["main", "layer", "layer by its path alone"])
def test_the_heat_of_a_planted_layer_lies_on_its_cause(corners, method, stage, tmp_path, monkeypatch):
    """Cells of strided convolutions begin at the first voxel; laid in the middle they would be 1.5 voxels off."""
    size, spacing = [32, 32, 32], [1.0, 1.0, 1.0]
    network = own_class("Planted", corners=corners)
    card = imported(write_draft(tmp_path, network, canvas={"size": size, "spacing_mm": spacing}))
    place = card.values["network"]["stages"]["main"]
    assert place["cells"] == ("corners" if corners else "centred")
    blank = sitk.Image(size, sitk.sitkFloat32)
    at = np.array([16.0, 12.0, 20.0]) if corners else np.array([17.5, 13.5, 21.5])  # in the middle of a cell
    fixed, moving = bright_spot(at, blank), bright_spot(np.array([8.0, 8.0, 8.0]), blank)
    result = register(fixed, moving, "mine", initial_transform=IDENTITY, device="cpu")
    if stage == "layer by its path alone":  # the card says nothing of it, so that its place has to be measured
        renamed = {"other": {"module": "scale_of_nothing", "cells": "centred"}}
        monkeypatch.setitem(card.values["network"], "stages", renamed)
        monkeypatch.setattr(registry, "user_cards", lambda: [card])
    [heat] = explain(result, ["main" if stage == "main" else place["module"]], method=method, device="cpu")
    assert heat.grid == "fixed"
    assert np.linalg.norm(hottest_point(heat.image) - at) < 0.5


def test_cells_of_strided_convolutions_are_laid_on_their_voxels():
    cells = torch.zeros(1, 1, 8, 8, 8)
    cells[0, 0, 2, 3, 5] = 1
    found = from_corners(cells, (32, 32, 32))[0, 0]
    assert found.argmax().item() == np.ravel_multi_index((8, 12, 20), (32, 32, 32))
    assert found.max() == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_any_module_of_a_framework_is_explained_as_by_hand(framework, tmp_path):
    """HiResCAM against torch's own gradient of the framework's own answer."""
    torch.manual_seed(3)
    network = framework_networks()[framework]
    card = imported(write_draft(tmp_path, network, randomised(network)))
    model, place = Model.load(card, "cpu"), card.values["network"]["stages"]["main"]
    fixed, moving = torch.rand(2, 1, 1, *SIZE[::-1])
    region = torch.ones(SIZE[::-1])
    target = motion_target(model.network, fixed, moving, "left", region, SPACING)
    maps = attribution_method("hirescam").maps(target, ["main", place["module"]])
    activations = []
    module = model.network.network.get_submodule(place["module"])
    hook = module.register_forward_hook(lambda _m, _i, output: activations.append(output))
    field = model.network.field(fixed, moving.requires_grad_())
    hook.remove()
    field = field[:, 2] * (SIZE[0] - 1) if framework == "icon" else field[:, 2]
    grads = torch.autograd.grad((field * SPACING[0]).mean(), activations)
    cells = sum((a.detach() * g).sum((0, 1)) for a, g in zip(activations, grads, strict=True))
    laid = model.network.on_canvas("main", cells[None, None], region.shape)[0, 0]
    assert float(laid.abs().max()) > 0
    for found in maps:
        assert found.grid == "fixed"
        assert torch.allclose(found.values, laid, atol=float(laid.abs().max()) * 1e-4)


def randomised(network: dict) -> dict[str, torch.Tensor]:
    """Weights with which it answers with a fraction of a voxel, which depends on the images."""
    from regexplain.torch_backend.external.construction import construct

    foreign = construct(network)
    for parameter in foreign.parameters():
        if parameter.dim() == 5:
            torch.nn.init.normal_(parameter, std=0.1)
    return foreign.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["integrated-gradients", "occlusion"])
def test_images_are_explained_through_a_network_of_another_framework(method, tmp_path, monkeypatch):
    """Both images' maps lie on their spots, for a network that sees nothing else."""
    monkeypatch.setattr(occlusion, "METHOD", Occlusion(cube=4))
    imported(write_draft(tmp_path, own_class("ShiftFinder")))
    fixed, moving, at = moved_spot_pair((6.0, 0.0, 0.0))
    result = register(fixed, moving, "mine", initial_transform=IDENTITY, device="cpu")
    maps = explain(result, method=method, device="cpu")
    assert {found.stage for found in maps} == {"fixed", "moving"}
    for found, there in zip(maps, (at, at + (6.0, 0.0, 0.0)), strict=True):
        heat = sitk.Abs(found.image)
        assert np.linalg.norm(hottest_point(heat) - there) < (8.0 if method == "occlusion" else 4.0), found.stage


@pytest.mark.ci
@pytest.mark.slow
def test_refining_goes_on_from_the_answer(tmp_path):
    """No step changes nothing; some make the images more alike, and the inverse is refined with it."""
    imported(write_draft(tmp_path, own_class("ShiftFinder"), {"gain": torch.tensor([0.6])}))
    fixed, moving, _ = moved_spot_pair((4.0, -2.0, 1.0))
    plain = register(fixed, moving, "mine", initial_transform=IDENTITY, device="cpu")
    refined = register(fixed, moving, "mine", initial_transform=IDENTITY, refine=30, device="cpu")

    def apart(result):
        difference = result.warped_moving - sitk.Cast(fixed, result.warped_moving.GetPixelID())
        return float(np.abs(sitk.GetArrayFromImage(difference)).mean())

    assert apart(refined) < 0.9 * apart(plain)
    assert refined.record["inverse_consistency_mm"]["mean"] < plain.record["inverse_consistency_mm"]["mean"] + 0.3


def test_a_refined_answer_is_the_answer_after_the_refinement(tmp_path):
    network = ExternalNetwork(torch.nn.Identity(), Convention(), {}, "none")
    answer, back = torch.randn(2, 1, 3, 8, 8, 8) * 0.2
    output = OneWayOutput(answer, lambda: back)
    same = network.refined(output, output.raw, (4, 4, 4))
    assert same.displacement.shape == (1, 3, 4, 4, 4)
    raw = torch.ones(1, 3, 4, 4, 4)  # a voxel of the canvas, half a cell, everywhere
    there = network.refined(output, raw, (4, 4, 4)).displacement
    assert torch.allclose(there, compose(same.displacement, torch.full((1, 3, 4, 4, 4), 0.5)), atol=1e-5)


def test_a_fourth_framework_is_one_file_and_a_line(tmp_path):
    """docs/architecture.md: calls/velocity.py and its line in CALLS, for a plain module that gives a velocity."""
    imported(write_draft(tmp_path, own_class("Flow") | {"call": "velocity"}))
    fixed, moving, _ = moved_spot_pair((3.0, -2.0, 1.0))
    result = register(fixed, moving, "mine", initial_transform=IDENTITY, device="cpu")
    assert np.abs(moved(result, fixed) - canvas_translation(fixed)).max() < 0.02


def test_own_models_are_listed_and_found_by_their_checksum_but_never_chosen_by_themselves(tmp_path):
    card = imported(write_draft(tmp_path, own_class("ShiftFinder")))
    assert [known.name for known in registry.user_cards()] == ["mine"]
    assert registry.card_by_checksum(card.weights_sha256).folder == card.folder
    assert "mine" not in [known.name for known in registry.installed_cards()]
    assert card.stages == ("main",)
