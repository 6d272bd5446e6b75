"""The live slider gives the network's own answer, only faster."""

from pathlib import Path

import numpy as np
import pytest
import torch

from regexplain.cards import registry
from regexplain.cards.registry import ModelCard
from regexplain.latent.components import LatentComponents
from regexplain.torch_backend.inference import live as live_module
from regexplain.torch_backend.inference.live import LiveDecoder
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.networks.latent import LatentNetwork

SIZE = (24, 16, 8)  # x, y, z
COORDINATES = (1.5, -0.7, 2.0)
BFLOAT16_MM = 0.1  # at most, of up to 2 SD of each of the leading components; benchmarks/live_decoder.py measures it


CARD = ModelCard(Path(), {"name": "live", "canvas": {"size": SIZE, "spacing_mm": (1.0, 1.0, 1.0)}})


def small_model(transformation="velocity", skips=False) -> Model:
    """A network that moves tissue by some voxels, in a random basis."""
    torch.manual_seed(0)
    network = LatentNetwork((4, 6), transformation, skips).eval().requires_grad_(False)
    for name, weight in network.decoder.named_parameters():
        weight.data *= 200 if name.startswith("part") else 2
    model = Model(CARD, network, torch.device("cpu"))
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(6 * 2 * 4 * 6, 5)))[0].T
    model.components = LatentComponents(basis, np.zeros(0), random.uniform(1, 4, 5), np.full(5, 0.1))
    return model


def decoded(model: Model, coordinates) -> torch.Tensor:
    """The ordinary way."""
    known, shape = model.components, model.card.canvas_size[::-1]
    z = sum(known.direction(index, strength) for index, strength in enumerate(coordinates))
    grid = [n >> len(model.network.decoder.refine) for n in shape]
    with torch.inference_mode():
        return model.network.decode(torch.from_numpy(z).float().view(1, -1, *grid), shape).displacement


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("transformation", ["velocity", "gradient"])
def test_a_frame_is_what_the_network_decodes(transformation, skips):
    model = small_model(transformation, skips)
    expected = decoded(model, COORDINATES)
    assert expected.abs().max() > 0.5
    found = LiveDecoder(model, precision=torch.float32).displacement(COORDINATES)
    assert found.shape == (1, 3, *SIZE[::-1])
    assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("precision", live_module.PRECISIONS)
def test_no_difference_moves_nothing(precision):
    live = LiveDecoder(small_model(), precision=precision)
    assert live.precision == precision
    assert live.displacement([1.0]).any()
    assert not live.displacement([]).any() and not live.displacement([0.0, 0.0]).any()


def test_the_opposite_coordinate_is_the_opposite_direction():
    model = small_model()
    live = LiveDecoder(model, precision=torch.float32)
    with torch.inference_mode():
        z = torch.from_numpy(model.components.direction(0, 2.0)).float().view(1, 6, 2, 4, 6)
        output = model.network.decode(z, SIZE[::-1])
    assert torch.allclose(live.displacement([2.0]), output.displacement, atol=1e-4)
    assert torch.allclose(live.displacement([-2.0]), output.inverse, atol=1e-4)


def test_the_models_own_decoder_stays_as_it_is():
    model = small_model()
    before = {name: weight.clone() for name, weight in model.network.named_parameters()}
    LiveDecoder(model, precision=torch.bfloat16).displacement(COORDINATES)
    for name, weight in model.network.named_parameters():
        assert weight.dtype == torch.float32 and torch.equal(weight, before[name])


def test_another_basis_can_be_played():
    model = small_model()
    known = model.components
    turned = LatentComponents(known.basis[::-1].copy(), known.mean, known.sd[::-1].copy(), known.explained_variance)
    first = LiveDecoder(model, turned, torch.float32).displacement([0, 0, 0, 0, 1.0])
    assert torch.allclose(first, LiveDecoder(model, precision=torch.float32).displacement([1.0]), atol=1e-6)


def test_the_faster_precision_is_taken(monkeypatch):
    seconds = {torch.float32: 2.0, torch.bfloat16: 1.0}
    monkeypatch.setattr(LiveDecoder, "_seconds", lambda self, decoder: seconds[next(decoder.parameters()).dtype])
    assert LiveDecoder(small_model()).precision == torch.bfloat16
    seconds[torch.bfloat16] = 3.0
    assert LiveDecoder(small_model()).precision == torch.float32


def test_a_segmentation_shows_at_each_point_the_label_that_the_displacement_points_to(monkeypatch):
    """+2 voxels along x and −1 along z everywhere: the label two to the left of where it was, and one slice up."""
    live = LiveDecoder(small_model(), precision=torch.float32)
    shift = torch.zeros(1, 3, *SIZE[::-1])
    shift[:, 0], shift[:, 2] = 2, -1
    monkeypatch.setattr(live, "displacement", lambda coordinates: shift)
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 4, SIZE[::-1], np.uint8))
    moved = live.warped(labels, [1.0])
    assert moved.dtype == torch.uint8
    assert torch.equal(moved[1:, :, :-2], labels[:-1, :, 2:])
    assert not moved[0].any() and not moved[:, :, -2:].any()


@pytest.fixture(scope="module", params=["hippocampus", "hippocampus-skip"])
def shipped(request) -> Model:
    return Model.load(registry.find_card(request.param), "cpu")


def test_bfloat16_is_as_near_to_the_shipped_models_answer_as_is_said(shipped):
    coordinates = np.random.default_rng(1).uniform(-2, 2, 8).tolist()
    expected = decoded(shipped, coordinates)
    found = LiveDecoder(shipped, precision=torch.bfloat16).displacement(coordinates)
    error = (found - expected).norm(dim=1) * max(shipped.card.canvas_spacing)
    assert expected.norm(dim=1).mean() > 0.3
    assert error.max() < BFLOAT16_MM, f"{error.max():.3f} mm"
