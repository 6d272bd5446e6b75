"""Which real images the shipped model calls atypical: new cases hardly ever, images of something else always."""

import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch

import regexplain
from regexplain.cards import registry
from regexplain.latent.population import Population, PopulationScore
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.training.config import read_values
from regexplain.volumes.case_files import numbered_cases
from regexplain.volumes.geometry import Grid, centred_grid
from regexplain.volumes.images import read_volume

pytestmark = pytest.mark.real_data

CONFIG = registry.FOLDER.parent / "configs" / "hippocampus.json"
PLACES = [(25, 40, 20), (-30, -60, 45), (20, -65, -35), (-45, -5, 30)]  # R, A, S mm in MNI space: all in the brain


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(registry.find_card("hippocampus"), "cpu", threads=1)


@pytest.fixture(scope="module")
def score(model):
    """From an image to where it stands."""
    population = Population.of(model.components)

    @torch.inference_mode()
    def score(image: sitk.Image) -> PopulationScore:
        encoding = model.network.encode(model.volume(image, model.canvas(image)))
        return population.score(encoding.flatten().double().numpy())

    return score


def images(shared_data, first: int, last: int) -> list[sitk.Image]:
    folder = shared_data / "hippocampus"
    return [read_volume(image) for image, _ in numbered_cases(folder / "images", folder / "labels", first, last)]


@pytest.fixture(scope="module")
def held_out(shared_data) -> list[sitk.Image]:
    """The cases that training looked at and did not train on."""
    data = read_values(CONFIG)["data"]
    every = data["held_out_every"]
    return images(shared_data, data["first"], data["last"])[every - 1 :: every]


def elsewhere(shared_data) -> list[sitk.Image]:
    """Crops of two other brains, of the size and resolution of a training image, from places without a hippocampus."""
    brains = [read_volume(shared_data / f"ms_mni/patient{number}/T1.nii.gz") for number in ("07", "19")]
    return [crop(brain, place) for brain in brains for place in PLACES]


def crop(brain: sitk.Image, ras_mm) -> sitk.Image:
    direction = (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    grid = centred_grid(np.array(ras_mm) * (-1, -1, 1), (36, 50, 36), (1.0, 1.0, 1.0), direction)
    return grid.resample(brain)


def changed(image: sitk.Image, change) -> sitk.Image:
    """The same voxels' grid, other values: `change` of the array (z, y, x)."""
    return Grid.of(image).image(np.ascontiguousarray(change(sitk.GetArrayFromImage(image))))


def without_half(array: np.ndarray, axis: int) -> np.ndarray:
    np.moveaxis(array, axis, 0)[: array.shape[axis] // 2] = 0
    return array


CHANGES = {
    "upside down": lambda array: array[::-1],
    "front to back": lambda array: array[:, ::-1],
    "mirrored": lambda array: array[:, :, ::-1],
    "turned half around": lambda array: array[:, ::-1, ::-1],
    "lower half missing": lambda array: without_half(array, 0),
    "rear half missing": lambda array: without_half(array, 1),
    "left half missing": lambda array: without_half(array, 2),
    "bright and dark exchanged": lambda array: array.max() - array,
}


def alarms(scores: list[PopulationScore], what: str) -> float:
    share = float(np.mean([score.atypical for score in scores]))
    print(f"{what}: {100 * share:.0f} % of {len(scores)} atypical", file=sys.stderr)
    return share


@pytest.mark.slow
def test_cases_that_were_not_trained_on_are_hardly_ever_called_atypical(score, held_out, shared_data):
    new = held_out + images(shared_data, 311, 999)
    assert len(new) == 30
    assert alarms([score(image) for image in new], "new cases") <= 0.1  # 0.02 expected: more than 3 of 30 hardly ever


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_case_is_called_atypical(score, held_out, kind):
    assert alarms([score(changed(image, CHANGES[kind])) for image in held_out[::2]], kind) >= 0.8


@pytest.mark.slow
def test_other_places_of_a_brain_are_called_atypical(score, shared_data):
    assert alarms([score(image) for image in elsewhere(shared_data)], "other places") >= 0.8


@pytest.mark.slow
def test_the_warning_says_which_image_and_what_to_check(held_out, shared_data):
    fixed, moving = held_out[0], elsewhere(shared_data)[0]
    record = regexplain.register(fixed, moving, "hippocampus", threads=1).record
    assert [score["atypical"] for score in record["population"].values()] == [False, True]
    [warning] = [text for text in record["warnings"] if "unlike the images" in text]
    assert warning.startswith("The moving image ") and "Check that it is the right anatomy" in warning
