"""The training of a network for two contrasts: all of its losses, on made heads, to a model that registers."""

import json
from dataclasses import fields

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner
from torch.nn.functional import avg_pool3d

import fire_model
from regexplain import register
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.progress import Progress
from regexplain.torch_backend.networks.affine import Landmarks
from regexplain.torch_backend.training.config import read_values
from regexplain.torch_backend.training.kinds import read_task
from regexplain.torch_backend.training.multimodal.config import LossWeights
from regexplain.torch_backend.training.multimodal.heads import HeadPair
from regexplain.torch_backend.training.multimodal.objective import (
    frozen,
    landmark_error,
    landmark_loss,
    sequence_loss,
)
from regexplain.torch_backend.training.multimodal.pairs import Pair
from regexplain.torch_backend.training.multimodal.task import FireTask
from regexplain.torch_backend.training.trainer import Trainer
from regexplain.volumes.geometry import centred_grid
from synthetic_heads import head_codes

EVERYTHING = {name: 0.1 for name in vars(LossWeights())}


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    for number, shift in ((1, (0, 0, 0)), (2, (2, -4, 0)), (3, (-2, 0, 4)), (4, (0, 3, -3))):
        codes = head_codes(shift)
        image = centred_grid(np.zeros(3), codes.shape[::-1], (1.0, 1.0, 1.0), np.eye(3).ravel()).image(codes)
        sitk.WriteImage(image, str(folder / f"head_{number:02d}.nii.gz"), True)
    return folder


@pytest.fixture
def config_file(heads, tmp_path):
    values = {
        "kind": "fire",
        "name": "heads",
        "data": {"label_maps": str(heads), "trained_heads": [1, 2], "held_out_heads": [3, 4]},
        "canvas_size": [32, 32, 32],
        "canvas_spacing_mm": [4.0, 4.0, 4.0],
        "network": fire_model.OPTIONS | {"segments": 24, "affine": {"widths": [4, 6], "landmarks": 24, "size": 64}},
        "output": "model",
        "card": {
            "title": "Made heads",
            "intended_use": "Tests.",
            "licence": "MIT",
            "domain": {
                "extent_mm": {"min": [40, 40, 40], "max": [320, 320, 320]},
                "spacing_mm": {"min": [0.3, 0.3, 0.3], "max": [6.5, 6.5, 6.5]},
            },
        },
        "steps": 2,
        "batch": 1,
        "crop": [32, 32, 32],
        "synthesise_every": 1,
        "losses": EVERYTHING,
    }
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return tmp_path / "config.json"


@pytest.mark.ci
def test_a_trained_model_registers(config_file, monkeypatch):
    monkeypatch.setattr(FireTask, "validation_pairs", 2)
    ran = CliRunner().invoke(main, ["train", str(config_file), "--device", "cpu", "--threads", "1"])
    assert ran.exit_code == 0, ran.output
    card = json.loads((config_file.parent / "model" / "card.json").read_text(encoding="utf-8"))
    assert card["training"]["held_out_heads"] == [3, 4]
    assert set(card["figures"]) >= {"held_out_error_mm", "held_out_dice", "held_out_affine_mm"}
    (fixed, _), (moving, _) = fire_model.head("T1"), fire_model.head("FLAIR")
    record = register(fixed, moving, config_file.parent / "model", threads=1).record
    assert record["alignment"]["kind"] == "network"


@pytest.mark.ci
def test_every_loss_teaches_something_and_only_its_own_part(config_file):
    task, _ = read_task(config_file)
    task.config.between_subjects = 0.0
    trainer = Trainer(task, Progress())
    batch = task.batch(0, range(1))
    parts = {
        "affine": ["affine"],
        "known": ["encoder", "transformation"],
        "on_the_way": ["encoder", "transformation"],
        "disagreement": ["encoder", "transformation"],
        "alignment": ["encoder"],
        "modality": ["modality"],
        "read_out": ["encoder", "read_out"],
        "inverse_consistency": ["encoder", "transformation"],
        "accuracy": ["encoder", "transformation", "synthesis"],
        "cycle": ["encoder", "transformation", "synthesis"],
        "generator": ["encoder", "transformation", "synthesis"],
        "discriminator": ["discriminators"],
    }
    for name, taught in parts.items():
        trainer.network.zero_grad()
        trainer.objective(batch)[name].backward()
        moved = {
            part
            for part, module in trainer.network.named_children()
            if any(p.grad is not None and bool(p.grad.abs().max() > 0) for p in module.parameters())
        }
        assert moved == set(taught), name


@pytest.mark.slow
def test_a_batch_depends_on_seed_step_and_place_alone(config_file):
    task, _ = read_task(config_file)
    both, second = task.batch(3, range(2)), task.batch(3, range(1, 2))
    assert torch.equal(both["pairs"].moving[1:], second["pairs"].moving)
    assert torch.equal(both["heads"].fixed[1:], second["heads"].fixed)
    assert not torch.equal(both["pairs"].fixed, task.batch(4, range(2))["pairs"].fixed)


def test_every_look_is_compared_with_the_true_velocity_the_later_the_more():
    """Off by one voxel of 2 mm along x everywhere at the first look, on cells twice as large, and right at the last."""
    pair = Pair(**dict.fromkeys((field.name for field in fields(Pair)), torch.zeros(1)))
    pair.velocity, pair.weight = torch.rand(1, 3, 8, 8, 8), torch.ones(1, 1, 8, 8, 8)
    right = pair.velocity
    wrong = avg_pool3d(right, 2)
    wrong[:, 0] += 1
    assert sequence_loss([right], pair).item() == pytest.approx(0, abs=1e-6)
    assert sequence_loss([wrong, right], pair).item() == pytest.approx(0.7 * 2, abs=0.05)
    assert sequence_loss([wrong, right, right], pair).item() == pytest.approx(0.49 * 2, abs=0.05)
    pair.weight[..., :4] = 0
    outside = right.clone()
    outside[..., :4] += 5
    assert sequence_loss([outside], pair).item() == pytest.approx(0, abs=1e-6)


def head_pair_of(fixed_points, moving_points, weight) -> HeadPair:
    nothing = torch.zeros(1, 1, 1, 1, 1)
    return HeadPair(nothing, nothing, torch.zeros(1), torch.ones(1), fixed_points, moving_points, weight)


def test_the_landmark_error_is_in_millimetres():
    fixed = torch.tensor([[[0.0, 0, 0], [10, 0, 0]]])
    moving = fixed + torch.tensor([3.0, 4.0, 0.0])
    both = head_pair_of(fixed, moving, torch.ones(1, 2))
    assert landmark_error(torch.eye(4)[None], both) == pytest.approx(5.0, abs=1e-3)
    half = head_pair_of(fixed, torch.stack([fixed[:, 0], moving[:, 1]], 1), torch.tensor([[1.0, 0.0]]))
    assert landmark_error(torch.eye(4)[None], half) == pytest.approx(0.01, abs=1e-3)


def test_landmarks_in_place_cost_only_their_presence():
    """One head between two subjects: 2 structures, 8 mm off in one of the two images, then in place."""
    points = torch.tensor([[[0.0, 0, 0], [10, 0, 0]]])
    pair = head_pair_of(torch.cat([points] * 2, 1), torch.cat([points] * 2, 1), torch.tensor([[1.0, 1, 0, 0]]))
    there = torch.cat([points, points + torch.tensor([8.0, 0, 0])])
    sure = torch.full((2, 2), 50.0)
    assert landmark_loss(Landmarks(there, sure), pair) == pytest.approx(4.0, abs=0.02)
    assert landmark_loss(Landmarks(points.repeat(2, 1, 1), sure), pair) == pytest.approx(0.01, abs=0.01)
    unsure = torch.zeros(2, 2)
    assert landmark_loss(Landmarks(points.repeat(2, 1, 1), unsure), pair) == pytest.approx(6.93 + 0.01, abs=0.01)


def test_what_is_frozen_passes_gradients_on_and_keeps_none():
    layer, x = torch.nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with frozen(layer):
        value = layer(x).sum()
    value.backward()
    assert x.grad is not None and layer.weight.grad is None
    assert layer.weight.requires_grad


def test_a_configuration_lies_over_the_one_that_it_is_based_on(tmp_path):
    (tmp_path / "base.json").write_text('{"steps": 1, "losses": {"known": 1, "overlap": 2}}', encoding="utf-8")
    (tmp_path / "own.json").write_text('{"based_on": "base.json", "losses": {"known": 3}}', encoding="utf-8")
    assert read_values(tmp_path / "own.json") == {"steps": 1, "losses": {"known": 3, "overlap": 2}}
    (tmp_path / "own.json").write_text('{"based_on": "gone.json"}', encoding="utf-8")
    with pytest.raises(BadInputError, match="gone.json"):
        read_values(tmp_path / "own.json")


def test_a_kind_that_there_is_not_is_refused(tmp_path):
    (tmp_path / "c.json").write_text('{"kind": "water"}', encoding="utf-8")
    with pytest.raises(BadInputError, match="latent, fire"):
        read_task(tmp_path / "c.json")
