"""The registrations whose errors are known: networks, peers and failures made on purpose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import SimpleITK as sitk

import multimodal_methods as methods
from error_map_warps import scale_of
from known_warp import coarse_grid
from regexplain import RegistrationResult, register, trust
from regexplain.transforms.affine_registration import register_affine
from regexplain.transforms.itk import to_displacement_field
from regexplain.volumes.geometry import Grid

Predictors = dict[str, Callable[[Grid], np.ndarray]]  # mm on the cells
Engine = Callable[[sitk.Image, sitk.Image], tuple[sitk.Transform, sitk.Image | None, Predictors]]


def apart(first: sitk.Transform, second: sitk.Transform | None = None) -> Callable[[Grid], np.ndarray]:
    """How far two transforms take a point apart, or one takes it away."""

    def measure(cells: Grid) -> np.ndarray:
        vectors = sitk.GetArrayFromImage(to_displacement_field(first, cells))
        if second is not None:
            vectors = vectors - sitk.GetArrayFromImage(to_displacement_field(second, cells))
        return np.linalg.norm(vectors, axis=-1)

    return measure


def bare(method: methods.Method, back: bool = False) -> Engine:
    """A peer's transform; the field is all of it."""

    def engine(fixed: sitk.Image, moving: sitk.Image):
        there, inverse = method(fixed, moving)
        others: Predictors = {}
        if back and inverse is not None:
            others["there and back"] = apart(sitk.CompositeTransform([inverse(), there]))
        return there, to_displacement_field(there, coarse_grid(fixed, 2.0 * scale_of(fixed))), others

    return engine


def ours(model: str, refine: int, others: bool = False) -> Engine:
    """others: what else tells the error of a network's answer, which costs a registration each."""

    def engine(fixed: sitk.Image, moving: sitk.Image):
        def answer(steps: int) -> RegistrationResult:
            given = sitk.Transform(3, sitk.sitkIdentity)
            return register(fixed, moving, model, initial_transform=given, refine=steps, device="cpu", threads=1)

        result = answer(refine)
        there, back = result.transform.itk(), result.inverse_transform.itk()
        found: Predictors = {"there and back": apart(sitk.CompositeTransform([back, there]))}
        if others:
            found["refinement spread"] = apart(answer(50).transform.itk(), there)
        if others and model == "brain-t1-flair":
            found["disagreement"] = disagreement(result)
        return there, result.transform.displacement, found

    return engine


def disagreement(result: RegistrationResult) -> Callable[[Grid], np.ndarray]:
    """Of the network's forward and backward map, as `regexplain trust` measures it."""
    image = next(found.image for found in trust(result, device="cpu", threads=1).maps if found.name == "symmetry")
    return lambda cells: sitk.GetArrayFromImage(cells.resample(image))


def affine_only(fixed: sitk.Image, moving: sitk.Image):
    return register_affine(fixed, moving).transform, None, {}


def nothing(fixed: sitk.Image, moving: sitk.Image):
    return sitk.Transform(3, sitk.sitkIdentity), None, {}


def demons(fixed: sitk.Image, moving: sitk.Image) -> methods.Found:
    """Of ITK, with histograms matched: made for one contrast."""
    grid = Grid.of(fixed)
    here, there = (sitk.Cast(image, sitk.sitkFloat32) for image in (fixed, grid.resample(moving)))
    there = sitk.HistogramMatching(there, here, 256, 7, True)
    tool = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    tool.SetNumberOfIterations(60)
    tool.SetStandardDeviations(1.5)
    return sitk.DisplacementFieldTransform(sitk.Cast(tool.Execute(here, there), sitk.sitkVectorFloat64)), None


def b_spline(fixed: sitk.Image, moving: sitk.Image, mesh: int = 5, iterations: int = 12) -> methods.Found:
    """Of ITK, with Mattes' mutual information."""
    images = [sitk.Cast(image, sitk.sitkFloat32) for image in (fixed, moving)]
    tool = sitk.ImageRegistrationMethod()
    tool.SetMetricAsMattesMutualInformation(32)
    tool.SetMetricSamplingStrategy(tool.RANDOM)
    tool.SetMetricSamplingPercentage(0.1, 1)
    tool.SetInterpolator(sitk.sitkLinear)
    tool.SetOptimizerAsLBFGSB(numberOfIterations=iterations)
    tool.SetInitialTransform(sitk.BSplineTransformInitializer(images[0], [mesh] * 3), True)
    return tool.Execute(*images), None


def greedy(settings: str, back: bool = False) -> Engine:
    return bare(partial(methods.greedy, settings=settings), back)


def convex(**settings: float) -> Engine:
    return bare(partial(methods.convex_adam, **settings))


WRONG_START = "wrong start"  # in its name: the images were laid wrongly, and no affine registration came first
EVERY: dict[str, Engine] = {  # for any images
    "any-contrast": ours("any-contrast", 0),
    "any-contrast, refined": ours("any-contrast", 25),
    "affine only": affine_only,
    "nothing": nothing,
    "greedy": bare(methods.greedy, back=True),
    "greedy, quick": greedy(methods.GREEDY_QUICK),
    "greedy, NCC": greedy("-m NCC 2x2x2 -n 60x40x10"),
    "greedy, unsmooth": greedy("-m NMI -n 100x50x20 -s 0.7vox 0.2vox"),
    "greedy, too smooth": greedy("-m NMI -n 60x40x0 -s 6vox 3vox"),
    "greedy, stopped": greedy("-m NMI -n 20x0x0"),
    "greedy, wrong metric": greedy("-m SSD -n 50x50x0 -s 1vox 0.5vox"),
    f"greedy, {WRONG_START}": greedy("-m NMI -n 60x40x0 -s 2vox 0.5vox"),
    f"nothing, {WRONG_START}": nothing,
    "convexAdam": convex(),
    "convexAdam, unsmooth": convex(lambda_weight=0.3, selected_niter=20, grid_sp=4),
    "convexAdam, too smooth": convex(lambda_weight=5.0, selected_niter=40, grid_sp=8),
    "demons": bare(demons),
    "B-spline": bare(b_spline),
    "B-spline, stopped": bare(partial(b_spline, mesh=3, iterations=4)),
    "ANTs SyN": bare(methods.ants_syn, back=True),
    f"ANTs SyN, {WRONG_START}": bare(methods.ants_syn),
    "elastix": bare(methods.elastix),
    "elastix, coarse": bare(partial(methods.elastix, resolutions=2, control_points_mm=30.0)),
    f"elastix, {WRONG_START}": bare(methods.elastix),
}
HEADS: dict[str, Engine] = {"RegExplain": ours("brain-t1-flair", 0), "RegExplain, refined": ours("brain-t1-flair", 25)}
HIPPOCAMPI: dict[str, Engine] = {
    "RegExplain, hippocampus": ours("hippocampus", 0),
    "RegExplain, hippocampus, refined": ours("hippocampus", 25),
}
WITH_OTHERS = {
    "RegExplain": ours("brain-t1-flair", 0, others=True),
    "any-contrast": ours("any-contrast", 0, others=True),
}
UNSEEN = tuple(name for name in EVERY if name.startswith(("ANTs", "elastix")))  # in the test part alone


def engines_for(subject: str, contrasts: tuple[str, str], part: str) -> dict[str, Engine]:
    """brain-t1-flair knows T1 and FLAIR; whole made heads are slow to draw, so it meets them in the test part alone."""
    if subject.startswith("shapes"):
        return {}
    known = dict(EVERY)
    if set(contrasts) == {"T1", "FLAIR"} and (not subject.startswith("head") or part == "test"):
        known = HEADS | known
    if subject.startswith("hippocampus"):
        known = HIPPOCAMPI | known
    if subject.startswith("prostate"):
        del known["affine only"]
    if part != "test":
        return {name: engine for name, engine in known.items() if name not in UNSEEN}
    return known | {name: engine for name, engine in WITH_OTHERS.items() if name in known}
