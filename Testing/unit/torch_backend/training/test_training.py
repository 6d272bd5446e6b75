"""Training on a few made cases: it learns, resumes to the same weights, and gives a model that registers."""

import json
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import two_processes
from regexplain import components, explain, register
from regexplain.cards import quantization as storage
from regexplain.cards.registry import find_card
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.progress import Progress
from regexplain.torch_backend.networks.latent import RegistrationOutput
from regexplain.torch_backend.training import curves
from regexplain.torch_backend.training.distributed import Workers
from regexplain.torch_backend.training.latent.augmentation import affine_displacement, augment, random_affine
from regexplain.torch_backend.training.latent.batches import batch
from regexplain.torch_backend.training.latent.cases import Case, split
from regexplain.torch_backend.training.latent.config import Augmentation, LatentConfig, LossWeights
from regexplain.torch_backend.training.latent.evaluation import hard_dice, mean_dice
from regexplain.torch_backend.training.latent.objective import motion_losses
from regexplain.torch_backend.training.latent.task import LatentTask
from regexplain.torch_backend.training.trainer import Trainer
from regexplain.transforms.itk import grid_points
from regexplain.volumes.geometry import Grid

CASES = 6


def made_case(number: int) -> tuple[sitk.Image, sitk.Image]:
    """An egg of two parts in a dark box, at another place and of another size for each number."""
    random = np.random.default_rng(number)
    image = sitk.Image([22, 24, 20], sitk.sitkUInt8)
    points = grid_points(Grid.of(image)) - Grid.of(image).centre - random.normal(size=3) * 1.5
    inside = (points / (5 + random.uniform(-1, 1, 3))) ** 2
    labels = (inside.sum(-1) < 1) * (1 + (points[..., 1] > 0))
    values = 100 * (labels == 1) + 160 * (labels == 2) + random.normal(size=labels.shape) * 5
    return Grid.of(image).image(values.astype(np.int16)), Grid.of(image).image(labels.astype(np.uint8))


@pytest.fixture
def config_file(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in range(1, CASES + 1):
        for folder, image in zip(("images", "labels"), made_case(number), strict=True):
            sitk.WriteImage(image, str(tmp_path / folder / f"case_{number:03d}.nii.gz"))
    values = {
        "name": "eggs",
        "data": {"images": "images", "segmentations": "labels", "first": 1, "last": CASES, "held_out_every": 3},
        "labels": [1, 2],
        "canvas_size": [24, 24, 24],
        "canvas_spacing_mm": [1.0, 1.0, 1.0],
        "network": {"widths": [4, 8], "transformation": "velocity"},
        "output": "model",
        "card": {"title": "Eggs", "intended_use": "Tests.", "licence": "MIT", "domain": {"modality": "none"}},
        "steps": 20,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return tmp_path / "config.json"


def trained(config_file, output: str, steps: int, total: int) -> Trainer:
    """A run of `total` steps that is stopped after `steps`, if not before its end."""
    torch.set_num_threads(1)
    config = LatentConfig.read(config_file)
    config.output, config.steps = output, total
    trainer = Trainer(LatentTask(config), StoppedAfter(steps))
    with suppress(KeyboardInterrupt):
        trainer.run()
    return trainer


class StoppedAfter(Progress):
    def __init__(self, steps: int):
        self.steps = steps

    def report(self, stage, done, total, numbers=None):
        if done == self.steps < total:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_resumed_run_gives_the_uninterrupted_runs_weights(config_file, monkeypatch):
    monkeypatch.setattr("regexplain.torch_backend.training.trainer.VALIDATE_EVERY", 2)
    whole = trained(config_file, "whole", 6, 6)
    assert trained(config_file, "halves", 3, 6).step == 3  # stopped between two looks: goes on from step 2
    halves = trained(config_file, "halves", 6, 6)
    for name, weights in whole.network.state_dict().items():
        assert torch.equal(weights, halves.network.state_dict()[name]), name
    for file in ("weights.safetensors", "last.safetensors", "state.safetensors"):
        assert (whole.folder / file).read_bytes() == (halves.folder / file).read_bytes(), file
    assert [row["step"] for row in curves.read(halves.folder)] == [2, 4, 6]


def test_the_best_look_is_what_ships(config_file, monkeypatch):
    monkeypatch.setattr("regexplain.torch_backend.training.trainer.VALIDATE_EVERY", 1)
    dice = iter([0.3, 0.5, 0.4])
    monkeypatch.setattr("regexplain.torch_backend.training.latent.task.mean_dice", lambda *_: next(dice))
    trainer = trained(config_file, "model", 3, 3)
    best, last = (
        storage.load_dequantized(trainer.folder / name) for name in ("weights.safetensors", "last.safetensors")
    )
    assert any(not np.allclose(best[name], last[name], atol=np.abs(last[name]).max() / 250) for name in best)
    assert all(np.array_equal(best[name], value.numpy()) for name, value in trainer.average.state_dict().items())


def test_a_run_of_another_network_is_not_resumed(config_file):
    trained(config_file, "model", 1, 1)
    values = json.loads(config_file.read_text(encoding="utf-8"))
    values["network"]["widths"] = [4, 10]
    config_file.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(BadInputError, match="another network"):
        trained(config_file, "model", 1, 1)


@pytest.mark.slow
def test_training_lowers_its_loss(config_file):
    config = LatentConfig.read(config_file)
    config.steps = 10_000
    trainer = Trainer(LatentTask(config), Progress())
    pairs = trainer.task.batch(0, range(2))
    losses = []
    for _ in range(40):
        trainer.step = 300  # past the warm-up
        losses.append(trainer.train_step(pairs)["dice"])
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
def test_a_network_with_skips_learns_to_read_segments_out(config_file):
    config = LatentConfig.read(config_file)
    config.network |= {"skips": True, "segments": 2}
    config.losses.read_out, config.losses.latent, config.precision = 1.0, 1e-3, "bfloat16"
    config.steps, config.learning_rate = 10_000, 1e-2
    trainer = Trainer(LatentTask(config), Progress())
    pairs = trainer.task.batch(0, range(2))
    losses = []
    for _ in range(40):
        trainer.step = 300
        losses.append(trainer.train_step(pairs)["read_out"])
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_goes_on_from_anothers_weights_and_leaves_what_is_frozen(config_file, tmp_path):
    config = LatentConfig.read(config_file)
    config.steps, config.output = 3, "first"
    Trainer(LatentTask(config), Progress()).run()
    config.start_from, config.frozen, config.output = "first/last.safetensors", ["encoder"], "second"
    trainer = Trainer(LatentTask(config), Progress())
    before = load_file(tmp_path / "first" / "last.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in trainer.network.state_dict().items())
    trainer.run()
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("encoder."), name


@pytest.mark.ci
def test_two_processes_give_one_processs_gradients(config_file, tmp_path):
    run = [sys.executable, two_processes.__file__, str(config_file), str(tmp_path / "two")]
    subprocess.run(run, check=True, timeout=300)
    one, two = two_processes.gradients(config_file), load_file(tmp_path / "two")
    assert max(value.abs().max() for value in one.values()) > 1e-3
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=1e-4, atol=1e-6), name


def test_a_batch_that_cannot_be_shared_is_refused():
    assert list(Workers(1, 2).share(4)) == [1, 3]
    with pytest.raises(BadInputError, match="multiple"):
        Workers(0, 2).share(3)


def test_pairs_depend_on_seed_step_and_place_alone(config_file):
    config = LatentConfig.read(config_file)
    cases, _ = split(config)
    whole = batch(cases, config, 7, range(2))
    second = batch(cases, config, 7, range(1, 2))
    for all_pairs, one_pair in zip(whole, second, strict=True):
        assert torch.equal(all_pairs[1:], one_pair)
    assert not torch.equal(whole[0], batch(cases, config, 8, range(2))[0])


@pytest.mark.slow
def test_train_makes_a_model_that_registers_explains_and_decomposes(config_file):
    done = CliRunner().invoke(main, ["train", str(config_file), "--threads", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    folder = config_file.parent / "model"
    made = find_card(folder)
    assert made.values["training"]["cases"] == 4
    assert made.values["training"]["held_out_cases"] == 2
    (fixed, labels), (moving, _) = made_case(1), made_case(2)
    result = register(fixed, moving, folder / "card.json", fixed_segmentation=labels, threads=1)
    model = result.record["model"]
    assert isinstance(model.pop("better"), bool)  # so short a training may go either way
    assert model == {
        "name": "eggs",
        "sha256": made.weights_sha256,
        "chosen": "named",
        "inside_domain": True,
    }
    with pytest.raises(BadInputError, match="name its file with --model"):
        explain(result)
    assert len(explain(result, model=folder, threads=1)) == 3
    assert len(components(result, 2, model=folder, threads=1)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("every, held_out", [(0, 0), (CASES, 1)])
def test_a_run_with_no_pair_held_out_makes_a_model_without_figures(config_file, every, held_out):
    values = json.loads(config_file.read_text(encoding="utf-8"))
    values["data"]["held_out_every"] = every
    config_file.write_text(json.dumps(values), encoding="utf-8")
    done = CliRunner().invoke(main, ["train", str(config_file), "--threads", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    made = find_card(config_file.parent / "model").values
    assert made["training"]["held_out_cases"] == held_out and made["figures"] == {}


def test_every_second_ordered_pair_of_held_out_cases_is_looked_at():
    cases = [Case(n, torch.full((1, 2, 2, 2), float(n)), torch.ones(1, 2, 2, 2)) for n in range(4)]
    seen = []

    def still(fixed, moving):
        seen.append((int(fixed.mean()), int(moving.mean())))
        return RegistrationOutput(*[torch.zeros(1, 3, 2, 2, 2)] * 3)

    assert mean_dice(still, cases) == pytest.approx(1)
    assert sorted(seen) == [(0, 1), (0, 3), (1, 0), (1, 2), (2, 1), (2, 3), (3, 0), (3, 2)]


def test_held_out_cases_are_not_trained_on(config_file):
    train, held_out = split(LatentConfig.read(config_file))
    assert [c.number for c in held_out] == [3, 6]
    assert [c.number for c in train] == [1, 2, 4, 5]


def test_neither_are_their_neighbours_that_may_be_of_the_same_head(config_file):
    config = LatentConfig.read(config_file)
    config.data.held_out_every, config.data.held_out_apart = 4, 1
    train, held_out = split(config)
    assert [c.number for c in held_out] == [4]
    assert [c.number for c in train] == [1, 2, 6]


def test_a_case_lies_on_the_canvas_with_its_segments(config_file):
    case = split(LatentConfig.read(config_file))[0][0]
    assert case.volume.shape == (1, 24, 24, 24)
    assert case.segments.shape == (2, 24, 24, 24)
    bright = case.volume[0] > 0.5
    covered = case.segments.sum(0) > 0.5
    assert (bright & covered).sum() > 0.9 * bright.sum()


def test_each_volume_is_moved_on_its_own_and_its_segments_with_it():
    volume = torch.zeros(1, 1, 16, 16, 16)
    volume[..., 5:11, 5:11, 5:11] = 1
    twice = volume.expand(2, -1, -1, -1, -1)
    moved, segments = augment(twice, twice, Augmentation(log_gamma=0.0), torch.Generator().manual_seed(0))
    assert not torch.allclose(moved[0], moved[1])
    assert torch.allclose(moved, segments, atol=1e-6)


def test_a_random_affine_is_a_rotation_times_a_zoom():
    matrix, _ = random_affine(20, Augmentation(log_zoom=0.0), torch.Generator().manual_seed(0))
    assert torch.allclose(matrix @ matrix.transpose(1, 2), torch.eye(3).expand(20, 3, 3), atol=1e-5)
    zoomed, _ = random_affine(20, Augmentation(rotation_deg=0.0), torch.Generator().manual_seed(0))
    assert torch.allclose(zoomed, torch.diag_embed(torch.diagonal(zoomed, dim1=1, dim2=2)), atol=1e-6)


def test_an_affine_displacement_turns_about_the_middle_in_x_y_z():
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])  # x → y
    u = affine_displacement(quarter, torch.zeros(1, 3), (5, 5, 5))[0]
    assert u[:, 2, 2, 2].tolist() == [0, 0, 0]
    assert u[:, 2, 2, 4].tolist() == pytest.approx([-2, 2, 0])  # from (2, 0, 0) to (0, 2, 0) about the middle


def test_hard_dice_by_hand():
    a, b = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    a[0, 0], b[0, :, 0] = 1, 1
    assert hard_dice(a, b) == pytest.approx(0.5)


@pytest.mark.parametrize("cell", [1, 2])
def test_the_losses_know_the_right_motion_at_full_and_at_half_resolution(cell):
    volume = torch.zeros(1, 1, 24, 24, 24)
    volume[..., 8:16, 8:16, 8:16] = 1
    moving = volume.roll(2, 4)
    pairs = (volume, volume, moving, moving)
    shape = [24 // cell] * 3
    right = torch.zeros(1, 3, *shape)
    right[:, 0] = 2 / cell

    def dice(displacement):
        return motion_losses(RegistrationOutput(displacement, -displacement, displacement), pairs, LossWeights())[
            "dice"
        ]

    assert dice(right) < 0.01
    assert dice(torch.zeros_like(right)) > 0.2
