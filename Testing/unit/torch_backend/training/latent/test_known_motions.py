"""What known motions do to a volume and, through a network whose code is known, to its encoding."""

import numpy as np
import pytest
import torch

from regexplain.motions.motion import fit_motion
from regexplain.torch_backend.training.latent.known_motions import (
    KnownMotion,
    apply_motion,
    known_motions,
    latent_changes,
    motion_directions,
)

SHAPE = (24, 32, 28)  # D, H, W
SPACING = (1.0, 0.8, 1.25)  # x, y, z, mm


def points() -> np.ndarray:
    """(D, H, W, 3): x, y, z in mm from the canvas' centre."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(SHAPE, reversed(SPACING), strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.stack([x, y, z], -1)


def blob(centre_mm, sd_mm=2.5) -> torch.Tensor:
    values = np.exp(-((points() - np.asarray(centre_mm)) ** 2).sum(-1) / (2 * sd_mm**2))
    return torch.from_numpy(values)[None, None].float()


def centre_of(volume: torch.Tensor) -> np.ndarray:
    weights = volume[0, 0].double().numpy()
    return (points() * weights[..., None]).sum((0, 1, 2)) / weights.sum()


class CentreNetwork:
    """Its code of a volume, (5, 1, 1, 1): the centre of mass x, y, z in mm, x², and the sum of all intensities."""

    def encode(self, volumes):
        codes = []
        for volume in volumes:
            x, y, z = centre_of(volume[None])
            codes.append([x, y, z, x**2, float(volume.sum())])
        return torch.tensor(codes).reshape(-1, 5, 1, 1, 1)


START = np.array([3.0, -3.0, 2.0])


@pytest.mark.parametrize("motion", known_motions(20.0, 3.0, 1.2), ids=lambda motion: motion.name)
def test_tissue_goes_where_the_motion_says(motion):
    there = apply_motion(blob(START), motion, SPACING)
    assert np.allclose(centre_of(there), motion.matrix @ START + motion.translation_mm, atol=0.05)
    back = apply_motion(there, motion.inverse, SPACING)
    assert np.abs((back - blob(START)).numpy()).max() < 0.12


@pytest.mark.parametrize(
    "name, start, end",
    [
        ("rotation x", (0, -5, 0), (0, 0, -5)),  # anterior towards inferior
        ("rotation y", (0, 0, 5), (5, 0, 0)),  # superior towards left
        ("rotation z", (0, -5, 0), (5, 0, 0)),  # anterior towards left
        ("translation y", (0, 0, 0), (0, 90, 0)),
        ("zoom", (1, 1, 1), (1.2, 1.2, 1.2)),
    ],
)
def test_the_axes_turn_by_the_right_hand(name, start, end):
    motion = next(m for m in known_motions(90.0, 90.0) if m.name == name)
    assert np.allclose(motion.matrix @ np.array(start, float) + motion.translation_mm, end)


def test_its_arrows_are_named_as_the_motion_is():
    """The field that a perfect registration of (volume, moved volume) would give, and its name."""
    names = {}
    cloud = np.random.default_rng(0).normal(size=(100, 3)) * 5
    for motion in known_motions(20.0, 10.0, 1.2):
        arrows = cloud @ motion.matrix.T + motion.translation_mm - cloud
        names[motion.name] = fit_motion(arrows, cloud).name().split(",")[0]
    assert names["rotation z"].startswith("turns anterior towards left by 20.0°")
    assert names["translation x"] == "moves 10.0 mm towards left"
    assert names["zoom"] == "grows by 20.0 % in every direction"


def test_the_inverse_undoes_the_motion():
    motion = KnownMotion("both", known_motions()[0].matrix * 1.1, np.array([1.0, 2.0, 3.0]))
    point = np.array([4.0, -5.0, 6.0])
    there = motion.matrix @ point + motion.translation_mm
    assert np.allclose(motion.inverse.matrix @ there + motion.inverse.translation_mm, point)


def test_the_latent_change_is_of_the_moved_volume_less_the_volume():
    shift = known_motions(translation_mm=2.0)[3]
    changes = latent_changes(CentreNetwork(), torch.cat([blob(START), blob(-START)]), shift, SPACING)
    assert changes.shape == (2, 5)
    assert np.allclose(changes[:, :3], [[2, 0, 0]] * 2, atol=0.01)
    assert np.allclose(changes[:, 3], [16, -8], atol=0.05)  # (±3 + 2)² − 3²


def test_a_direction_is_the_mean_over_the_volumes_without_what_both_signs_share():
    shift = known_motions(translation_mm=2.0)[3:4]
    volumes = [blob(START)[0], blob((2.0, 0, 0))[0]]
    [direction] = motion_directions(CentreNetwork(), volumes, shift, SPACING)
    assert np.allclose(direction[:3], [2, 0, 0], atol=0.01)
    assert direction[3] == pytest.approx(np.mean([12, 8]), abs=0.05)  # ((x+2)² − (x−2)²) / 2 = 4x: no x-free 2² is left
    assert direction[4] == pytest.approx(0, abs=0.02)  # the blur of resampling dims both alike
