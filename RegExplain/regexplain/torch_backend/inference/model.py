"""A model ready to run: its card, its network, the canvas it works on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from ...cards.external import is_external
from ...cards.registry import COMPONENTS, WEIGHTS, ModelCard
from ...errors import BadInputError, RegExplainError
from ...latent.components import LatentComponents
from ...volumes.geometry import (
    Grid,
    antialias,
    as_closest_lps,
    canvas_around,
    common_field_of_view,
    fit_canvas,
    resample_blurred_to_canvas,
    resized,
)
from ...volumes.intensities import SCALINGS, rescale_image, tissue_box
from ...volumes.memory import physical_memory
from ..external.network import ExternalNetwork
from ..networks.fire import FireNetwork, current_options
from ..networks.latent import LatentNetwork
from ..networks.weights import load_weights

NETWORKS: dict[str, type[nn.Module]] = {"latent": LatentNetwork, "fire": FireNetwork}
BASES = ("pca", "readable")
OUTSIDE = 0.0005  # share of the tissue, at each end of each axis, that a canvas need not hold
MARGIN = 1.5  # canvas voxels about the tissue
BLURRED = 4  # of two images, for landmarks and for the canvas
BLURRED_VOXELS = 20_000_000  # larger ones are not kept: memory is scarcer than time
FINEST = 1.0  # voxels of the finer image: a canvas that fits the pair has no smaller ones
BYTES_PER_CANVAS_VOXEL = 600  # activations of the shipped widths, both directions


class EncodedImage(NamedTuple):
    """A fixed image on its canvas, and the features of the encoder, coarsest first."""

    canvas: Grid
    volume: Tensor
    features: list[Tensor]

    def stack_with(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features of fixed and moving, stacked along the batch in this order."""
        return [torch.cat(pair) for pair in zip(self.features, features, strict=True)]


@dataclass
class Model:
    card: ModelCard
    network: Any  # of NETWORKS; torch hides what a module's own methods take and give
    device: torch.device
    _scaled: list[tuple[sitk.Image, sitk.Image]] = field(default_factory=list, repr=False)
    _by_digest: dict[str, sitk.Image] = field(default_factory=dict, repr=False)  # scaled ones, oldest first
    _blurred: list[tuple[sitk.Image, tuple[float, ...], sitk.Image]] = field(default_factory=list, repr=False)
    _encoded: tuple[sitk.Image, EncodedImage] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, card: ModelCard, device: str = "auto", threads: int | None = None) -> Model:
        """threads: torch's, left as they are by default.

        Raises BadInputError for weights that are damaged or of another network, and for a device that is not there.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = select_device(device)
        path = card.verified_file(WEIGHTS)
        if is_external(card.values["network"]):
            foreign = ExternalNetwork.load(card, path)
            return cls(card, foreign.eval().requires_grad_(False).to(chosen), chosen)
        options = current_options(card.values["network"])
        try:
            network = NETWORKS[options.pop("type")](**options)
            load_weights(network, path)
        except (RuntimeError, KeyError, TypeError) as error:
            raise BadInputError(
                f"The weights of {card.name} are not those of the network on its card; install the model again."
            ) from error
        return cls(card, network.eval().requires_grad_(False).to(chosen), chosen)

    @cached_property
    def components(self) -> LatentComponents:
        """Raises BadInputError where the model has none."""
        if not self.card.has_components:
            raise BadInputError(
                f"The model {self.card.name} has no latent components: its answer does not pass through one encoding "
                "of a whole image; explain it stage by stage instead (regexplain explain)."
            )
        return LatentComponents.load(self.card.verified_file(COMPONENTS))

    def components_in(self, basis: str) -> LatentComponents:
        """basis: "pca" or "readable". Raises BadInputError for another, and for a model that has no readable one."""
        if basis not in BASES:
            raise BadInputError(f"There is no basis {basis!r}; there are {' and '.join(BASES)}.")
        return self.components if basis == "pca" else self.components.in_readable_basis()

    def canvas(
        self, fixed: sitk.Image, moving: sitk.Image | None = None, alignment: sitk.Transform | None = None
    ) -> Grid:
        """About the fixed image. Where the card says that it fits the pair, the other two are needed."""
        check_canvas_memory(self.card)
        if self.card.canvas_fits_pair:
            assert moving is not None and alignment is not None
            return self._fitting_canvas(fixed, moving, alignment)
        if self.card.canvas_fits_image:
            return resized(as_closest_lps(Grid.of(fixed)), self.card.canvas_size)
        centre = self.centre(fixed)
        size = self._size_for(fixed, centre) if self.card.canvas_centred_on == "tissue" else self.card.canvas_size
        return canvas_around(fixed, size, self.card.canvas_spacing, centre)

    def _fitting_canvas(self, fixed: sitk.Image, moving: sitk.Image, alignment: sitk.Transform) -> Grid:
        """Filled by what both images show."""
        tissue = tissue_box(self.scaled(fixed), OUTSIDE)
        field = common_field_of_view(Grid.of(fixed), Grid.of(moving), alignment, tissue)
        finest = FINEST * min(*fixed.GetSpacing(), *moving.GetSpacing())
        return fit_canvas(field, self.card.canvas_size, finest, self.card.coarsest_cell)

    def centre(self, image: sitk.Image) -> np.ndarray:
        """What the model's canvases lie about, LPS mm: the middle of the image, or of the tissue in it."""
        if self.card.canvas_centred_on == "tissue":
            return tissue_box(self.scaled(image)).centre
        return as_closest_lps(Grid.of(image)).middle_corner

    def _size_for(self, image: sitk.Image, centre: np.ndarray) -> list[int]:
        """As much of the card's canvas as the tissue fills: air only takes time, and training showed little of it."""
        box = as_closest_lps(tissue_box(self.scaled(image), OUTSIDE))
        aside = np.abs((box.centre - centre) @ box.axes)
        filled = (box.extent / 2 + aside) / self.card.canvas_spacing + MARGIN
        cells = self.card.coarsest_cell
        return np.minimum(cells * np.ceil(2 * filled / cells), self.card.canvas_size).astype(int).tolist()

    def volume(self, image: sitk.Image, canvas: Grid, alignment: sitk.Transform | None = None) -> Tensor:
        """(1, 1, D, H, W): the scaled image on the canvas, 0 (its darkest) outside."""
        resampled = resample_blurred_to_canvas(self._smoothed(image, canvas.spacing), canvas, alignment)
        return torch.from_numpy(resampled)[None, None].to(self.device)

    def _smoothed(self, image: sitk.Image, spacing: tuple[float, ...]) -> sitk.Image:
        """The scaled image, blurred for a canvas' spacing; those last made are kept, for it takes long."""
        scaled = self.scaled(image)
        for original, blurred_to, blurred in self._blurred:
            if original is scaled and blurred_to == spacing:
                return blurred
        blurred = antialias(scaled, spacing)
        if scaled.GetNumberOfPixels() <= BLURRED_VOXELS:
            self._blurred = [*self._blurred[1 - BLURRED :], (scaled, spacing, blurred)]
        return blurred

    def encode(
        self, fixed: sitk.Image, moving: sitk.Image | None = None, alignment: sitk.Transform | None = None
    ) -> EncodedImage:
        """The last one is cached where it does not depend on the pair: an alignment and a registration share it."""
        if self._encoded is None or self._encoded[0] is not fixed or self.card.canvas_fits_pair:
            canvas = self.canvas(fixed, moving, alignment)
            volume = self.volume(fixed, canvas)
            self._encoded = fixed, EncodedImage(canvas, volume, self.network.encoder(volume))
        return self._encoded[1]

    def scaled(self, image: sitk.Image) -> sitk.Image:
        """`image` in the intensities that the network was trained on; those of one pair are kept, for it takes long."""
        for original, cached in self._scaled:
            if original is image:
                return cached
        key = f"{self.card.intensities} {image_digest(image)}"
        rescaled = self._by_digest.pop(key, None)
        if rescaled is None:
            rescaled = rescale_image(SCALINGS[self.card.intensities], image)
        self._scaled = [*self._scaled[-1:], (image, rescaled)]
        self._by_digest[key] = rescaled
        if len(self._by_digest) > 2:
            del self._by_digest[next(iter(self._by_digest))]
        return rescaled


def check_canvas_memory(card: ModelCard) -> None:
    """Raises RegExplainError where this computer has less than the network takes."""
    needed = card.memory_bytes or float(np.prod(card.canvas_size)) * BYTES_PER_CANVAS_VOXEL
    if needed > physical_memory():
        raise RegExplainError(
            f"The canvas of {card.name} needs about {needed / 2**30:.1f} GB of memory, more than this computer has; "
            "use a smaller model or a larger computer."
        )


_last = threading.local()


def load_cached(card: ModelCard, device: str = "auto", threads: int | None = None) -> Model:
    """As `Model.load`, but the last network, and what images were scaled for it, serve again while its files are the
    same.

    Only the last is kept, and two images. These are known by their content, as an image may change between two calls.
    """
    last = getattr(_last, "model", None)
    if last is None or (last.card, last.device) != (card, select_device(device)):
        _last.model = None  # not two at once
        _last.model = last = Model.load(card, device)
    card.verified_file(WEIGHTS)
    if threads is not None:
        torch.set_num_threads(threads)
    return replace(last)


def image_digest(image: sitk.Image) -> str:
    """A checksum of an image's voxels and of where they lie."""
    digest = hashlib.sha256(repr((Grid.of(image), image.GetPixelID())).encode())
    digest.update(sitk.GetArrayViewFromImage(image).data)
    return digest.hexdigest()


def select_device(name: str) -> torch.device:
    """auto: CUDA, then Apple's MPS, then the CPU, whichever is there first."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "mps" if available["mps"] else "cpu")
    if not available.get(name):
        raise BadInputError(f"The device {name} is not available here; use --device auto or cpu.")
    return torch.device(name)


def displacement_image(displacement: Tensor, canvas: Grid) -> sitk.Image:
    """(1, 3, D, H, W), canvas voxels along the canvas' axes, to LPS mm: a float64 vector image on the canvas."""
    voxels = displacement[0].permute(1, 2, 3, 0).double().cpu().numpy()
    return canvas.image((voxels * canvas.spacing) @ canvas.axes.T, vector=True)
