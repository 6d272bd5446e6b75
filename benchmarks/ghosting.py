"""How bright ghosts beside a head are (regexplain/volumes/ghosting.py), by how much it moved, and where it did not.

    python benchmarks/ghosting.py ../shared/data

Ordinary pairs of the heads that the limits of the verdict were chosen on (trust_failures.py), their moving images with
motion of several strengths, and every real scan of a head as it came. Prints a table: percent of the head's brightness.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from failure_cases import Heads, motion
from measuring import table
from regexplain.report.verdict import LARGE_GHOSTING
from regexplain.volumes.ghosting import ghost_to_signal_ratio
from regexplain.volumes.images import read_volume
from trust_failures import subject_of

SEEDS = range(1, 36, 2)
STRENGTHS = ((5.0, 0.5), (3.0, 0.5), (2.0, 0.5), (1.0, 0.5), (2.0, 0.25), (1.0, 0.25))  # mm, share of the lines
SCANS = "head_contrasts/*.nii.gz", "ms_longitudinal/*/visit?_*.nii.gz", "ms_mni/*/T1.nii.gz", "ms_mni/*/FLAIR.nii.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="with ms_mni, ms_longitudinal, head_contrasts and brain_labels")
    data = parser.parse_args().data
    percent: dict[str, list[float | None]] = defaultdict(list)
    heads = Heads(data)
    for seed in tqdm(SEEDS, disable=None):
        case = heads.pair(subject_of(seed), seed)
        for image in (case.fixed, case.moving):
            percent["ordinary pairs"].append(ratio(image))
        for jitter, share in STRENGTHS:
            moved = motion(case, heads, "", jitter, share).moving
            percent[f"{100 * share:.0f} % of the lines moved by {jitter:g} mm"].append(ratio(moved))
    for pattern in SCANS:
        for path in sorted(data.glob(pattern)):
            percent["real scans as they came"].append(ratio(read_volume(path)))
    print(
        table(
            ["images", "number", "median, %", "range, %", "above the limit"], [row(*item) for item in percent.items()]
        )
    )


def ratio(image: sitk.Image) -> float | None:
    value = ghost_to_signal_ratio(image)
    return None if value is None else 100 * value


def row(name: str, values: list[float | None]) -> list[str]:
    """Those without a figure have no air to compare, or it was blanked."""
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return [name, f"0 of {len(values)}", "–", "–", "–"]
    count = f"{len(known)} of {len(values)}" if len(known) < len(values) else str(len(values))
    above = str(int((known > 100 * LARGE_GHOSTING).sum()))
    return [name, count, f"{np.median(known):.2f}", f"{known.min():.2f} – {known.max():.2f}", above]


if __name__ == "__main__":
    main()
