"""Memory and time of a command on scans of a given size.

`.venv/bin/python benchmarks/large_scans.py --size 512 512 400`, on Linux or macOS.

Two made-up chests of noise over soft tissue are written, with a B-spline of nine by nine by nine control points, and
the command runs on them in a process of its own. Bytes a voxel are those of the fixed scan, beyond what the process
takes before it has read anything.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

EXTENT_MM = 400.0, 400.0, 300.0
INFLATED = 1.1  # the moving chest has breathed in: an affine alone cannot lay it on the other
START = "import regexplain.cli.explain_transform, regexplain.transform_explanation, regexplain.transforms.files"


def write_chest(path: Path, size: tuple[int, ...], seed: int, shift_mm: float, inflated: float = 1.0) -> sitk.Image:
    """Air, soft tissue and two lungs, `inflated` times as long and wide, in Hounsfield units of 16 bits with noise of
    15."""
    z, y, x = (
        (np.arange(n, dtype=np.float32) + 0.5 - n / 2) * (mm / n)
        for n, mm in zip(size[::-1], EXTENT_MM[::-1], strict=True)
    )
    x = x - shift_mm
    values = np.empty(size[::-1], np.int16)
    random = np.random.default_rng(seed)
    for k, height in enumerate(z):
        across = np.hypot(x[None, :] / 160, y[:, None] / 110)
        plane = np.where(across < 1, 40.0, -1024.0)
        for side in (-1, 1):
            lung = ((x[None, :] - side * 65) / 50) ** 2 + (y[:, None] / 65) ** 2 + (height / 110) ** 2 < inflated**2
            plane[lung] = -800
        values[k] = np.clip(plane + random.normal(0, 15, plane.shape), -1024, 3071)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([mm / n for mm, n in zip(EXTENT_MM, size, strict=True)])
    image.SetOrigin([-mm / 2 + mm / n / 2 for mm, n in zip(EXTENT_MM, size, strict=True)])
    sitk.WriteImage(image, str(path), True)
    return image


def write_spline(path: Path, fixed: sitk.Image) -> None:
    transform = sitk.BSplineTransformInitializer(fixed, [6, 6, 6], 3)
    numbers = np.random.default_rng(1).normal(0, 6.0, len(transform.GetParameters()))
    transform.SetParameters(numbers.tolist())
    sitk.WriteTransform(transform, str(path))


def measured(command: list[str]) -> tuple[float, float, int]:
    """Wall clock and processor seconds, and the peak of memory in bytes, of a command that has to end well."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The command failed: {' '.join(command)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=3, default=(200, 200, 200), metavar="N", help="x, y and z")
    parser.add_argument("--moving-size", type=int, nargs=3, metavar="N", help="that of the fixed scan by default")
    parser.add_argument("--command", choices=("explain-transform", "register"), default="explain-transform")
    parser.add_argument("more", nargs="*", help="further options of the command, after --")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, _, start = measured([sys.executable, "-c", START])  # first: a child's peak begins with its parent's size
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fixed = write_chest(folder / "fixed.nii.gz", arguments.size, 0, 0.0)
        write_chest(folder / "moving.nii.gz", arguments.moving_size or arguments.size, 1, 4.0, INFLATED)
        write_spline(folder / "bspline.h5", fixed)
        del fixed
        command = [sys.executable, "-m", "regexplain", arguments.command]
        if arguments.command == "register":
            command += [str(folder / "fixed.nii.gz"), str(folder / "moving.nii.gz")]
        else:
            images = ["--fixed", str(folder / "fixed.nii.gz"), "--moving", str(folder / "moving.nii.gz")]
            command += [str(folder / "bspline.h5"), *images]
        wall, processor, peak = measured([*command, "--output", str(folder / "r"), *arguments.more])
        voxels = np.prod([float(n) for n in arguments.size])
        size = " × ".join(map(str, arguments.size))
        print(
            f"{arguments.command} of {size}: {wall:.0f} s, {processor:.0f} s of processor, {peak / 2**30:.1f} GiB, ",
            end="",
        )
        print(f"{(peak - start) / voxels:.0f} bytes a voxel beyond {start / 2**20:.0f} MiB at the start")
        if arguments.command == "register":
            record = json.loads((folder / "r" / "result.json").read_text(encoding="utf-8"))
            print(f"Refining steps of what was kept: {record['settings']['refine']}")


if __name__ == "__main__":
    main()
