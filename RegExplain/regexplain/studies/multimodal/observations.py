"""One pair through the network: its registration, the maps of G, T and D, and the indicators computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...torch_backend.attribution.attribution import StageAttribution
from ...torch_backend.attribution.methods import grad_cam, hirescam
from ...torch_backend.attribution.scalars import mean_logit, motion_scalar
from ...torch_backend.losses.consistency import inverse_consistency_error
from ...torch_backend.networks.fire import FireNetwork, midpoint_displacements, one_sided_displacements
from ...torch_backend.networks.latent import RegistrationOutput
from ...torch_backend.spatial.warp import compose, resize, resize_displacement, warp
from ..measures import correlation, divergence, top_overlap
from .pairs import Pair

METHODS: dict[str, StageAttribution] = {"grad-cam": grad_cam.METHOD, "hirescam": hirescam.METHOD}
STAGES = tuple(FireNetwork.stages)
ENCODER, TRANSFORMATION = STAGES[:2], STAGES[2:]
Maps = dict[str, dict[str, Tensor]]  # method → stage → (D, H, W) on the canvas, signed and raw


@dataclass(eq=False)
class Observation:
    """features: G's finest of fixed and moving. half: (D, H, W), the tissue at the midpoint of the two."""

    output: RegistrationOutput
    features: tuple[Tensor, Tensor]
    maps: Maps
    half: Tensor


def observe(network: FireNetwork, pair: Pair) -> Observation:
    """The maps of the mean displacement over the tissue; T's backward map, of the inverse over where it lies."""
    shape = pair.fixed.shape[2:]
    with torch.no_grad():
        features = list(network.encoder(torch.cat([pair.fixed, pair.moving])))
    features[-1] = features[-1].detach().requires_grad_()
    with torch.enable_grad():
        output = network.register(features, shape)
        measure = motion_scalar("magnitude")
        forward = measure(output.displacement, pair.inside, pair.spacing)
        moving_region = warp(pair.inside[None, None], output.inverse.detach(), padding="zeros")[0, 0]
        backward = measure(output.inverse, moving_region, pair.spacing)
        forward_stages = [output.stages[stage] for stage in STAGES[:3]]
        gradients = [*torch.autograd.grad(forward, forward_stages, retain_graph=True)]
        gradients += torch.autograd.grad(backward, [output.stages[STAGES[3]]])
    maps: Maps = {}
    for name, method in METHODS.items():
        cells = [method.cells(output.stages[s].detach(), g) for s, g in zip(STAGES, gradients, strict=True)]
        maps[name] = {s: resize(c[None, None], shape)[0, 0] for s, c in zip(STAGES, cells, strict=True)}
    with torch.no_grad():
        _, halfway = midpoint_displacements(output)
    half = warp(pair.inside[None, None], resize_displacement(halfway, shape), padding="zeros")[0, 0]
    return Observation(detached(output), tuple(features[-1].detach().chunk(2)), maps, half)


def detached(output: RegistrationOutput) -> RegistrationOutput:
    assert output.disagreement is not None
    return RegistrationOutput(
        output.displacement.detach(),
        output.inverse.detach(),
        output.raw.detach(),
        disagreement=output.disagreement.detach(),
    )


@torch.no_grad()
def register(network: FireNetwork, fixed: Tensor, moving: Tensor) -> RegistrationOutput:
    return network(fixed, moving)


def encoder_maps_on_fixed(observation: Observation, method: str) -> tuple[Tensor, Tensor]:
    """G's maps of fixed and of moving, the latter warped to the fixed image by T."""
    of_fixed, of_moving = (observation.maps[method][stage] for stage in ENCODER)
    return of_fixed, warp(of_moving[None, None], observation.output.displacement)[0, 0]


def indicators(network: FireNetwork, pair: Pair, observation: Observation) -> dict[str, float]:
    """Columns of a table: the error, and the indicators that a user who does not know the error has."""
    row = {"error_mm": pair.error_mm(observation.output.displacement)}
    row |= {"moved_mm": pair.mean_mm(observation.output.displacement)}
    for method in METHODS:
        streams = encoder_maps_on_fixed(observation, method)
        row |= compare_streams(method, *streams, pair.inside)
        forward, backward = (observation.maps[method][stage] for stage in TRANSFORMATION)
        row |= compare_directions(method, forward, backward, observation.half)
    return row | consistency(pair, observation) | homogeneity(network, pair, observation)


def compare_streams(method: str, a: Tensor, b: Tensor, inside: Tensor) -> dict[str, float]:
    """Of G's two maps. signed: their correlation; complementarity and top_overlap: how far their sizes agree.

    T is antisymmetric in the two images, so streams that agree have maps of opposite signs.
    """
    return {
        f"complementarity_{method}": correlation(a.abs(), b.abs(), inside),
        f"top_overlap_{method}": top_overlap(a.abs(), b.abs(), inside),
        f"streams_signed_{method}": correlation(a, b, inside),
    }


def compare_directions(method: str, forward: Tensor, backward: Tensor, half: Tensor) -> dict[str, float]:
    """Of T's two maps, in the same way."""
    return {
        f"symmetry_{method}": correlation(forward.abs(), backward.abs(), half),
        f"directions_signed_{method}": correlation(forward, backward, half),
    }


def consistency(pair: Pair, observation: Observation) -> dict[str, float]:
    """disagreement: of T's two orders. two_orders: the inverse consistency error of the two taken as two registrations,
    which is the papers'. inverse_consistency: of what the model gives, small by construction."""
    output, shape = observation.output, pair.fixed.shape[2:]
    assert output.disagreement is not None
    forward, backward = (resize_displacement(order, shape) for order in one_sided_displacements(output))
    exact = inverse_consistency_error(output.displacement, output.inverse, pair.spacing)[0]
    full = resize(output.disagreement, shape)  # canvas voxels on any grid
    return {
        "disagreement_mm": pair.mean_mm(full, observation.half),
        "two_orders_mm": pair.mean_mm(compose(backward, forward)),
        "inverse_consistency_mm": float(exact[pair.inside > 0.5].mean()),
    }


def homogeneity(network: FireNetwork, pair: Pair, observation: Observation) -> dict[str, float]:
    """How far D's maps of a real image are from those of its synthesis from the other one, mean of the two images."""
    moves = observation.output.displacement, observation.output.inverse
    regions = pair.inside, warp(pair.inside[None, None], observation.output.inverse, padding="zeros")[0, 0]
    rows = []
    for k, real in enumerate((pair.fixed, pair.moving)):
        with torch.no_grad():
            synthetic, _ = network.synthesise(observation.features[1 - k], pair.modalities[k], moves[k])
        rows.append(compare_discriminator_maps(network, pair.modalities[k], real, synthetic, regions[k]))
    return {name: (rows[0][name] + rows[1][name]) / 2 for name in rows[0]}


def compare_discriminator_maps(
    network: FireNetwork, modality: str, real: Tensor, other: Tensor, region: Tensor
) -> dict[str, float]:
    """D's maps of two images of one modality at the same place: divergence by method, and mean |Δ patch logit|."""
    logits, maps = zip(*(discriminator_map(network, modality, image, region) for image in (real, other)), strict=True)
    row = {f"divergence_{m}": divergence(maps[0][m], maps[1][m], region) for m in METHODS}
    return row | {"logit_difference": float(mean_logit((logits[0] - logits[1]).abs(), region))}


def discriminator_map(
    network: FireNetwork, modality: str, image: Tensor, region: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """(D's patch logits, its map of the mean of them over the region by method)."""
    with torch.enable_grad():
        logits, activation = network.discriminators[modality](image.detach().requires_grad_())
        (gradient,) = torch.autograd.grad(mean_logit(logits, region), [activation])
    maps = {}
    for name, method in METHODS.items():
        cells = method.cells(activation.detach(), gradient)
        maps[name] = resize(cells[None, None], image.shape[2:])[0, 0]
    return logits.detach(), maps


def map_correlations(
    before: Observation, after: Observation, pair: Pair, stages: Sequence[str] = STAGES
) -> dict[str, float]:
    """kept_METHOD: the mean over the stages of the correlation of each map with what it was."""
    means = {}
    for method in METHODS:
        correlations = [correlation(before.maps[method][s], after.maps[method][s], pair.inside) for s in stages]
        means[f"kept_{method}"] = float(sum(correlations) / len(correlations))
    return means
