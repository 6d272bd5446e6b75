"""The registration methods compared: each takes two images and gives the ITK transform from fixed-space to moving-space
points (LPS mm). Each is called through its own Python package, on one thread; benchmarks/README.md says why so set."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import SimpleITK as sitk

from regexplain import register
from regexplain.transforms.itk import RegistrationTransform, affine_transform

Method = Callable[[sitk.Image, sitk.Image], sitk.Transform]

DEFORMABLE_PEER = "deformable peer"
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
GREEDY_AFFINE = "-a -dof 12 -ia-identity -m NCC 2x2x2 -n 100x50x10"
GREEDY_QUICK = "-m NCC 2x2x2 -n 100x50x10 -s 2vox 0.5vox"
GREEDY = "-m NCC 2x2x2 -n 100x100x50 -s 2vox 0.5vox"
SYN_MI: dict[str, Any] = {}
SYN_CC = {"syn_metric": "CC", "syn_sampling": 2, "reg_iterations": (100, 70, 50)}


def all_kinds(models: Sequence[str], refine: int) -> dict[str, dict[str, Method]]:
    """Methods by kind and name; RegExplain's models without and, unless it is 0, with `refine` steps."""
    plain = {f"RegExplain {model}": partial(regexplain_model, model=model, refine=0) for model in models}
    refined = {
        f"RegExplain {model}, refined": partial(regexplain_model, model=model, refine=refine)
        for model in models
        if refine
    }
    return {
        "start": {"unregistered (centres)": unregistered},
        "affine peer": {"greedy, affine": greedy_affine},
        DEFORMABLE_PEER: {
            "greedy, NCC quick": partial(greedy_deformable, settings=GREEDY_QUICK),
            "greedy, NCC": partial(greedy_deformable, settings=GREEDY),
            "ANTs SyN, MI": partial(ants_syn, settings=SYN_MI),
            "ANTs SyN, CC": partial(ants_syn, settings=SYN_CC),
        },
        "RegExplain": plain | refined,
    }


def unregistered(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    return sitk.Transform(3, sitk.sitkIdentity)


def greedy_affine(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    return affine_from_ras(_greedy(fixed, moving)["affine"])


def greedy_deformable(fixed: sitk.Image, moving: sitk.Image, settings: str) -> sitk.Transform:
    """After its own affine. Its displacement is applied first: moving point = affine(fixed point + u(fixed point))."""
    tool = _greedy(fixed, moving)
    run_greedy(tool, f"-i fixed moving -it affine {settings} -o warp", warp=None)
    return RegistrationTransform(affine_from_ras(tool["affine"]), tool["warp"]).itk()


def _greedy(fixed: sitk.Image, moving: sitk.Image):
    """greedy, with the result of its affine registration as "affine"."""
    from picsl_greedy import GreedyFloat3D

    tool = GreedyFloat3D()
    run_greedy(tool, f"-i fixed moving {GREEDY_AFFINE} -o affine", fixed=fixed, moving=moving, affine=None)
    return tool


def run_greedy(tool, command: str, **objects: sitk.Image | None) -> None:
    """objects: images that the command names; None for those that it makes."""
    tool.execute(f"-d 3 -threads 1 -V 0 {command}", out=io.StringIO(), **objects)


def affine_from_ras(matrix: np.ndarray) -> sitk.AffineTransform:
    """(4, 4) between RAS points, as greedy writes it, to the same map between LPS points."""
    lps = RAS_TO_LPS @ np.asarray(matrix) @ RAS_TO_LPS
    return affine_transform(lps[:3, :3], lps[:3, 3])


def ants_syn(fixed: sitk.Image, moving: sitk.Image, settings: dict[str, Any]) -> sitk.Transform:
    """Affine, then SyN."""
    return ants_registered(fixed, moving, "SyN", settings)[0]


def ants_registered(
    fixed: sitk.Image, moving: sitk.Image, kind: str, settings: dict[str, Any]
) -> tuple[sitk.Transform, sitk.Transform]:
    """There and back, from a start where the world's points are. ANTsPy hands its transforms over as files."""
    import ants

    with TemporaryDirectory() as folder:
        found = ants.registration(
            ants.from_sitk(fixed),
            ants.from_sitk(moving),
            kind,
            initial_transform="Identity",
            outprefix=f"{folder}/",
            write_composite_transform=True,
            random_seed=1,
            **settings,
        )
        return sitk.ReadTransform(found["fwdtransforms"]), sitk.ReadTransform(found["invtransforms"])


def regexplain_model(fixed: sitk.Image, moving: sitk.Image, model: str, refine: int) -> sitk.Transform:
    return register(fixed, moving, model, refine=refine, device="cpu", threads=1).transform.itk()
