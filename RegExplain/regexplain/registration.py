"""Register two images: the Python API behind `regexplain register`. torch is imported only where a model runs."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from . import __version__
from .cards import registry
from .errors import BadInputError
from .latent.population import Population
from .progress import Progress
from .results import metrics
from .results.folder import SCHEMA_VERSION
from .results.registration_result import RegistrationResult
from .transforms import alignment
from .transforms.affine_registration import registered
from .transforms.itk import RegistrationTransform, as_affine, backward, extended_sample
from .transforms.similarity import Similarity
from .volumes.content import not_a_scan, not_mr
from .volumes.geometry import Grid
from .volumes.images import check_volume, fitted_pair, fitted_segmentation, within, without_metadata
from .volumes.memory import check_memory_for
from .volumes.threads import trouble_said, use_threads

if TYPE_CHECKING:
    from .torch_backend.inference.model import Model

DEFORMATION_CELLS = 96  # along the longest side: finer than an alignment needs
ROUNDING = 1e-6  # of images that do not move

NOT_MADE_FOR = "The model {name} was not made for these images: {reasons}. Do not rely on the result."
ATYPICAL = (
    "The {role} image is unlike the images that the model {name} was trained on: {unusual}. Check that it is the right "
    "anatomy, complete, and neither turned nor mirrored; do not rely on the result before you have looked closely."
)
AFFINE_ONLY = "No installed model fits these images, so this is an affine registration only: {reasons}."
WORSE = (
    "After the model {name} the images are less alike than after the alignment alone. Do not rely on the deformation; "
    "--model none gives the alignment."
)
FALLEN_BACK = (
    "After the model {name} the images were less alike than after the alignment alone, so the result is the alignment "
    "only."
)
NOT_TAKEN = (
    "The affine part of the model {name} lays these images on each other no better than their headers or middles, so "
    "they were aligned without it."
)
KEPT = (
    "The affine part of the model {name} lays these images on each other no better than their headers or middles; "
    "check how they lie."
)


def register(
    fixed: sitk.Image,
    moving: sitk.Image,
    model: str | os.PathLike[str] = "auto",
    *,
    fixed_segmentation: sitk.Image | None = None,
    moving_segmentation: sitk.Image | None = None,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
    initial_transform: sitk.Transform | None = None,
    refine: int = 0,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> RegistrationResult:
    """Register `moving` to `fixed`, two 3-D scalar images of any grid.

    model: "auto" takes the first installed model that was made for what both images show; where there is none, or where
    its answer makes the images no more alike, the result is affine only, as with "none". Otherwise a model's name or
    file, used on any image, with a warning outside its domain.
    fixed_mask, moving_mask: what is 0 in them does not count in the alignment, in the refinement and in what judges an
    answer, and is dark to the network.
    initial_transform: linear, maps fixed-space to moving-space points (LPS mm) and replaces the alignment.
    refine: steps that optimise this very pair after the network's answer, without segmentations; none if affine only.
    threads: processor threads, all by default.
    The result's `transform` maps fixed-space to moving-space points. Raises BadInputError for unusable inputs.
    """
    work = _Registration(
        fixed,
        moving,
        fixed_segmentation,
        moving_segmentation,
        (fixed_mask, moving_mask),
        initial_transform,
        refine,
        device,
        threads,
        progress or Progress(),
    )
    return work.run(str(model))


class _Registration:
    """One registration under way: what was given, what was noticed, what it took."""

    def __init__(
        self,
        fixed,
        moving,
        fixed_segmentation,
        moving_segmentation,
        masks,
        initial,
        refine,
        device,
        threads,
        progress: Progress,
    ):
        self.started = time.perf_counter()
        check_volume(fixed, "fixed image")
        check_volume(moving, "moving image")
        self.fixed, self.moving = without_metadata(fixed), without_metadata(moving)
        self.fixed_segmentation, self.moving_segmentation, matched = fitted_pair(
            fixed_segmentation, moving_segmentation, (fixed, moving)
        )
        self.masks: dict[str, Any] = {
            "fixed_mask": _fitted(masks[0], fixed, "fixed mask"),
            "moving_mask": _fitted(masks[1], moving, "moving mask"),
        }
        self.steps: list[str] = []
        self.better: bool | None = None
        self.seen = within(self.fixed, self.masks["fixed_mask"]), within(self.moving, self.masks["moving_mask"])
        self.grids = {"fixed": Grid.of(fixed), "moving": Grid.of(moving)}
        self.initial, self.device, self.progress = checked_initial(initial), device, progress
        self.threads = use_threads(threads)
        if refine < 0:
            raise BadInputError("The number of refining steps is negative; give 0 or more.")
        self.refine = refine
        self.model: Model | None = None
        self.population: dict[str, Any] | None = None
        self.regions: tuple[sitk.Image, dict[int, str]] | None = None
        self.warnings: list[str] = []
        self.seconds: dict[str, float] = {}
        if matched:
            self._warn(matched)

    def run(self, model: str) -> RegistrationResult:
        if self.initial is None:
            alignment.check_overlap(self.fixed, self.moving)
        card = self._chosen(model)
        sizes = (grid.size for grid in self.grids.values())
        check_memory_for("affine" if card is None else card.values["network"].get("type", ""), *sizes)
        if card is not None and self.model is None:
            self.model = self._timed("load", self._load, card)
        linear, kind = self._timed("align", self._align, card, model)
        forward, back = self._timed("register", self._deform, linear)
        displacement = None if forward is None else extended_sample(forward, self.grids["fixed"])
        if displacement is not None and not self._timed("judge", self._judged, linear, displacement, model):
            card = displacement = back = None
        self.progress.report("Measuring", 3, 4)
        result = self._result(linear, displacement, back)
        result.record = self._record(result, card, model, kind)
        self.progress.report("Measuring", 4, 4)
        return result

    def _timed(self, name: str, step, *arguments):
        began = time.perf_counter()
        value = step(*arguments)
        self.seconds[name] = round(time.perf_counter() - began, 3)
        return value

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self.progress.warn(message)

    def _chosen(self, model: str) -> registry.ModelCard | None:
        """The model's card; None for affine only."""
        if model == "none":
            return None
        if model == "auto":
            return self._timed("choose", self._fitting)
        named = registry.card(model)
        reasons = named.outside_domain(self.grids)
        if reasons:
            self._warn(NOT_MADE_FOR.format(name=named.name, reasons=_first(reasons)))
        return named

    def _fitting(self) -> registry.ModelCard | None:
        """The first installed model that was made for images like these, by their size and by what they show."""
        refusals = []
        for card in registry.installed():
            outside = card.outside_domain(self.grids)
            reason = outside[0] if outside else self._content(card)
            if reason is None:
                return card
            refusals.append(f"{card.name}: {reason}")
        self.model = None
        self._warn(AFFINE_ONLY.format(reasons="; ".join(refusals) or "none is installed"))
        return None

    def _content(self, card: registry.ModelCard) -> str | None:
        """Why the images do not show what a model was made for, a phrase; None where both may: then it is loaded."""
        images = {"moving": self.moving, "fixed": self.fixed}  # what is seen last is kept by the model
        not_for_it = not_mr if "content" in card.values else not_a_scan
        for role, image in images.items():
            if reason := not_for_it(image):
                return f"the {role} image {reason}"
        from .torch_backend.inference.content import unlike

        self.model = self._load(card)
        with trouble_said():
            for role, image in images.items():
                if reason := unlike(self.model, image):
                    return f"the {role} image {reason}"
        return None

    def _align(self, card: registry.ModelCard | None, model: str) -> tuple[sitk.AffineTransform, str]:
        self.progress.report("Aligning", 0, 4)
        if self.initial is not None:
            return self.initial, "given"
        wanted = "affine" if card is None else card.values["alignment"]
        if wanted == "centre":
            return alignment.centred(*self.seen), wanted
        if wanted == "network":
            network = self._network_alignment(model)
            if network is not None:
                return network, wanted
        found = registered(self.fixed, self.moving, **self.masks)
        self.steps = found.steps
        if found.words:
            self._warn(found.words)
        return found.transform, found.kind

    def _network_alignment(self, model: str) -> sitk.AffineTransform | None:
        """The model's own affine part; None where headers or middles do as well, unless the model was named."""
        from .torch_backend.inference.alignment import align

        assert self.model is not None
        with trouble_said():
            found = align(self.model, *self.seen, self._warn)
        similarity = Similarity(self.fixed, self.moving, **self.masks)
        starts = alignment.centred(self.fixed, self.moving), sitk.AffineTransform(3)
        if all(similarity.gain(found, start) >= 0 for start in starts):
            return found
        self._warn((NOT_TAKEN if model == "auto" else KEPT).format(name=self.model.card.name))
        return None if model == "auto" else found

    def _judged(self, linear: sitk.AffineTransform, displacement: sitk.Image, model: str) -> bool:
        """Whether the deformation stays: it makes the images more alike than the alignment, or its model was named."""
        assert self.model is not None
        whole = RegistrationTransform(linear, displacement).itk()
        similarity = Similarity(self.fixed, self.moving, **self.masks, cells=DEFORMATION_CELLS)
        difference = similarity.difference(whole, linear)
        self.better = difference is None or bool(difference.values.min() >= -ROUNDING)
        name = self.model.card.name
        if not self.better:
            self._warn((FALLEN_BACK if model == "auto" else WORSE).format(name=name))
        if self.better or model != "auto":
            return True
        self.model = self.population = self.regions = None
        self.refine = 0
        return False

    def _load(self, card: registry.ModelCard) -> Model:
        from .torch_backend.inference.model import load_cached

        with trouble_said():
            model = load_cached(card, self.device, self.threads)
        self.device = str(model.device)
        return model

    def _deform(self, linear: sitk.AffineTransform) -> tuple[sitk.Image | None, sitk.Image | None]:
        """The displacement there and the one back, on the canvas; None for affine only."""
        self.progress.report("Registering", 1, 4)
        if self.model is None:
            self.device, self.refine = "cpu", 0
            return None, None
        from .torch_backend.inference.prediction import predict

        with trouble_said():
            masks = self.masks["fixed_mask"], self.masks["moving_mask"]
            prediction = predict(self.model, *self.seen, linear, self.refine, self.progress, masks)
        if prediction.regions is not None:
            self.regions = prediction.regions, self.model.card.structures
        if self.model.card.has_components:
            self._place(Population.of(self.model.components), self.model.card.name, prediction.encodings)
        return prediction.displacement, prediction.inverse

    def _place(self, population: Population | None, model: str, encodings: dict[str, np.ndarray]) -> None:
        """Where both images stand among those that the model was trained on; a warning for one that is atypical."""
        if population is None:
            return
        stands = {role: population.stand(encoding) for role, encoding in encodings.items()}
        for role, stand in stands.items():
            if stand.atypical:
                self._warn(ATYPICAL.format(role=role, name=model, unusual=stand.unusual))
        self.population = {role: stand.record for role, stand in stands.items()}

    def _result(self, linear, displacement, back) -> RegistrationResult:
        """displacement: on the fixed image's grid. back: the inverse, on the canvas."""
        return RegistrationResult(
            self.fixed,
            self.moving,
            RegistrationTransform(linear, displacement),
            backward(linear, back, self.grids["moving"]),
            self.fixed_segmentation,
            self.moving_segmentation,
            **self.masks,
        )

    def _record(
        self, result: RegistrationResult, card: registry.ModelCard | None, model: str, kind: str
    ) -> dict[str, Any]:
        grids, transform = self.grids, result.transform
        record: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "regexplain_version": __version__,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "kind": "affine" if card is None else "deformable",
            "model": card
            and {
                "better": self.better,
                "name": card.name,
                "sha256": card.weights_sha256,
                "chosen": "auto" if model == "auto" else "named",
                "inside_domain": not card.outside_domain(grids),
            },
            "settings": {"device": self.device, "threads": self.threads, "seed": alignment.SEED, "refine": self.refine},
            "alignment": {"kind": kind, "steps": self.steps} | alignment.described(transform.alignment, grids["fixed"]),
            "population": self.population,
            "heatmaps": [],
            "components": None,
        }
        record |= metrics.record_numbers(result, self.initial, self._warn, self.regions)
        self.seconds["total"] = round(time.perf_counter() - self.started, 3)
        return record | {"seconds": self.seconds, "warnings": self.warnings}


def _first(reasons: list[str]) -> str:
    """Two reasons are enough to see what kind of image it is."""
    more = f"; and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    return "; ".join(reasons[:2]) + more


def checked_initial(transform: sitk.Transform | None) -> sitk.AffineTransform | None:
    """A given transform as an affine. Raises BadInputError where it bends or cannot be undone."""
    if transform is None:
        return None
    if not transform.IsLinear():
        raise BadInputError(
            "The initial transform is not linear; give a rigid or affine one (harden the rest into "
            "the moving image first)."
        )
    linear = as_affine(transform)
    if abs(np.linalg.det(np.array(linear.GetMatrix()).reshape(3, 3))) < 1e-6:
        raise BadInputError("The initial transform flattens space (its determinant is 0); give an invertible one.")
    return linear


def _fitted(mask: sitk.Image | None, image: sitk.Image, role: str) -> sitk.Image | None:
    return None if mask is None else fitted_segmentation(mask, image, role)
