"""Register and explain the sample pair by the command line, and write what came out as figures to compare with.

.venv/bin/python tools/public_path.py

`Testing/unit/verbs/test_public_path.py` compares with the file that this writes. Write it anew only where a change of
the answer is wanted, and say in the commit what changed.
"""

import itertools
import json
import tempfile
from pathlib import Path

import SimpleITK as sitk

from regexplain.cli import main
from regexplain.results import ResultFolder

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "RegExplain" / "Resources" / "SampleData"
REFERENCE = ROOT / "Testing" / "data" / "public-path.json"
RECORDED = (
    *("kind", "settings", "alignment", "displacement_mm", "jacobian", "inverse_consistency_mm"),
    *("dice", "segments", "population", "warnings", "heatmaps"),
)
PLACES = (0.2, 0.4, 0.6, 0.8)  # along each axis of an image: 64 voxels


def write():
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder, "result"))
        REFERENCE.write_text(json.dumps(figures(Path(folder, "result")), indent=1) + "\n", encoding="utf-8")


def run(result):
    """`regexplain register` and `explain`, as tools/demo.py calls them, into the folder `result`; in this process, as
    loading torch takes longer than both."""
    pair = [str(SAMPLES / f"{role}.nii.gz") for role in ("fixed", "moving")]
    pair += [f"--{role}-segmentation={SAMPLES / f'{role}_segmentation.nii.gz'}" for role in ("fixed", "moving")]
    for arguments in (["register", *pair, f"--output={result}"], ["explain", str(result)]):
        main([*arguments, "--threads", "1"], standalone_mode=False)


def figures(result):
    """{"record": parts of result.json, "points": LPS mm [from, to] of transform.h5, "heatmaps": values by stage}."""
    folder = ResultFolder.open(result)
    fixed = sitk.ReadImage(str(folder.require("fixed.nii.gz")))
    transform = sitk.ReadTransform(str(folder.require("transform.h5")))
    points = [fixed.TransformIndexToPhysicalPoint(index) for index in scattered(fixed)]
    maps = {found["stage"]: sitk.ReadImage(str(folder.require(found["file"]))) for found in folder.record["heatmaps"]}
    return {
        "record": {"model": folder.record["model"]["name"], **{key: folder.record[key] for key in RECORDED}},
        "points": [[rounded(point), rounded(transform.TransformPoint(point))] for point in points],
        "heatmaps": {stage: [float(f"{image[i]:.5g}") for i in scattered(image)] for stage, image in maps.items()},
    }


def scattered(image):
    """Indices (x, y, z) of 64 voxels."""
    return itertools.product(*([round(place * (size - 1)) for place in PLACES] for size in image.GetSize()))


def rounded(point):
    return [round(coordinate, 4) for coordinate in point]


if __name__ == "__main__":
    write()
