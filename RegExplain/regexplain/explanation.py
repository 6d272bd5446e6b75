"""Explain a finished registration: heatmaps, what the latent components do, whether to trust it.

torch is imported only on use.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .cards import registry
from .cards.heatmap_names import DEFAULT_METHOD, DEFAULT_SCALAR, SCALARS
from .errors import BadInputError
from .latent.decomposition import Decomposition, decompose_registration
from .motions.anatomy import Anatomy
from .progress import Progress
from .results.explanations import ComponentMotion, Heatmap, share_outside
from .results.registration_result import RegistrationResult
from .volumes.geometry import Grid
from .volumes.images import resample_segmentation
from .volumes.intensities import tissue_mask
from .volumes.segmentations import labels_of
from .volumes.threads import device_errors, use_threads

if TYPE_CHECKING:
    from .results.equivariance import Equivariance
    from .results.expected_error import ExpectedError
    from .results.trust import Trust
    from .torch_backend.inference.model import Model

DEFAULT_STRENGTHS = tuple(np.arange(-2, 2.01, 0.5).tolist())


def explain(
    result: RegistrationResult,
    stages: Sequence[str] = (),
    region: int | sitk.Image | None = None,
    *,
    method: str = DEFAULT_METHOD,
    scalar: str = DEFAULT_SCALAR,
    component: int | None = None,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[Heatmap]:
    """Signed attribution maps of a registration, one a stage (all by default), on the images they explain.

    stages: the network's named ones, or paths of modules inside it such as "encoder.refine.1". region: a label of the
    fixed segmentation, or a mask on any grid; by default all segments, or all tissue. method: of
    `cards.heatmap_names.METHODS`; those that ask about changed images have the stages "fixed" and "moving". scalar:
    what of the region's mean displacement is explained, "magnitude", or its part towards "left", "posterior" or
    "superior" (the fixed image's own axes), all in mm.
    component (a principal one, from 1): instead, for each of the two images, a map of what makes its coordinate along
    that component large; a coordinate has no stage, region, method or scalar.
    """
    threads = use_threads(threads)
    if component is not None:
        if stages or region is not None or (method, scalar) != (DEFAULT_METHOD, DEFAULT_SCALAR):
            raise BadInputError(
                "A component's coordinate belongs to a whole image; give no stage and no region, method or scalar "
                "with it."
            )
        ready = _model_of(result, model, device, threads)
        from .torch_backend.attribution.coordinate_maps import coordinate_maps

        with device_errors():
            return _with_air_shares(coordinate_maps(ready, result.masked(), component), result)
    if scalar not in SCALARS:
        raise BadInputError(f"There is no scalar {scalar!r}; there are {', '.join(SCALARS)}.")
    mask, words, label = _region(result, region)
    ready = _model_of(result, model, device, threads)
    from .torch_backend.attribution.heatmaps import heatmaps

    with device_errors():
        maps = heatmaps(ready, result.masked(), stages, mask, words, label, method, scalar, progress)
        return _with_air_shares(maps, result)


def components(
    result: RegistrationResult,
    count: int = 4,
    strengths: Sequence[float] = DEFAULT_STRENGTHS,
    basis: str = "pca",
    *,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> list[ComponentMotion]:
    """What the first `count` latent components do about the fixed image, at strengths in standard deviations.

    basis: "pca", or "readable" where the model has one.
    """
    if count < 1 or not any(strengths):
        raise BadInputError("Give at least one component and one strength other than 0.")
    threads = use_threads(threads)
    ready, result = _model_of(result, model, device, threads), result.masked()
    from .torch_backend.inference.prediction import component_motions

    with device_errors():
        return component_motions(
            ready,
            result.fixed,
            result.moving,
            result.transform.alignment,
            count,
            sorted(set(strengths)),
            result.fixed_segmentation,
            basis,
        )


def decompose(
    result: RegistrationResult,
    count: int = 8,
    basis: str = "pca",
    *,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> Decomposition:
    """The registration as the `count` component motions that move the anatomy most, and what they leave unexplained.

    basis: "pca", or "readable" where the model has one.
    """
    if count < 1:
        raise BadInputError("Give at least one component.")
    threads = use_threads(threads)
    ready = _model_of(result, model, device, threads)
    basis_components = ready.components_in(basis)
    from .torch_backend.inference.encoded_pair import EncodedPair

    assert result.transform.displacement is not None
    with device_errors():
        pair = EncodedPair(ready, result.masked(), basis_components)
        anatomy = Anatomy.of(result.fixed, result.fixed_segmentation)
        return decompose_registration(pair, result.transform.displacement, anatomy, count, basis)


def trust(
    result: RegistrationResult,
    *,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> Trust:
    """Symmetry, complementarity and homogeneity of a registration of two contrasts, against their usual ranges.

    They are of the network's own answer, before any refining. Raises BadInputError for a model that lacks the parts.
    """
    threads = use_threads(threads)
    card = _card_of(result, model)
    if not card.has_indicators:
        raise BadInputError(
            f"The model {card.name} has no parts for two contrasts (synthesis and discriminators), which these "
            "indicators look at; use a result of a model such as brain-t1-flair."
        )
    from .torch_backend.inference.model import load_cached
    from .torch_backend.inference.trust import measure_trust

    with device_errors():
        return measure_trust(load_cached(card, device, threads), result.masked())


def equivariance(
    result: RegistrationResult,
    copies: int = 4,
    *,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Equivariance:
    """How far the answers to moved copies of the pair, moved back, lie from the answer: a map in mm, of any model."""
    if copies < 1:
        raise BadInputError("Give at least one moved copy.")
    ready = _model_of(result, model, device, use_threads(threads))
    from .torch_backend.inference.equivariance import measure_equivariance

    with device_errors():
        return measure_equivariance(ready, result.masked(), copies, progress)


def expected_error(
    result: RegistrationResult,
    *,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> ExpectedError:
    """How far the registration is expected to be wrong in each place, whatever made it; and where there is no estimate.

    It looks at both images, the transform and nothing else; no model is needed. device: it always runs on the
    processor, where it takes seconds.
    """
    use_threads(threads)
    from .torch_backend.error_map.maps import error_maps

    with device_errors():
        return error_maps(result, progress or Progress())


def _with_air_shares(maps: list[Heatmap], result: RegistrationResult) -> list[Heatmap]:
    """The same maps, each with how much of its heat lies in air."""
    inside = {grid: tissue_mask(getattr(result, grid)) for grid in {heatmap.grid for heatmap in maps}}
    for heatmap in maps:
        heatmap.air_share = share_outside(sitk.GetArrayViewFromImage(heatmap.image), inside[heatmap.grid])
    return maps


def _model_of(result: RegistrationResult, model: str | os.PathLike[str] | None, device: str, threads: int) -> Model:
    """The very model that made the result."""
    card = _card_of(result, model)
    from .torch_backend.inference.model import load_cached

    return load_cached(card, device, threads)


def _card_of(result: RegistrationResult, model: str | os.PathLike[str] | None) -> registry.ModelCard:
    """Of the very model that made the result, found by its checksum."""
    used = result.record.get("model")
    if result.record.get("transform"):
        raise BadInputError(
            "This transform was made elsewhere: no network made it, so there is nothing more to explain; register the "
            "two images here for that."
        )
    if used is None:
        raise BadInputError(
            "This registration is affine only: no network made it, so there is nothing to explain; "
            "register with --model."
        )
    card = registry.find_card(os.fspath(model)) if model is not None else registry.card_by_checksum(used["sha256"])
    if card is None or card.weights_sha256 != used["sha256"]:
        raise BadInputError(
            f"The model {used['name']} that made this result is not installed in that version; name "
            "its file with --model."
        )
    return card


def _region(result: RegistrationResult, region: int | sitk.Image | None) -> tuple[sitk.Image, str, int | None]:
    """A mask on the fixed grid, its name in words, its label."""
    labels = result.fixed_segmentation
    if isinstance(region, sitk.Image):
        return resample_segmentation(region, result.fixed, "region"), "mask", None
    if region is None:
        if labels is not None:
            return labels > 0, "all segments", None
        inside = tissue_mask(result.masked().fixed)  # most of an image of a head is air, whose motion says nothing
        return Grid.of(result.fixed).image(inside.astype(np.uint8)), "all tissue", None
    if labels is None or region not in labels_of(labels):
        available = (
            "the fixed image has no segmentation"
            if labels is None
            else f"it has {', '.join(map(str, labels_of(labels)))}"
        )
        raise BadInputError(f"The fixed segmentation has no segment {region} ({available}); choose another region.")
    return labels == region, f"segment {region}", region
