"""Three plain indicators of a registration of two contrasts, against what is usual, and what they warn of.

After ExFIRE (arXiv 2308.01994), whose pictures are read by eye; here each is a number with a range:

symmetry         how far T's forward and backward maps, each by itself, lie from both together: mm, mean over the head
complementarity  correlation of what G uses of the two images: 1 where it uses the same of both
homogeneity      how differently D judges the synthesised and the real images: mean difference of its patch logits

The usual ranges come with the model (`reference` on its card): the median, 5th and 95th percentile over ordinary pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..volumes.images import write_image

KEYS = {"symmetry": "symmetry_mm", "complementarity": "complementarity", "homogeneity": "homogeneity"}
MAP_TITLES = {  # name of a map → (title, unit)
    "symmetry": ("Disagreement of forward and backward maps", "mm"),
    "homogeneity-fixed": ("Judge's difference, real and made fixed image", "logit"),
    "homogeneity-moving": ("Judge's difference, real and made moving image", "logit"),
}
MIN_CERTAINTY = 0.6  # what it is of every ordinary visit measured
OFF_CENTRE = 1 / 3  # of the way from the head's middle to its border: nearer has no side
SIDES = (("right", "left"), ("front", "back"), ("lower", "upper"))  # against and along L, P, S


def describe_position(position: Sequence[float], whole: str = "head") -> str:
    """Where in the head a point lies. position: from its middle, (L, P, S), ±1 at its borders."""
    words = [pair[value > 0] for pair, value in zip(SIDES, position, strict=True) if abs(value) > OFF_CENTRE]
    return f"the {', '.join(words)} part of the {whole}" if words else f"the middle of the {whole}"


@dataclass(frozen=True)
class Indicator:
    """value: None where it is not defined, as for two images that are the same.

    worst: the largest value in any place, and that place in words; None and "" where it has no places.
    reference: {"median", "p5", "p95"} of ordinary pairs; None where the model has none.
    """

    name: str
    value: float | None
    p95: float | None = None
    worst: float | None = None
    place: str = ""
    reference: Mapping[str, float] | None = None

    @property
    def state(self) -> str:
        """ "ok", "unusual" or "unknown". Too small is unusual for complementarity alone."""
        if self.value is None or self.reference is None:
            return "unknown"
        low = self.name == "complementarity" and self.value < self.reference["p5"]
        return "unusual" if low or self.value > self.reference["p95"] else "ok"

    @property
    def warning(self) -> str:
        """The reason and the place; empty where nothing is unusual."""
        if self.state != "unusual":
            return ""
        return {"symmetry": _asymmetric, "complementarity": _alike, "homogeneity": _unreal}[self.name](self)

    @property
    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "p95": self.p95,
            "worst": self.worst,
            "place": self.place,
            "reference": None if self.reference is None else {k: self.reference[k] for k in ("median", "p5", "p95")},
            "state": self.state,
        }


def _asymmetric(found: Indicator) -> str:
    assert found.value is not None and found.reference is not None
    return (
        f"Forward and backward maps disagree in {found.place}: {found.worst:.1f} mm there, and {found.value:.2f} mm on "
        f"average (usual: up to {found.reference['p95']:.2f} mm). Look closely there before you rely on it."
    )


def _alike(found: Indicator) -> str:
    assert found.value is not None and found.reference is not None
    low, high = found.reference["p5"], found.reference["p95"]
    usual = f"correlation {found.value:.2f}, usual: {low:.2f} to {high:.2f}"
    if found.value > high:
        return (
            f"The network uses nearly the same of both images instead of what each has to add ({usual}); check that "
            "they are two different contrasts."
        )
    return (
        f"What the network uses of one image fits what it uses of the other less than usual ({usual}); check that both "
        "show the same anatomy, whole and the right way up."
    )


def _unreal(found: Indicator) -> str:
    assert found.value is not None and found.reference is not None
    return (
        f"One image made from the other does not look real in {found.place}: the two may not show the same there "
        f"(difference {found.worst:.1f} there, {found.value:.2f} on average; usual: up to "
        f"{found.reference['p95']:.2f})."
    )


@dataclass(frozen=True)
class Modality:
    """What the network takes an image for. certainty: in [0, 1]."""

    name: str
    certainty: float


@dataclass(frozen=True, eq=False)
class TrustMap:
    """A map of one indicator on the grid of an image, "fixed" or "moving"; float32, mm or differences of logits."""

    name: str
    grid: str
    image: sitk.Image

    @property
    def file(self) -> str:
        return f"trust/{self.name}.nii.gz"

    @property
    def record(self) -> dict[str, Any]:
        largest = float(abs(sitk.GetArrayFromImage(self.image)).max())
        return {"name": self.name, "file": self.file, "grid": self.grid, "max_abs": largest}


@dataclass
class Trust:
    """The indicators of one registration. modalities: of the "fixed" and the "moving" image."""

    indicators: list[Indicator]
    modalities: dict[str, Modality]
    maps: list[TrustMap] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """In plain words, those about the contrasts first: where they are wrong, so is the rest."""
        return [*contrast_warnings(self.modalities), *(i.warning for i in self.indicators if i.warning)]

    @property
    def record(self) -> dict[str, Any]:
        """Its part of result.json."""
        return {
            "indicators": [indicator.record for indicator in self.indicators],
            "modalities": {role: found.name for role, found in self.modalities.items()},
            "certainty": {role: found.certainty for role, found in self.modalities.items()},
            "maps": [found.record for found in self.maps],
            "warnings": self.warnings,
        }

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        """As a part of a result, in place of any earlier one."""
        record["trust"] = self.record
        (staging / "trust").mkdir()
        for found in self.maps:
            write_image(found.image, staging / found.file)


def contrast_warnings(modalities: Mapping[str, Modality]) -> list[str]:
    found = [
        f"The network is not sure of the {role} image's contrast: {modality.name}, with "
        f"{100 * modality.certainty:.0f} % certainty. Check that it is the right series."
        for role, modality in modalities.items()
        if modality.certainty < MIN_CERTAINTY
    ]
    names = {modality.name for modality in modalities.values()}
    if len(names) == 1:
        found.append(
            f"Both images look like {names.pop()} to the network, which was made for two different contrasts. Check "
            "that the right series were chosen."
        )
    return found
