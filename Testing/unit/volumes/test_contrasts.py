"""One contrast and two are told apart, however bright and however badly laid on each other."""

import numpy as np
import pytest
import SimpleITK as sitk

from regexplain.volumes.contrasts import same_contrast

RNG = np.random.default_rng(4)
TISSUES = RNG.integers(0, 4, (12, 12, 12)).repeat(3, 0).repeat(3, 1).repeat(3, 2)  # 0 is air


def scan(intensities, noise=4.0, tissues=TISSUES) -> np.ndarray:
    return np.array(intensities, float)[tissues] + RNG.normal(0, noise, tissues.shape)


def test_the_same_order_of_tissues_is_one_contrast_whatever_the_scale():
    assert same_contrast(scan((0, 50, 100, 150)), scan((0, 500, 800, 900), 40))


@pytest.mark.parametrize("other", [(0, 150, 100, 50), (0, 100, 150, 60)])
def test_another_order_of_tissues_is_another_contrast(other):
    assert not same_contrast(scan((0, 50, 100, 150)), scan(other))


def test_one_contrast_that_lies_badly_is_still_one():
    assert same_contrast(scan((0, 50, 100, 150)), scan((0, 50, 100, 150), tissues=np.roll(TISSUES, 1, axis=0)))


def test_scans_with_nothing_in_common_are_not_called_two_contrasts():
    other = RNG.integers(0, 4, TISSUES.shape)
    assert same_contrast(scan((0, 50, 100, 150)), scan((0, 50, 100, 150), tissues=other))


@pytest.mark.real_data
@pytest.mark.parametrize("pair", [("T1", "T1"), ("FLAIR", "FLAIR"), ("T1", "FLAIR"), ("T1", "T2"), ("T2", "FLAIR")])
def test_contrasts_of_real_heads_are_told_apart(shared_data, pair):
    patients = ("patient07", "patient19" if pair[0] == pair[1] else "patient07")
    files = [shared_data / "ms_mni" / patient / f"{name}.nii.gz" for patient, name in zip(patients, pair, strict=True)]
    images = [sitk.ReadImage(str(file)) for file in files]
    moved = sitk.Resample(images[1], images[0])
    arrays = [sitk.GetArrayFromImage(image) for image in (images[0], moved)]
    assert same_contrast(*arrays) == (pair[0] == pair[1])
