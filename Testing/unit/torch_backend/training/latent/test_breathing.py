"""The made torsos: what moves, by how much, and what does not."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from regexplain.torch_backend.training.latent.breathing import (
    LEFT_LUNG,
    LIVER,
    MAX_MM,
    NOISE,
    RIGHT_LUNG,
    Subject,
    write_cases,
)


@pytest.fixture
def subject() -> Subject:
    return replace(Subject.drawn(7), amplitude_mm=30.0)


def test_at_rest_undoes_breathed(subject):
    points = np.random.default_rng(0).uniform(-170, 170, (3000, 3))
    assert np.allclose(subject.at_rest(subject.breathed(points)), points)
    assert np.allclose(subject.breathed(subject.at_rest(points)), points)


def test_the_diaphragm_goes_down_by_the_amplitude_and_the_wall_beside_it_does_not(subject):
    x, y = np.array([-60.0, 60.0, 0.0]), np.array([0.0, 10.0, -20.0])
    dome = np.stack([x, y, subject.diaphragm(x, y)], -1)
    assert np.allclose((subject.breathed(dome) - dome)[:, 2], -30)
    edge = 120 * subject.width
    inside, outside = (np.array([[edge + mm, 0.0, dome[0, 2]]]) for mm in (-1, 1))
    assert (subject.breathed(inside) - inside)[0, 2] < -10
    assert (subject.breathed(outside) - outside)[0, 2] == 0


def test_the_chest_grows_to_the_front_and_the_apex_stays(subject):
    front, top = np.array([[0.0, -70.0, 60.0]]), np.array([[0.0, 0.0, subject.apex_mm + 20]])
    assert (subject.breathed(front) - front)[0, 1] < -8
    assert (subject.breathed(top) - top)[0, 2] == 0


def test_breathing_in_makes_lungs_larger_and_the_liver_lower():
    rest, deep = (replace(Subject.drawn(7), amplitude_mm=amplitude) for amplitude in (0.0, MAX_MM))
    sizes, lows = [], []
    for one in (rest, deep):
        label = sitk.GetArrayFromImage(one.images(7)[1])
        sizes.append([int((label == lung).sum()) for lung in (RIGHT_LUNG, LEFT_LUNG)])
        lows.append(float(np.argwhere(label == LIVER)[:, 0].mean()))
    assert all(after > 1.2 * before for before, after in zip(*sizes, strict=True))
    assert 2 < lows[0] - lows[1] < 5  # voxels of 8 mm


def test_images_are_the_seeds_and_cases_are_numbered_as_in_the_protocol(tmp_path):
    write_cases(tmp_path, 1, 1)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["torso_001.nii.gz", "torso_311.nii.gz"]
    again = sitk.GetArrayFromImage(Subject.drawn(311).images(311)[0])
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "images" / "torso_311.nii.gz")))
    assert np.allclose(written, again) and again.std() > 3 * NOISE
    assert (tmp_path / "parameters.csv").read_text(encoding="utf-8").splitlines()[0].startswith("case,amplitude_mm")
