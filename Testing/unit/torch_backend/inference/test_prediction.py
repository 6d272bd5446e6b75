"""From canvas voxels to millimetres in the world, with a network whose answer is known."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from equivalent_scans import REORDERINGS, points_in, reoriented, rotation, transform_points, with_moved_header
from regexplain.cards.registry import ModelCard
from regexplain.results.metrics import dice
from regexplain.torch_backend.inference import prediction
from regexplain.torch_backend.inference.model import Model, displacement_image
from regexplain.torch_backend.networks.latent import RegistrationNetwork, RegistrationOutput
from regexplain.transforms.itk import RegistrationTransform, affine_transform, resample_displacement
from regexplain.volumes.geometry import Grid, canvas_around

SIZE, SPACING = (24, 20, 16), (2.0, 2.0, 2.5)
MATRIX = np.array([[0.05, 0.02, 0.0], [0.0, -0.04, 0.03], [0.01, 0.0, 0.06]])  # voxels a voxel from the middle, x, y, z
SHIFT = np.array([1.0, -2.0, 0.5])


class KnownNetwork(RegistrationNetwork):
    """u(p) = MATRIX · (p − middle) + SHIFT in canvas voxels, whatever it sees."""

    def encoder(self, volumes):
        return [volumes]

    def register(self, features, shape):
        index = np.stack(np.meshgrid(*[np.arange(n) for n in SIZE], indexing="ij"), -1)
        u = (index - (np.array(SIZE) - 1) / 2) @ MATRIX.T + SHIFT
        displacement = torch.from_numpy(u).permute(3, 2, 1, 0)[None].float()
        return RegistrationOutput(displacement, -displacement, displacement)


CARD = ModelCard(Path(), {"name": "known", "canvas": {"size": SIZE, "spacing_mm": SPACING}})


def scan() -> sitk.Image:
    values = np.random.default_rng(0).normal(size=(14, 44, 40)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.1, 0.9, 2.7))
    return with_moved_header(image, rotation(degrees=15), (30, -20, 9))


def check_known_displacement(fixed: sitk.Image) -> None:
    """Every point goes where the formula says, in the world, through an alignment that turns and shifts."""
    alignment = affine_transform(rotation((0, 0, 1), 10), (3.0, -8.0, 4.0))
    model = Model(CARD, KnownNetwork(), torch.device("cpu"))
    forward = prediction.predict(model, fixed, fixed, alignment).displacement
    transform = RegistrationTransform(alignment, resample_displacement(forward, Grid.of(fixed)))
    canvas = canvas_around(fixed, SIZE, SPACING)
    points = points_in(fixed, margin=0.25)
    index = (points - canvas.origin) @ canvas.axes / SPACING
    moved = index + (index - (np.array(SIZE) - 1) / 2) @ MATRIX.T + SHIFT
    expected = transform_points(alignment, canvas.world(moved))
    assert np.abs(transform_points(transform.itk(), points) - expected).max() < 1e-3


@pytest.mark.parametrize("order, flips", [((0, 1, 2), (False, False, False)), *REORDERINGS])
def test_a_known_displacement_arrives_in_the_world(order, flips):
    check_known_displacement(reoriented(scan(), order, flips))


def one_component_negated(u: torch.Tensor, component: int) -> torch.Tensor:
    signs = torch.ones(3)
    signs[component] = -1
    return u * signs.view(1, 3, 1, 1, 1)


MUTATIONS = {
    "negated": lambda u: -u,
    "components in the order z, y, x": lambda u: u[:, [2, 1, 0]],
    **{f"flipped along axis {a}": lambda u, a=a: u.flip(2 + a) for a in range(3)},
    **{f"component {c} negated": partial(one_component_negated, component=c) for c in range(3)},
    "shifted by one voxel": lambda u: u.roll(1, 4),
    "in half voxels": lambda u: u / 2,
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_displacement_that_is_wrong_is_noticed(monkeypatch, mutation):
    monkeypatch.setattr(
        prediction, "displacement_image", lambda u, canvas: displacement_image(MUTATIONS[mutation](u), canvas)
    )
    with pytest.raises(AssertionError):
        check_known_displacement(scan())


def test_the_opposite_displacement_makes_the_overlap_worse(sample_result):
    """The guard on the whole path: what the network says is a pull-back, not a push-forward."""
    displacement = sample_result.transform.displacement
    negative = Grid.of(displacement).image(-sitk.GetArrayFromImage(displacement), vector=True)
    opposite = RegistrationTransform(sample_result.transform.alignment, negative)
    warped = Grid.of(sample_result.fixed).resample(sample_result.moving_segmentation, opposite.itk(), nearest=True)
    scores = [
        dice(*(sitk.GetArrayViewFromImage(i) for i in (sample_result.fixed_segmentation, warped)), label)
        for label in (1, 2)
    ]
    assert np.mean(scores) < sample_result.record["dice"]["aligned"] < sample_result.record["dice"]["after"]
