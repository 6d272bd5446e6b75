"""The uncertainty map: what a network answers to moved copies of a pair, moved back, against its answer."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import regexplain.results
from external_models import TRANSLATION, allowed, imported, moved_spot_pair, own_class, write_draft
from regexplain import register
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.explanation import equivariance
from regexplain.results.registration_result import RegistrationResult
from regexplain.torch_backend.inference.equivariance import TURN_DEG, motions
from regexplain.volumes.geometry import Grid, canvas_around

SIZE, SPACING = [32, 32, 32], [2.0, 2.0, 2.0]


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    allowed(monkeypatch, tmp_path / "home")


def registered(tmp_path, network):
    imported(write_draft(tmp_path, own_class(network), canvas={"size": SIZE, "spacing_mm": SPACING}))
    fixed, moving, _ = moved_spot_pair((3.0, -2.0, 1.0))
    return register(fixed, moving, "mine", initial_transform=sitk.AffineTransform(3), device="cpu")


def middle_of(image):
    values = sitk.GetArrayFromImage(image)
    return values[tuple(slice(n // 3, 2 * n // 3) for n in values.shape)]


def test_an_answer_that_moves_with_the_pair_leaves_no_doubt(tmp_path):
    found = equivariance(registered(tmp_path, "ShiftFinder"), 3, device="cpu")
    assert middle_of(found.spread).max() < 0.25


def test_an_answer_that_stays_as_the_pair_turns_is_off_by_what_the_turns_do_to_it(tmp_path):
    """A fixed vector t in canvas axes; copy g answers t too, which moved back is R t: |R t − t|, by hand."""
    result = registered(tmp_path, "Flow")
    found = equivariance(result, 3, device="cpu")
    canvas = canvas_around(result.fixed, SIZE, SPACING)
    vector = canvas.axes @ (np.array(TRANSLATION[::-1]) * SPACING)
    turns = [np.array(motion.GetMatrix()).reshape(3, 3) for motion in motions(3, canvas)]
    by_hand = np.sqrt(np.mean([np.sum((turn @ vector - vector) ** 2) for turn in turns]))
    assert 0.3 < by_hand <= 2 * np.sin(np.radians(TURN_DEG) / 2) * np.linalg.norm(vector)
    assert np.allclose(middle_of(found.spread), by_hand, atol=0.02)


def test_the_map_is_kept_with_the_result_and_a_copy_less_than_one_is_refused(tmp_path):
    result = registered(tmp_path, "Flow")
    with pytest.raises(BadInputError, match="Give at least one moved copy"):
        equivariance(result, 0)
    result.save(tmp_path / "result")
    run = CliRunner().invoke(main, ["trust", str(tmp_path / "result"), "--equivariance", "2", "--device", "cpu"])
    assert run.exit_code == 0, run.output
    record = RegistrationResult.load(tmp_path / "result").record
    schema = Path(regexplain.results.__file__).with_name("result.schema.json")
    jsonschema.validate(record, json.loads(schema.read_text(encoding="utf-8")))
    image = sitk.ReadImage(str(tmp_path / "result" / record["equivariance"]["file"]))
    assert image.GetSize() == result.fixed.GetSize()
    assert np.allclose(Grid.of(image).voxel_to_world, Grid.of(result.fixed).voxel_to_world, atol=1e-4)
    assert record["equivariance"]["copies"] == 2 and record["equivariance"]["mean_mm"] > 0.3
