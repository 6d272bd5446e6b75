"""What a model was made for is told from what it was not, on real heads."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from regexplain.cards import registry
from regexplain.torch_backend.inference.content import content_mismatch, share_in_tissue, template_rmse
from regexplain.torch_backend.inference.model import Model
from regexplain.volumes.content import ANOTHER_CONTRAST, ANOTHER_KIND


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(registry.find_card("brain-t1-flair"), "cpu", threads=1)


@pytest.mark.ci
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "fits"),
    [
        ("head_contrasts/one_T2.nii.gz", False),
        ("head_contrasts/one_PD.nii.gz", False),
        ("head_contrasts/one_CT.nii.gz", False),
        ("ms_mni/patient07/T2.nii.gz", False),
        ("ms_mni/patient07/FLAIR.nii.gz", True),
        ("ms_longitudinal/patient04/visit1_T1.nii.gz", True),
        ("ms_longitudinal/patient12/visit1_FLAIR.nii.gz", True),
    ],
)
def test_t1_and_flair_heads_are_inside_and_other_contrasts_are_not(model, shared_data, file, fits):
    reason = content_mismatch(model, sitk.ReadImage(str(shared_data / file), sitk.sitkFloat32))
    assert reason is None if fits else reason.startswith((ANOTHER_CONTRAST, ANOTHER_KIND))


def test_a_body_that_is_no_head_is_another_kind(model):
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in (50, 80, 80)], indexing="ij")
    values = 100.0 * ((x / 0.9) ** 2 + (y / 0.6) ** 2 < 1)
    for side in (-0.4, 0.4):
        values[((x - side) / 0.3) ** 2 + (y / 0.4) ** 2 + (z / 0.9) ** 2 < 1] = 10
    image = sitk.GetImageFromArray(values + np.random.default_rng(0).normal(0, 2, values.shape))
    image.SetSpacing((3.0, 3.0, 4.0))
    assert content_mismatch(model, image).startswith(ANOTHER_KIND)


def test_landmarks_in_the_half_that_is_missing_lie_in_no_tissue():
    """Of ten on a line along x, at the middles of ten voxels, those of the dark half."""
    volume = torch.zeros(1, 1, 40, 40, 40)
    volume[..., :20] = 0.5
    points = torch.zeros(10, 3)
    points[:, 0] = torch.linspace(-0.9, 0.9, 10)
    assert share_in_tissue(volume, points) == 0.5
    assert share_in_tissue(volume, points.flip(1) - torch.tensor([0.5, 0, 0])) == 1.0
    assert share_in_tissue(torch.ones_like(volume), points) == 1.0


def test_a_turned_stretched_and_moved_template_fits_and_a_shuffled_one_does_not(model):
    template = np.array(model.card.values["content"]["landmarks_mm"])
    assert template_rmse(template @ np.diag([1.2, 0.9, 1.0]) + [5, -3, 8], template) < 1e-6
    assert template_rmse(np.random.default_rng(0).permutation(template), template) > 10


@pytest.mark.ci
@pytest.mark.real_data
def test_arteries_or_bone_far_brighter_than_white_matter_are_another_contrast(model, shared_data):
    image = sitk.ReadImage(str(shared_data / "ms_longitudinal/patient04/visit1_FLAIR.nii.gz"), sitk.sitkFloat32)
    array = sitk.GetArrayFromImage(image)
    middle = [n // 2 for n in array.shape]
    array[middle[0] - 20 : middle[0] + 20, middle[1] : middle[1] + 4, middle[2] : middle[2] + 4] = 3 * array.max()
    vessel = sitk.GetImageFromArray(array)
    vessel.CopyInformation(image)
    assert content_mismatch(model, image) is None
    assert content_mismatch(model, vessel) == "has another contrast than a T1 or FLAIR scan of a head"
