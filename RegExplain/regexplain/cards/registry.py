"""The models that are installed, known by their cards alone: no torch needed.

A model is a folder: `card.json`, `weights.safetensors`, `components.safetensors`.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..volumes.geometry import Grid, as_closest_lps
from .settings import user_models
from .stages import SYNTHESISED, stages_of

FOLDER = Path(__file__).parents[1] / "models"
WEIGHTS, COMPONENTS, CARD = "weights.safetensors", "components.safetensors", "card.json"
PLUG_INS = "regexplain.models"  # the group of entry points
AXES = ("left-right", "front-back", "up-down")


@dataclass(frozen=True)
class ModelCard:
    """What a model is, was trained on, may be used for, and the checksums of its files (docs/external-networks.md)."""

    folder: Path
    values: dict[str, Any]

    @property
    def name(self) -> str:
        return self.values["name"]

    @property
    def weights_sha256(self) -> str:
        return self.values["files"][WEIGHTS]

    @property
    def canvas_size(self) -> list[int]:
        return self.values["canvas"]["size"]

    @property
    def canvas_spacing(self) -> list[float]:
        return self.values["canvas"]["spacing_mm"]

    @property
    def canvas_fits_pair(self) -> bool:
        """Whether the canvas' spacing follows from the pair (`canvas_size` is then the largest), in place of one of its
        own: such a model is general, and one made for a kind of image is to be preferred where it fits."""
        return self.values["canvas"].get("fits") == "pair"

    @property
    def canvas_fits_image(self) -> bool:
        """Whether the canvas spans the fixed image, whatever its size: such a network has the moving one stretched to
        it too."""
        return self.values["canvas"].get("fits") == "image"

    @property
    def canvas_centred_on(self) -> str:
        """What the canvas' middle lies on: the "image"'s middle, or that of the "tissue" in it."""
        return self.values["canvas"].get("about", "image")

    @property
    def coarsest_cell(self) -> int:
        """Canvas voxels that a cell of the network's coarsest level measures; a canvas is made of whole ones."""
        levels = len(self.values["network"].get("widths", ()))
        return self.values["canvas"].get("multiple", 2**levels)

    @property
    def stages(self) -> tuple[str, ...]:
        """Those of its network that can be explained."""
        return stages_of(self.values["network"])

    @property
    def has_components(self) -> bool:
        """Whether a registration by it can be decomposed into latent components."""
        return COMPONENTS in self.values["files"]

    @property
    def has_indicators(self) -> bool:
        """Whether the three indicators of trust can be measured with it: only with a model for two contrasts."""
        return SYNTHESISED[0] in self.stages

    @property
    def structures(self) -> dict[int, str]:
        """Names of the labels that the network's own read-out tells, in its order from 1; empty where it has none."""
        return {int(number): name for number, name in self.values.get("segments", {}).items()}

    @property
    def memory_bytes(self) -> float | None:
        """What asking its network takes, measured as it was imported; None for ours, which follow from the canvas."""
        return self.values.get("memory_bytes")

    @property
    def intensities(self) -> str:
        """Which scaling of `intensities` the network was trained on."""
        return self.values.get("intensities", "normalised")

    def domain_violations(self, grids: dict[str, Grid]) -> list[str]:
        """Why the model does not fit, a phrase a reason; empty where it fits. `grids`: {"fixed": …, "moving": …}."""
        reasons, domain = [], self.values["domain"]
        for role, grid in grids.items():
            lps_grid = as_closest_lps(grid)
            for axis, count in zip(AXES, lps_grid.size, strict=True):
                if count < domain.get("least_voxels", 0):
                    reasons.append(
                        f"the {role} image has {count} voxels {axis}, the model needs {domain['least_voxels']}"
                    )
            for what, values in (("extent_mm", lps_grid.extent), ("spacing_mm", lps_grid.spacing)):
                if what not in domain:
                    continue
                low, high = (domain[what][end] for end in ("min", "max"))
                for axis, value, least, most in zip(AXES, values, low, high, strict=True):
                    if not least <= value <= most:
                        reasons.append(
                            f"the {role} image's {axis} {what[:-3]} is {value:.1f} mm, the model "
                            f"knows {least:g}–{most:g}"
                        )
        return reasons

    def verified_file(self, name: str) -> Path:
        """A file of the model, its SHA-256 checked against the card. Raises BadInputError."""
        path = self.folder / name
        if not path.is_file():
            raise BadInputError(f"The model {self.name} lacks {name}; install it again.")
        if sha256(path) != self.values["files"].get(name):
            raise BadInputError(
                f"The file {name} of the model {self.name} is damaged or was changed (its checksum is "
                "not the card's); install it again."
            )
        return path


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def installed_cards() -> list[ModelCard]:
    """The cards of the models that ship with RegExplain, by name, those for any pair last."""
    cards = [read_card(path) for path in sorted(FOLDER.glob(f"*/{CARD}"))]
    return sorted(cards, key=lambda card: card.canvas_fits_pair)


def user_cards() -> list[ModelCard]:
    """The cards of the user's own models by name: imported ones, and those of packages that bring some."""
    cards = []
    for path in [*sorted(user_models().glob(f"*/{CARD}")), *plug_in_cards()]:
        with suppress(BadInputError):  # one that cannot be read is refused where it is named
            cards.append(read_card(path))
    return cards


def plug_in_cards() -> list[Path]:
    """The cards of installed packages: what their entry points of the group `regexplain.models` name is a package whose
    folder holds models, a folder each. Nothing of it is imported for that."""
    paths = []
    for entry in entry_points(group=PLUG_INS):
        top, _, below = entry.value.partition(".")
        with suppress(ImportError, ValueError):
            place = find_spec(top)
            for folder in place.submodule_search_locations or [] if place else []:
                paths += sorted(Path(folder, *filter(None, below.split("."))).glob(f"*/{CARD}"))
    return paths


def read_card(path: Path) -> ModelCard:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for key in ("name", "network", "canvas", "alignment", "domain", "files"):
            values[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path} is not a model card; give a model's folder, its {CARD} or its {WEIGHTS}."
        ) from error
    return ModelCard(path.parent, values)


def find_card(model: str | Path) -> ModelCard:
    """The card of an installed model or one of the user's own by name, or of a model folder or its file by path."""
    for card in [*installed_cards(), *user_cards()]:
        if card.name == str(model):
            return card
    path = Path(model)
    if path.is_dir() or path.is_file():
        return read_card((path if path.is_dir() else path.parent) / CARD)
    names = ", ".join(card.name for card in [*installed_cards(), *user_cards()])
    raise BadInputError(f"There is no model {str(model)!r}; installed: {names or 'none'} (or give a model's file).")


def card_by_checksum(digest: str) -> ModelCard | None:
    return next((card for card in [*installed_cards(), *user_cards()] if card.weights_sha256 == digest), None)
