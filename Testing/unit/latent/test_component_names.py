"""A component's name on its whole way: from a latent direction through millimetres to the record and the report."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
import torch

import regexplain
from equivalent_scans import REORDERINGS, reoriented, rotation, with_moved_header
from regexplain import BadInputError, components
from regexplain.cards.registry import ModelCard
from regexplain.latent.components import LatentComponents
from regexplain.report import render_report
from regexplain.results import ResultFolder
from regexplain.results.explanations import ComponentMotions
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.inference.prediction import component_motions
from regexplain.torch_backend.networks.latent import RegistrationOutput
from regexplain.transforms.itk import affine_transform, grid_points
from regexplain.volumes.geometry import Grid, canvas_around
from synthetic_result import phantom_labels, write_synthetic_result

SIZE, SPACING = (28, 32, 24), (1.5, 1.4, 1.7)
SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))
COMPONENTS = LatentComponents(np.eye(2), np.zeros(2), np.array([2.0, 0.5]), np.array([0.7, 0.2]))


CARD = ModelCard(Path(), {"name": "known", "canvas": {"size": SIZE, "spacing_mm": SPACING}})


class TwoMotions(torch.nn.Module):
    """Its latent is two numbers: half the degrees of a turn about the patient's +S, and twice the mm forwards."""

    def __init__(self, canvas: Grid):
        super().__init__()
        self.canvas = canvas

    def encode(self, volumes):
        return torch.zeros(len(volumes), 2, 1, 1, 1)

    def decode(self, latents, shape):
        offsets = grid_points(self.canvas) - self.canvas.centre
        fields = []
        for half_degrees, twice_mm in latents.flatten(1).double().tolist():
            world = offsets @ (rotation((0, 0, 1), 2 * half_degrees) - np.eye(3)).T + (0, -twice_mm, 0)
            fields.append(torch.from_numpy(world @ self.canvas.axes / SPACING).permute(3, 0, 1, 2))
        return RegistrationOutput(torch.stack(fields), -torch.stack(fields), torch.stack(fields))


def scan() -> tuple[sitk.Image, sitk.Image]:
    """An oblique image and its segmentation."""
    grid = Grid((30, 34, 20), (1.3, 1.2, 1.8), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    labels = phantom_labels((grid_points(grid) - grid.centre).reshape(-1, 3)).reshape(grid.size[::-1])
    images = grid.image(100.0 * labels + 3), grid.image(labels)
    return tuple(with_moved_header(image, rotation(degrees=20), (30, -20, 9)) for image in images)


def motions(order=(0, 1, 2), flips=(False, False, False), strengths=(1.0,), known=COMPONENTS, **options):
    fixed, segmentation = (reoriented(image, order, flips) for image in scan())
    canvas = canvas_around(fixed, SIZE, SPACING)
    model = Model(CARD, TwoMotions(canvas), torch.device("cpu"))
    model.__dict__["components"] = known
    still = affine_transform(np.eye(3), np.zeros(3))
    return component_motions(model, fixed, fixed, still, 2, strengths, segmentation, **options)


@pytest.mark.parametrize("order, flips", [((0, 1, 2), (False, False, False)), *REORDERINGS])
def test_the_names_are_of_the_patient_however_the_scan_is_stored(order, flips):
    turn, shift = motions(order, flips)
    assert turn.name == "turns anterior towards left by 4.0° per SD"
    assert turn.description.startswith(
        "From the fixed to the moving image, per SD, tissue turns anterior towards left by 4.0° about the "
        "superior–inferior axis (98 % of the motion) and moves"  # the structure's middle is not the image's
    )
    assert shift.name == "moves 0.5 mm towards anterior per SD"


@pytest.mark.parametrize("strengths", [(2.0,), (-1.0,), (-2.0, 0.0, 0.5)])
def test_the_name_is_of_one_standard_deviation_whatever_strengths_are_asked_for(strengths):
    turn, _ = motions(strengths=strengths)
    assert turn.motion.rotation_vector_deg == pytest.approx([0, 0, 4], abs=1e-3)
    assert sorted(turn.displacements) == sorted(strengths)


def test_the_readable_basis_has_its_own_components_and_says_so():
    swapped = replace(COMPONENTS, readable=np.array([[0.0, 1.0], [1.0, 0.0]]))
    shift, turn = motions(known=swapped, basis="readable")
    assert [shift.name.split()[0], turn.name.split()[0]] == ["moves", "turns"]
    assert shift.basis == turn.basis == "readable"
    assert [m.basis for m in motions(known=swapped)] == ["pca", "pca"]


@pytest.mark.parametrize("basis, reason", [("readable", "no readable basis"), ("ica", "no basis 'ica'")])
def test_a_basis_that_is_not_there_is_refused_in_one_sentence(basis, reason):
    with pytest.raises(BadInputError, match=reason):
        motions(basis=basis)


@pytest.mark.slow
def test_the_folder_keeps_names_words_motion_and_basis(tmp_path):
    truth = write_synthetic_result(tmp_path / "r", components=0)
    ResultFolder.open(truth.folder).add(ComponentMotions(motions()))
    folder = ResultFolder.open(truth.folder)
    jsonschema.validate(folder.record, SCHEMA)
    item = folder.record["components"]["items"][0]
    assert folder.record["components"]["basis"] == "pca"
    assert item["name"] == "turns anterior towards left by 4.0° per SD"
    assert item["motion"]["shares"]["rotation"] > 0.97
    report = render_report(folder)
    assert item["name"] in report and item["words"] in report


@pytest.mark.slow
def test_a_result_from_before_names_still_counts_and_still_has_its_report(tmp_path):
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "r").folder)
    assert "name" not in folder.record["components"]["items"][0]
    jsonschema.validate(folder.record, SCHEMA)
    assert "What it does" not in render_report(folder)


@pytest.mark.slow
def test_every_component_of_the_shipped_model_has_a_name_and_minus_one_does_the_opposite(sample_result):
    """Of translations, rotations and stretches: what +1 SD does, −1 SD undoes."""
    from regexplain.motions.anatomy import Anatomy

    anatomy = Anatomy.of(sample_result.fixed, sample_result.fixed_segmentation)
    for motion in components(sample_result, 3, (-1.0,), threads=1):
        assert motion.name.endswith("per SD") and motion.description.endswith(".")
        back = anatomy.motion(motion.displacements[-1.0])
        there = motion.motion
        assert np.linalg.norm(there.translation_mm + back.translation_mm) < 0.2 * there.rms_mm + 0.02
        assert np.abs(there.stretch @ back.stretch - np.eye(3)).max() < 0.04
        difference_deg = np.linalg.norm(there.rotation_vector_deg + back.rotation_vector_deg)
        assert difference_deg < 0.3 * there.rotation_deg + 0.3
