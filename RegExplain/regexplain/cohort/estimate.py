"""What the pairs that are left take, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..cards import registry
from ..volumes.memory import MEMORY_COSTS
from .settings import Settings

# Of one pair on one thread of an AMD EPYC, and of the folder of one that is deformed (docs/scale.md):
SECONDS = {"affine": (1.0, 2.5), "latent": (1.0, 3.0), "fire": (8.0, 3.0)}  # and a million voxels of both images
SECONDS_A_STEP = {"affine": 0.0, "latent": 0.1, "fire": 1.5}  # of --refine
DISK_BYTES = (3e5, 24.0)  # and a voxel of both images


@dataclass(frozen=True)
class Estimate:
    """memory: bytes of the pair that takes most; seconds, disk: of all pairs, one after the other, in bytes."""

    pairs: int
    memory: float
    seconds: float
    disk: float

    @classmethod
    def of(cls, voxels: Sequence[tuple[int, int]], settings: Settings) -> Estimate:
        """voxels: of the fixed and the moving image of each pair."""
        kind = _network_kind(settings.model)
        cost, (base, a_million) = MEMORY_COSTS[kind], SECONDS[kind]
        base += SECONDS_A_STEP[kind] * settings.refine
        return cls(
            len(voxels),
            max((cost.fixed * f + cost.moving * m for f, m in voxels), default=0.0) + cost.bytes,
            sum(base + a_million * (f + m) / 1e6 for f, m in voxels),
            sum(DISK_BYTES[0] + DISK_BYTES[1] * (f + m) for f, m in voxels),
        )

    def words(self, done: int, failed: int) -> str:
        """For people. done, failed: pairs that are left alone."""
        return (
            f"{self.pairs} pairs to do, {done} done, {failed} not usable or failed before. They would take about "
            f"{_duration(self.seconds)} of one core, {self.disk / 1e9:.2f} GB of disk, and up to "
            f"{self.memory / 1e9:.1f} GB of memory each."
        )


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _network_kind(model: str) -> str:
    """Of `MEMORY_COSTS`; "auto" may be any, so the one that takes most."""
    if model == "none":
        return "affine"
    kind = "fire" if model == "auto" else registry.find_card(model).values["network"].get("type", "fire")
    return kind if kind in SECONDS else "fire"
