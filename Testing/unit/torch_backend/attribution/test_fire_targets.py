"""Each stage's map of a FireNetwork lies where its cause is: on a network whose every answer is known to the voxel.

It moves all tissue by SHIFT. The spots of the two scans are no counterparts of each other, so that what comes from the
fixed scan, what comes from the moving one, and what was carried between them lie in different places.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import nn

from bright_spot_scans import bright_spot_result, hottest_point
from regexplain.cards.heatmap_names import heatmap_name
from regexplain.cards.stages import STAGES, describe_stage, stage_title
from regexplain.errors import BadInputError
from regexplain.torch_backend.attribution import fire_targets
from regexplain.torch_backend.attribution.fire_targets import FirePair
from regexplain.torch_backend.attribution.heatmaps import heatmaps
from regexplain.torch_backend.attribution.resampling import resample_to_image
from regexplain.torch_backend.inference.model import NETWORKS
from regexplain.torch_backend.networks.fire import FireNetwork, midpoint_displacements
from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.torch_backend.spatial.warp import resize, warp
from regexplain.volumes.geometry import Grid, canvas_around

SHIFT = 4.0  # canvas voxels towards left, from fixed to moving points
IN_FIXED, IN_MOVING = np.array([4.5, 4.5, 10.5]), np.array([10.5, 8.5, 6.5])  # x, y, z on the canvas
ALONG_X = np.array([SHIFT, 0.0, 0.0])
SLIGHTLY = 1e-4
WHERE = {  # stage → the image whose grid it is on, the place on the canvas about the fixed scan
    "encoder-fixed": ("fixed", IN_FIXED),
    "encoder-moving": ("moving", IN_MOVING),
    "transformation-forward": ("fixed", IN_FIXED),
    "transformation-backward": ("moving", IN_MOVING),
    "affine-fixed": ("fixed", IN_FIXED),
    "affine-moving": ("moving", IN_MOVING),
    "synthesis-fixed": ("fixed", IN_MOVING - ALONG_X),  # made of the other image's features
    "synthesis-moving": ("moving", IN_FIXED + ALONG_X),
    "discriminator-fixed": ("fixed", IN_FIXED),
    "discriminator-fixed-synthetic": ("fixed", IN_MOVING - ALONG_X),
    "discriminator-moving": ("moving", IN_MOVING),
    "discriminator-moving-synthetic": ("moving", IN_FIXED + ALONG_X),
}


def cells(volume: torch.Tensor) -> torch.Tensor:
    return F.avg_pool3d(volume, 2)


class Cells(nn.Module):
    def forward(self, volume):
        return [cells(volume)]


class Landmarks(nn.Module):
    """Shifts by as much as is bright in either volume."""

    size, spacing_mm = 16, 2.0

    def forward(self, fixed, moving):
        stages = {"affine-fixed": fixed * 1, "affine-moving": moving * 1}
        matrix = torch.eye(4)[None].clone()
        matrix[:, 0, 3] = 1 + sum(activation.mean() for activation in stages.values())
        return matrix, stages


@dataclass(eq=False)
class Draws(nn.Module):
    """Darker than any real image, the brighter the features the less so."""

    modality: str
    called: list

    def __post_init__(self):
        super().__init__()

    def forward(self, features):
        self.called.append(("synthesis", self.modality))
        activation = features * 1
        return SLIGHTLY * resize(activation, [2 * n for n in activation.shape[2:]]) - 1, activation


@dataclass(eq=False)
class Judges(nn.Module):
    """Takes bright patches for real."""

    modality: str
    called: list

    def __post_init__(self):
        super().__init__()

    def forward(self, image):
        self.called.append(("discriminator", self.modality))
        activation = cells(image) + 1
        return activation * 1, activation


class HandMade(FireNetwork):
    """All tissue moves by SHIFT along x, and slightly more where any of T's or G's activations is bright."""

    def __init__(self):
        nn.Module.__init__(self)
        self.called: list[tuple[str, str]] = []
        self.modalities = ["T1", "FLAIR"]
        self.encoder, self.affine = Cells(), Landmarks()
        self.synthesis = nn.ModuleDict({name: Draws(name, self.called) for name in self.modalities})
        self.discriminators = nn.ModuleDict({name: Judges(name, self.called) for name in self.modalities})

    def modality_probabilities(self, volumes, features=None):
        return torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # fixed T1, moving FLAIR

    def forward(self, fixed, moving, shape=None):
        return self.register(self.encoder(torch.cat([fixed, moving])), shape or fixed.shape[2:])

    def register(self, features, shape):
        fixed, moving = features[-1].chunk(2)
        raw = torch.zeros(1, 3, *fixed.shape[2:])
        raw[:, 0] = SHIFT
        half = raw / 4  # in cells, half the way
        stages = {
            "encoder-fixed": fixed,
            "encoder-moving": moving,
            "transformation-forward": warp(fixed, -half),  # both lie half the way between the images
            "transformation-backward": warp(moving, half),
        }
        output = self.integrate_output(raw, shape, stages)
        more = SLIGHTLY * torch.cat([*stages.values()], 1).sum(1, keepdim=True)
        output.displacement = output.displacement + resize(more, shape)
        output.inverse = output.inverse - resize(more, shape)
        return output


@dataclass
class HandMadeModel:
    network: HandMade = field(default_factory=HandMade)
    device: torch.device = torch.device("cpu")

    def canvas(self, fixed: sitk.Image, *_) -> Grid:
        return canvas_around(fixed, (16, 16, 16), (2.0, 2.0, 2.0))

    def centre(self, image: sitk.Image) -> np.ndarray:
        return Grid.of(image).centre

    def volume(self, image, canvas, alignment=None):
        return torch.from_numpy(sitk.GetArrayFromImage(canvas.resample(image, alignment)))[None, None]


def check_heat_lies_on_its_cause(method: str, stages=()) -> set[str]:
    """Oblique, anisotropic scans under an alignment that turns; returns the stages that were looked at."""
    result, _ = bright_spot_result(IN_FIXED, IN_MOVING)
    model = HandMadeModel()
    found = heatmaps(model, result, stages, result.fixed >= 0, "whole image", None, method)
    canvas = model.canvas(result.fixed)
    for heatmap in found:
        grid, index = WHERE[heatmap.stage]
        assert heatmap.grid == grid
        assert Grid.of(heatmap.image) == Grid.of(result.fixed if grid == "fixed" else result.moving)
        at = canvas.world(index)
        if grid == "moving":
            at = np.array(result.transform.alignment.TransformPoint(at.tolist()))
        assert np.linalg.norm(hottest_point(heatmap.image) - at) < 1.0, heatmap.stage
    return {heatmap.stage for heatmap in found}


@pytest.mark.parametrize("method", ["grad-cam", "hirescam"])
def test_heat_lies_on_its_cause_at_every_stage(method):
    assert check_heat_lies_on_its_cause(method) == set(WHERE) == set(STAGES["fire"])


WRONGS = {
    "T's maps are left half the way": (FirePair, "_resample_motion", FirePair._resample, "transformation-forward"),
    "T's maps are carried the other way": (
        *(fire_targets, "midpoint_displacements", lambda output: midpoint_displacements(output)[::-1]),
        "transformation-backward",
    ),
    "x flipped": (
        fire_targets,
        "resample_to_image",
        lambda c, *to: resample_to_image(np.flip(c, 2), *to),
        "encoder-fixed",
    ),
    "half a cell off": (
        fire_targets,
        "resample_to_image",
        lambda c, *to: resample_to_image(np.roll(c, 1, 2), *to),
        "encoder-moving",
    ),
    "without the alignment": (
        *(fire_targets, "resample_to_image"),
        lambda c, canvas, grid, result: Grid.of(result.moving).resample(canvas.image(c)),
        "discriminator-moving",
    ),
    "drawn in the other image's place": (
        *(FirePair, "_synthesise", lambda self, k, volumes: synthesised_where_it_was(self, k, volumes)),
        "synthesis-fixed",
    ),
}


def synthesised_where_it_was(pair, k, volumes):
    features = pair.network.encoder(torch.cat(list(volumes)))
    return pair.network.synthesise(features[-1].chunk(2)[1 - k], pair.modalities[k])


@pytest.mark.parametrize("wrong", WRONGS)
def test_heat_in_a_wrong_place_is_noticed(monkeypatch, wrong):
    *where, instead, stage = WRONGS[wrong]
    monkeypatch.setattr(*where, instead)
    with pytest.raises(AssertionError):
        check_heat_lies_on_its_cause("grad-cam", [stage])


def test_every_image_is_drawn_and_judged_as_the_modality_that_the_encoder_takes_it_for():
    result, _ = bright_spot_result(IN_FIXED, IN_MOVING)
    for image, modality in (("fixed", "T1"), ("moving", "FLAIR")):
        model = HandMadeModel()
        stages = [stage for stage in STAGES["fire"] if stage.startswith(("synthesis", "discriminator"))]
        heatmaps(model, result, [s for s in stages if image in s], result.fixed >= 0, "whole image", None)
        assert set(model.network.called) == {("synthesis", modality), ("discriminator", modality)}


def test_the_region_is_asked_about_where_its_tissue_lies_in_either_image():
    result, _ = bright_spot_result(IN_FIXED, IN_MOVING)
    model, region = HandMadeModel(), torch.zeros(16, 16, 16)
    region[6:8, 4:6, 2:4] = 1  # z, y, x
    carried = FirePair(model, result, model.canvas(result.fixed), region).moving_region
    assert torch.allclose(carried[6:8, 4:6, 6:8], torch.ones(2, 2, 2), atol=0.05)
    assert carried.sum() == pytest.approx(8, rel=0.05)


def test_a_region_that_is_carried_out_of_sight_is_an_error_and_no_map_of_nothing():
    result, _ = bright_spot_result(IN_FIXED, IN_MOVING)
    model, box = HandMadeModel(), np.zeros((16, 16, 16), np.uint8)
    box[6:10, 6:10, 14:] = 1
    mask = Grid.of(result.fixed).resample(model.canvas(result.fixed).image(box), nearest=True)
    assert heatmaps(model, result, ["transformation-forward"], mask > 0, "mask", None)
    with pytest.raises(BadInputError, match="tissue lies outside the part of the moving image"):
        heatmaps(model, result, ["transformation-backward"], mask > 0, "mask", None)


def test_the_affine_parts_scalar_is_how_far_it_moves_the_region_in_millimetres():
    result, _ = bright_spot_result(IN_FIXED, IN_MOVING)
    model, region = HandMadeModel(), torch.zeros(16, 16, 16)
    region[:4] = 1
    turn = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    model.network.affine.forward = lambda *volumes: (turn[None], {})  # a quarter about x
    pair = FirePair(model, result, model.canvas(result.fixed), region)
    [asked] = [one for one in pair.targets("magnitude") if "affine-fixed" in one.stages]
    target = asked.make()
    z, y = torch.meshgrid(torch.arange(16) * 2.0 - 15, torch.arange(16) * 2.0 - 15, indexing="ij")
    expected = (2**0.5 * (y**2 + z**2).sqrt())[:4].mean()  # a chord of 90°
    assert target.forward(target.fixed, target.moving)[0].item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_stages_known_by_name_are_those_of_the_networks():
    assert set(STAGES) == set(NETWORKS)
    assert STAGES["latent"] == tuple(LatentNetwork.stages)
    assert set(FireNetwork.stages) < set(STAGES["fire"])


def test_every_stage_has_words_of_its_own_and_no_scalar_in_its_name():
    words = [describe_stage(stage) for stage in STAGES["fire"]]
    assert len(set(words)) == len(words) and not set(words) & set(STAGES["fire"])
    assert stage_title("affine-moving") == "Affine part on the moving image"
    assert describe_stage("discriminator-fixed-synthetic") == "discriminator on the synthetic fixed image"
    assert describe_stage("encoder.refine.1-moving") == "encoder.refine.1 on the moving image"
    assert stage_title("component-03-fixed") == "Component 3 in the fixed image"
    assert describe_stage("unheard-of") == "unheard-of"
    rows = {"synthesis-fixed": "synthesis", "discriminator-moving-synthetic": "realness", "affine-fixed": "magnitude"}
    assert [heatmap_name({"stage": stage, "scalar": scalar}) for stage, scalar in rows.items()] == list(rows)
    assert heatmap_name({"stage": "encoder-fixed", "scalar": "synthesis"}) == "encoder-fixed.synthesis"
    assert heatmap_name({"stage": "synthesis-fixed", "method": "hirescam"}) == "synthesis-fixed.hirescam"
