"""The methods compared on two contrasts, deformable only and on one thread; benchmarks/README.md says why so set.

Each takes two images whose points lie near each other and gives the ITK transform from fixed-space to moving-space
points (LPS mm) and how to get the one back, None where the method has none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import SimpleITK as sitk

from regexplain import register
from regexplain.cards import registry
from regexplain.errors import BadInputError
from regexplain.transforms.itk import displacement_transform
from regexplain.volumes.geometry import Grid
from registration_methods import DEFORMABLE_PEER, ants_registered, run_greedy
from registration_methods import GREEDY as GREEDY_NCC

Found = tuple[sitk.Transform, Callable[[], sitk.Transform] | None]
Method = Callable[[sitk.Image, sitk.Image], Found]

GREEDY_QUICK = "-m NMI -n 100x50x10 -s 2vox 0.5vox"
GREEDY = "-m NMI -n 100x100x50"
GREEDY_STIFF = "-m NMI -n 100x100x50 -s 5vox 2vox"
GREEDY_NCC_STIFF = "-m NCC 4x4x4 -n 100x100x50 -s 5vox 2vox"
SYN: dict[str, Any] = {"syn_metric": "mattes"}
CONTROL_POINTS_MM = 10.0
RESOLUTIONS, MIN_VOXELS = 4, 8
STIFF_BENDING = 100.0


def greedy(fixed: sitk.Image, moving: sitk.Image, settings: str = GREEDY) -> Found:
    from picsl_greedy import GreedyFloat3D

    tool = GreedyFloat3D()
    run_greedy(tool, f"-i fixed moving {settings} -o warp", fixed=fixed, moving=moving, warp=None)

    def back() -> sitk.Transform:
        with TemporaryDirectory() as folder:  # its Python package takes no vector images
            sitk.WriteImage(tool["warp"], f"{folder}/warp.mha")
            run_greedy(tool, f"-iw {folder}/warp.mha inverse", inverse=None)
        return displacement_transform(tool["inverse"])

    return displacement_transform(tool["warp"]), back


def ants_syn(fixed: sitk.Image, moving: sitk.Image) -> Found:
    there, back = ants_registered(fixed, moving, "SyNOnly", SYN)
    return there, lambda: back


def elastix(
    fixed: sitk.Image,
    moving: sitk.Image,
    resolutions: int | None = None,
    control_points_mm: float = CONTROL_POINTS_MM,
    bending: float = 1.0,
) -> Found:
    """resolutions: by default as many, RESOLUTIONS at most, as leave MIN_VOXELS along each axis. bending: the weight
    of its penalty; 1 in its default map."""
    import itk

    if resolutions is None:
        resolutions = int(np.clip(np.log2(min(fixed.GetSize()) / MIN_VOXELS) + 1, 1, RESOLUTIONS))
    parameters = itk.ParameterObject.New()
    chosen = parameters.GetDefaultParameterMap("bspline", resolutions, control_points_mm)
    chosen["WriteResultImage"], chosen["RandomSeed"], chosen["Metric1Weight"] = ["false"], ["1"], [str(bending)]
    parameters.AddParameterMap(chosen)
    images = [itk_image(image) for image in (fixed, moving)]
    _, result = itk.elastix_registration_method(*images, parameter_object=parameters, number_of_threads=1)
    with TemporaryDirectory() as scratch:  # or the field is also written to wherever this runs
        field = itk.array_from_image(itk.transformix_deformation_field(images[1], result, output_directory=scratch))
    return displacement_transform(Grid.of(fixed).image(field.astype(float), vector=True)), None


def itk_image(image: sitk.Image):
    """The same as an image of ITK's own Python package."""
    import itk

    other = itk.image_from_array(sitk.GetArrayFromImage(image))
    other.SetSpacing(list(image.GetSpacing()))
    other.SetOrigin(list(image.GetOrigin()))
    other.SetDirection(np.array(image.GetDirection()).reshape(3, 3))
    return other


def convex_adam(fixed: sitk.Image, moving: sitk.Image, **settings: float) -> Found:
    """It knows arrays alone: the moving image is put on the fixed one's grid, and voxels (z, y, x) come back."""
    import torch
    from convexAdam.convex_adam_MIND import convex_adam_pt

    torch.set_num_threads(1)
    grid = Grid.of(fixed)
    arrays = [sitk.GetArrayFromImage(image) for image in (fixed, grid.resample(moving))]
    voxels = convex_adam_pt(*arrays, dtype=torch.float32, device=torch.device("cpu"), **settings)
    field = voxels[..., ::-1] * grid.spacing @ grid.axes.T
    return displacement_transform(grid.image(field, vector=True)), None


def regexplain_model(fixed: sitk.Image, moving: sitk.Image, model: str, refine: int, aligned: bool = False) -> Found:
    """aligned: the images' points lie near each other already; otherwise RegExplain aligns them first, as it would."""
    initial = sitk.Transform(3, sitk.sitkIdentity) if aligned else None
    result = register(fixed, moving, model, initial_transform=initial, refine=refine, device="cpu", threads=1)
    return result.transform.itk(), result.inverse_transform.itk


def unregistered(fixed: sitk.Image, moving: sitk.Image) -> Found:
    return sitk.Transform(3, sitk.sitkIdentity), None


PEERS: dict[str, dict[str, Method]] = {  # by package
    "picsl-greedy": {
        "greedy, NMI quick": partial(greedy, settings=GREEDY_QUICK),
        "greedy, NMI": greedy,
        "greedy, NCC": partial(greedy, settings=GREEDY_NCC),
    },
    "antspyx": {"ANTs SyN, MI": ants_syn},
    "itk-elastix": {"elastix B-spline, MI": elastix},
    "convexAdam": {"convexAdam, MIND": convex_adam},
}
STIFF: dict[str, dict[str, Method]] = {  # for images that have little in common
    "picsl-greedy": {
        "greedy, NMI stiff": partial(greedy, settings=GREEDY_STIFF),
        "greedy, NCC stiff": partial(greedy, settings=GREEDY_NCC_STIFF),
    },
    "itk-elastix": {"elastix B-spline, MI stiff": partial(elastix, bending=STIFF_BENDING)},
}
MODULES = {"picsl-greedy": "picsl_greedy", "antspyx": "ants", "itk-elastix": "itk", "convexAdam": "convexAdam"}


def missing(model: str) -> list[str]:
    """A sentence for each method that cannot be measured here."""
    sentences = [f"{name} is not installed, so its rows are left out." for name in PEERS if not _has(name)]
    try:
        registry.find_card(model)
    except BadInputError as error:
        sentences.append(f"{error} Its rows are left out.")
    return sentences


def all_kinds(
    model: str, refine: int, only: str = "", aligned: bool = False, stiff: bool = False
) -> dict[str, dict[str, Method]]:
    """The methods that are there, by kind and name; `only` those whose name has these letters, and the start. stiff:
    the peers' rows of STIFF too."""
    wanted = [*PEERS.items(), *(STIFF.items() if stiff else ())]
    peers = {name: method for package, known in wanted if _has(package) for name, method in known.items()}
    own: dict[str, Method] = {}
    try:
        registry.find_card(model)
        own[f"RegExplain {model}"] = partial(regexplain_model, model=model, refine=0, aligned=aligned)
        if refine:
            own[f"RegExplain {model}, refined"] = partial(regexplain_model, model=model, refine=refine, aligned=aligned)
    except BadInputError:
        pass

    def chosen(methods: dict[str, Method]) -> dict[str, Method]:
        return {name: method for name, method in methods.items() if only.lower() in name.lower()}

    return {
        "start": {"affine" if aligned else "unregistered": unregistered},
        DEFORMABLE_PEER: chosen(peers),
        "RegExplain": chosen(own),
    }


def packages() -> list[str]:
    return [name for name in PEERS if _has(name)]


def _has(package: str) -> bool:
    return find_spec(MODULES[package]) is not None
