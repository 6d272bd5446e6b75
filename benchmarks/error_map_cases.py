"""Registrations whose error is known in every cell, by many engines: what the error map learns from and is judged on.

    build/benchmark/bin/python benchmarks/error_map_cases.py ../shared/data build/error-map/cases

Two images of one head that lie on each other, one of them moved by a known warp, registered well and badly; and the
same with a made residual in place of a registration. A file a case (`error_map.truth.KnownCase`); those that are there
already are kept. README.md beside this file: the environment, the split, and the engines.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

import multimodal_methods as methods
from known_warp import resampled, smoothed
from labelled_heads import FLAIR, T1, Head, read_head
from measuring import quiet_libraries, use_one_thread
from regexplain import RegistrationResult, register, trust
from regexplain.torch_backend.error_map.cells import cell_pair
from regexplain.torch_backend.error_map.truth import KnownCase, true_error
from regexplain.torch_backend.training.multimodal.anatomies import TISSUES
from regexplain.torch_backend.training.multimodal.visits import read_visit
from regexplain.transforms.affine_registration import register_affine
from regexplain.transforms.itk import affine_transform, displacement_transform, grid_points, to_displacement_field
from regexplain.volumes.geometry import Grid
from regexplain.volumes.images import read_volume
from regexplain.volumes.intensities import tissue_mask

SPLIT = {  # by subject: nobody is in two parts
    "train": ["patient07", "patient01 visit1", "patient01 visit2", "patient03 visit2", "patient04 visit1"]
    + ["head_01", "head_02", "head_03", "head_04", *(f"shapes_{n:02d}" for n in range(1, 13))],
    "calibrate": ["patient12 visit1", "head_09", "head_10", *(f"shapes_{n:02d}" for n in range(13, 17))],
    "test": ["patient19", "head_13", "head_14", *(f"shapes_{n:02d}" for n in range(17, 20))],
}
SPACING_MM = 2.0
MOST_MM = 96.0
BRAIN_CODES = 500  # and above: outside the brain


@dataclass(frozen=True)
class Subject:
    """images: of one head, by contrast, on each other; fine: the same with smaller voxels, where there are."""

    name: str
    images: dict[str, sitk.Image]
    fine: dict[str, sitk.Image] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--parts", nargs="*", default=["train", "calibrate", "test"])
    parser.add_argument("--made", type=int, default=6, help="made residuals a subject")
    parser.add_argument("--warps", type=int, default=8, help="known warps a subject")
    parser.add_argument("--engines", type=int, default=2, help="engines a warp; 0: all that are there")
    arguments = parser.parse_args()
    use_one_thread()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for number in range(max(arguments.warps, arguments.made)):
        for part in arguments.parts:
            for name in SPLIT[part]:
                make(arguments, part, name, number)


def make(arguments: argparse.Namespace, part: str, name: str, number: int) -> None:
    random = np.random.default_rng([number, *name.encode()])
    names = two_contrasts(name, random, part)
    engines = chosen_engines(arguments, part, name, names, number, random)
    residuals = list(MADE) if number < arguments.made else []
    wanted = [*engines, *residuals]
    if all(case_file(arguments.output, part, name, number, engine).exists() for engine in wanted):
        return
    whole = any(engine.startswith("RegExplain") for engine in engines)
    subject = read_subject(arguments.data, name, names, whole, random)
    small = cut(subject, random)
    for kind in residuals:
        made = np.random.default_rng([number, *name.encode(), *kind.encode()])
        write(arguments.output, part, subject, kind, number, partial(made_residual, small, names, MADE[kind], made))
    warp = random_warp(subject.images[names[0]], random)
    for engine in engines:
        seen = subject if engine.startswith("RegExplain") else small
        write(
            arguments.output,
            part,
            seen,
            engine,
            number,
            partial(run, seen, names, warp, (ENGINES if part == "test" else LEARNT)[engine]),
        )


def chosen_engines(
    arguments: argparse.Namespace, part: str, subject: str, names: tuple[str, str], number: int, random
) -> list[str]:
    """At random. The networks know T1 and FLAIR, and are seldom asked about made heads: drawing whole ones is slow."""
    if number >= arguments.warps or subject.startswith("shapes"):
        return []
    known = list(ENGINES) if part == "test" else [name for name in ENGINES if name not in UNSEEN]
    if set(names) != {"T1", "FLAIR"} or (subject.startswith("head") and (part != "test" or number)):
        known = [name for name in known if not name.startswith("RegExplain")]
    return random.permutation(known)[: arguments.engines].tolist() if arguments.engines else known


def write(folder: Path, part: str, subject: Subject, engine: str, number: int, found: Callable[[], KnownCase]) -> None:
    path = case_file(folder, part, subject.name, number, engine)
    if path.exists():
        return
    began = time.process_time()
    print(f"{began:.0f} s: {path.name}", flush=True)
    try:
        with quiet_libraries():
            case = found()
    except Exception as error:
        print(f"{path.name}: {error}", file=sys.stderr, flush=True)
        return
    case.about.update(part=part, subject=subject.name, engine=engine, seed=str(number))
    case.save(path)
    print(f"{path.name}: {case.error.mean():.2f} mm, {time.process_time() - began:.1f} s", flush=True)


def case_file(folder: Path, part: str, subject: str, number: int, engine: str) -> Path:
    return folder / f"{part} {subject} {number} {engine}.npz".replace(" ", "_").replace(",", "")


# Subjects ----------------------------------------------------------------------------------------------------------


def read_subject(data: Path, name: str, names: tuple[str, str], whole: bool, random: np.random.Generator) -> Subject:
    """whole: or a random part of a made head."""
    if name.startswith("shapes"):
        return Subject(name, texture(names, random))
    if name.startswith("head"):
        return made_subject(data, name, names, whole, random)
    return visit_subject(data, name) if " " in name else stripped_subject(data, name)


@lru_cache
def stripped_subject(data: Path, name: str) -> Subject:
    folder = data / "ms_mni" / name
    fine = {c: sitk.Cast(read_volume(folder / f"{c}.nii.gz"), sitk.sitkFloat32) for c in ("T1", "T2", "FLAIR")}
    return Subject(name, {c: resampled(image, SPACING_MM) for c, image in fine.items()}, fine)


@lru_cache
def visit_subject(data: Path, name: str) -> Subject:
    patient, visit = name.split()
    files = (data / "ms_longitudinal" / patient / f"{visit}_{c}.nii.gz" for c in ("T1", "FLAIR"))
    found = read_visit(*files)
    grid = Grid(tuple(reversed(found.head.shape)), (SPACING_MM,) * 3, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    arrays = found.volumes.numpy() * found.head.numpy()
    return Subject(name, {c: grid.image(a) for c, a in zip(("T1", "FLAIR"), arrays, strict=True)})


def made_subject(data: Path, name: str, names, whole: bool, random: np.random.Generator) -> Subject:
    """T1-like, FLAIR-like, or of any contrast; half of them without what lies outside the brain."""
    head = cached_head(data / "brain_labels" / f"{name}.nii.gz")
    if not whole:
        head = part_of(head, random)
    seed, images = int(random.integers(2**31)), {}
    for contrast in dict.fromkeys(names):
        if contrast in ("T1", "FLAIR"):
            images[contrast] = head.seen(FLAIR if contrast == "FLAIR" else T1, seed)
        else:
            means = np.zeros(2**16, np.float32)
            for tissue_name, group in TISSUES.items():
                means[list(group)] = 0 if tissue_name == "air" else random.uniform(0.1, 1)
            images[contrast] = head.drawn(means, random)
    if random.random() < 0.5:
        grid = Grid.of(head.structures)
        brain = Grid.of(head.codes).image((sitk.GetArrayViewFromImage(head.codes) < BRAIN_CODES).astype(np.uint8))
        inside = sitk.GetArrayFromImage(grid.resample(brain, nearest=True))
        images = {c: grid.image(sitk.GetArrayFromImage(image) * inside) for c, image in images.items()}
    return Subject(name, images)


def texture(names: tuple[str, str], random: np.random.Generator) -> dict[str, sitk.Image]:
    """No anatomy: smooth noise of two scales in a ball in air, its intensities carried along another curve in each."""
    size = 44
    parts = [random.normal(size=(size,) * 3) for _ in range(2)]
    widths = random.uniform(0.8, 2.5), random.uniform(2.0, 5.0)
    smooth = [smoothed(part, width) for part, width in zip(parts, widths, strict=True)]
    pattern = sum(part / part.std() for part in smooth)
    z, y, x = np.ogrid[(slice(-1, 1, size * 1j),) * 3]
    inside = x**2 + y**2 + z**2 < random.uniform(0.7, 1.6)
    images = {}
    for name in names:
        curve = random.uniform(0.2, 1, 5) if random.random() < 0.6 else np.linspace(0.3, 1, 5)
        array = np.where(inside, np.interp(pattern, np.linspace(-3, 3, 5), curve), 0)
        array = np.abs(array + random.uniform(0.003, 0.03) * random.normal(size=array.shape))
        images[name] = sitk.GetImageFromArray(array.astype(np.float32))
        images[name].SetSpacing((SPACING_MM,) * 3)
    return images


def part_of(head: Head, random: np.random.Generator) -> Head:
    """A random cube of MOST_MM about a place in the brain."""
    brain = np.argwhere(sitk.GetArrayViewFromImage(head.structures) > 0)[:, ::-1]
    middle = brain[random.integers(len(brain))] + random.uniform(-10, 10, 3)
    most = round(MOST_MM / SPACING_MM)
    low = np.clip(middle - most // 2, 0, np.maximum(0, np.array(head.structures.GetSize()) - most)).astype(int)
    box = head.structures[tuple(slice(int(at), int(at) + most) for at in low)]
    corners = Grid.of(box).corners
    index = np.array([head.codes.TransformPhysicalPointToContinuousIndex(c) for c in corners.tolist()])
    first = np.clip(np.floor(index.min(0)) - 4, 0, None).astype(int)
    last = np.minimum(np.ceil(index.max(0)) + 5, head.codes.GetSize()).astype(int)
    return Head(head.name, head.codes[tuple(map(slice, first.tolist(), last.tolist()))], box)


cached_head = lru_cache(read_head)


def cut(subject: Subject, random: np.random.Generator) -> Subject:
    """A random cube of at most MOST_MM of what holds tissue: other engines than the networks need no whole head."""
    first = next(iter(subject.images.values()))
    inside = np.argwhere(tissue_mask(first))[:, ::-1]
    low, high = inside.min(0) - 3, inside.max(0) + 4
    most = round(MOST_MM / SPACING_MM)
    low = np.where(high - low > most, low + random.uniform(0, 1, 3) * (high - low - most), low).astype(int)
    low, high = np.maximum(low, 0), np.minimum(np.minimum(high, low + most), first.GetSize())
    images = {c: image[tuple(map(slice, low.tolist(), high.tolist()))] for c, image in subject.images.items()}
    if subject.fine is None:
        return Subject(subject.name, images)
    ratio = SPACING_MM / np.array(next(iter(subject.fine.values())).GetSpacing())
    box = tuple(map(slice, (low * ratio).astype(int).tolist(), (high * ratio).astype(int).tolist()))
    return Subject(subject.name, images, {c: image[box] for c, image in subject.fine.items()})


def two_contrasts(subject: str, random: np.random.Generator, part: str) -> tuple[str, str]:
    """T1 and FLAIR mostly; else any two, or the same twice."""
    if subject.startswith("shapes"):
        return "any 1", "any 2"
    names = ["T1", "FLAIR"]
    if subject.startswith("head"):
        names += ["any 1", "any 2"]
    elif " " not in subject:
        names.append("T2")
    pair = ["T1", "FLAIR"]
    if random.random() > (0.75 if part == "test" else 0.6):
        pair = random.choice(names, 2, replace=random.random() < 0.3).tolist()
    first, second = random.permutation(pair).tolist()
    return first, second


# Warps and residuals -----------------------------------------------------------------------------------------------


def random_warp(image: sitk.Image, random: np.random.Generator) -> sitk.Transform:
    """Bends of 8 to 24 mm in width and 1 to 6 mm in root mean square length within the head."""
    width, rms = (math.exp(random.uniform(*np.log(ends))) for ends in ((8, 24), (1, 6)))
    grid = coarse_grid(image)
    inside = (
        sitk.GetArrayFromImage(grid.resample(Grid.of(image).image(tissue_mask(image).astype(np.uint8)), nearest=True))
        > 0
    )
    return displacement_transform(grid.image(bend(inside, width, rms, random), vector=True))


def tissue_cells(image: sitk.Image, grid: Grid) -> np.ndarray:
    mask = Grid.of(image).image(tissue_mask(image).astype(np.uint8))
    return sitk.GetArrayFromImage(grid.resample(mask, nearest=True)) > 0


def coarse_grid(image: sitk.Image, cell: float = 4.0) -> Grid:
    own = Grid.of(image)
    size = [int(n * s / cell) + 1 for n, s in zip(own.size, own.spacing, strict=True)]
    return Grid(tuple(size), (cell,) * 3, own.origin, own.direction)


def bend(inside: np.ndarray, width: float, rms: float, random: np.random.Generator, cell: float = 4.0) -> np.ndarray:
    noise = random.normal(size=(*inside.shape, 3))
    field = np.stack([smoothed(noise[..., axis], width / cell) for axis in range(3)], -1)
    return field * (rms / np.sqrt((field[inside] ** 2).sum(-1).mean()))


def residual(image: sitk.Image, random: np.random.Generator) -> sitk.Transform:
    """Bends of every size, strong in some places and weak in others; now and then a turn and a shift."""
    grid = coarse_grid(image)
    inside = (
        sitk.GetArrayFromImage(grid.resample(Grid.of(image).image(tissue_mask(image).astype(np.uint8)), nearest=True))
        > 0
    )
    field = np.zeros((*inside.shape, 3))
    for _ in range(int(random.integers(1, 4))):
        width, rms = (math.exp(random.uniform(*np.log(ends))) for ends in ((6, 40), (0.2, 6)))
        part = bend(inside, width, rms, random)
        if random.random() < 0.7:
            place = smoothed(random.normal(size=inside.shape), random.uniform(4, 12))
            part *= np.clip(place / place.std() + random.uniform(-0.5, 1), 0, 2)[..., None]
        field += part
    bending = displacement_transform(grid.image(field, vector=True))
    if random.random() < 0.4:
        return sitk.CompositeTransform([small_affine(image, random), bending])
    return bending


def local_residual(image: sitk.Image, random: np.random.Generator) -> sitk.Transform:
    """A few places that are wrong, in an image that lies well otherwise."""
    grid = coarse_grid(image)
    inside = (
        sitk.GetArrayFromImage(grid.resample(Grid.of(image).image(tissue_mask(image).astype(np.uint8)), nearest=True))
        > 0
    )
    field = bend(inside, random.uniform(10, 30), math.exp(random.uniform(*np.log((0.05, 0.6)))), random)
    cells = np.argwhere(inside)
    for _ in range(int(random.integers(1, 4))):
        place = grid.world(cells[random.integers(len(cells))][::-1])
        away = np.linalg.norm(grid_points(grid) - place, axis=-1)
        towards = random.normal(size=3)
        far = random.uniform(2, 8) * towards / np.linalg.norm(towards)
        field += np.exp(-((away / random.uniform(7, 18)) ** 2) / 2)[..., None] * far
    return displacement_transform(grid.image(field, vector=True))


def small_affine(image: sitk.Image, random: np.random.Generator) -> sitk.AffineTransform:
    size = math.exp(random.uniform(math.log(0.2), math.log(2)))
    matrix = np.eye(3) + size * random.normal(0, 0.02, (3, 3))
    centre = Grid.of(image).centre
    return affine_transform(matrix, centre - matrix @ centre + size * random.normal(0, 1.5, 3))


def made_residual(
    subject: Subject,
    names: tuple[str, str],
    made: Callable[[sitk.Image, np.random.Generator], sitk.Transform],
    random: np.random.Generator,
) -> KnownCase:
    """The moving image as it is, seen through the residual; the field that is looked at is another one plus that."""
    fixed, moving = names
    images = subject.fine if subject.fine and random.random() < 0.5 else subject.images
    here, there = spoilt(images[fixed], random), spoilt(images[moving], random)
    wrong = made(here, random)
    grid = coarse_grid(here)
    field = sitk.GetArrayFromImage(to_displacement_field(wrong, grid))
    if random.random() < 0.2:
        shown = None
    else:
        warp = sitk.GetArrayFromImage(to_displacement_field(random_warp(here, random), grid))
        shown = grid.image(field + warp * random.choice([0, 1], p=[0.1, 0.9]), vector=True)
    pair = cell_pair(here, there, wrong, shown)
    error = true_error(wrong, sitk.Transform(3, sitk.sitkIdentity), pair.cells)
    return KnownCase(pair, error, {"kind": f"{fixed} {moving}"})


def spoilt(image: sitk.Image, random: np.random.Generator) -> sitk.Image:
    """More noise, less sharpness, thicker slices, a bias, another contrast, a missing place; often nothing."""
    grid, array = Grid.of(image), sitk.GetArrayFromImage(image).astype(np.float32)
    top = float(np.percentile(array, 99.5)) + 1e-6
    if random.random() < 0.3:
        image = sitk.SmoothingRecursiveGaussian(grid.image(array), random.uniform(0.5, 1.8))
        array = sitk.GetArrayFromImage(image)
    if random.random() < 0.2:
        axis, n = int(random.integers(3)), int(random.integers(2, 4))
        kernel = np.ones(n) / n
        array = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), axis, array)
    if random.random() < 0.2:
        line = np.r_[0, random.uniform(0.05, 1, 4)]
        array = top * np.interp(array / top, np.linspace(0, 1, 5), line).astype(np.float32)
    if random.random() < 0.4:
        bias = smoothed(random.normal(size=array.shape), 20)
        array = array * np.exp(0.15 * bias / bias.std())
    if random.random() < 0.15:
        blob = smoothed(random.normal(size=array.shape), random.uniform(3, 8))
        array = np.where(blob > 2.2 * blob.std(), top * random.uniform(0, 1.2), array)
    if random.random() < 0.6:
        sd = top * random.uniform(0.005, 0.06)
        array = np.hypot(array + sd * random.normal(size=array.shape), sd * random.normal(size=array.shape))
    return grid.image(array.astype(np.float32))


MADE = {"made": residual, "made, local": local_residual}


# Engines -----------------------------------------------------------------------------------------------------------

Predictors = dict[str, Callable[[Grid], np.ndarray]]  # mm on the cells
Engine = Callable[[sitk.Image, sitk.Image], tuple[sitk.Transform, sitk.Image | None, Predictors]]


def run(subject: Subject, names: tuple[str, str], warp: sitk.Transform, engine: Engine) -> KnownCase:
    fixed, still = (subject.images[name] for name in names)
    moving = Grid.of(still).resample(still, warp)
    transform, displacement, predictors = engine(fixed, moving)
    if subject.fine is not None:
        fixed, still = (subject.fine[name] for name in names)
        moving = Grid.of(still).resample(still, warp)
    pair = cell_pair(fixed, moving, transform, displacement)
    error = true_error(transform, warp, pair.cells)
    return KnownCase(pair, error, {"kind": " ".join(names)}, {name: p(pair.cells) for name, p in predictors.items()})


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
        others = {}
        if back and inverse is not None:
            others["there and back"] = apart(sitk.CompositeTransform([inverse(), there]))
        return there, to_displacement_field(there, coarse_grid(fixed, 2.0)), others

    return engine


def ours(refine: int, spread: bool = False) -> Engine:
    def engine(fixed: sitk.Image, moving: sitk.Image):
        def answer(steps: int):
            given = sitk.Transform(3, sitk.sitkIdentity)
            return register(
                fixed, moving, "brain-t1-flair", initial_transform=given, refine=steps, device="cpu", threads=1
            )

        result = answer(refine)
        there, back = result.transform.itk(), result.inverse_transform.itk()
        others = {"there and back": apart(sitk.CompositeTransform([back, there]))}
        if spread:
            others["refinement spread"] = apart(answer(50).transform.itk(), there)
            others["disagreement"] = disagreement(result)
        return there, result.transform.displacement, others

    return engine


def disagreement(result: RegistrationResult) -> Callable[[Grid], np.ndarray]:
    """Of the network's forward and backward map, as `regexplain trust` measures it."""
    image = next(found.image for found in trust(result, device="cpu", threads=1).maps if found.name == "symmetry")
    return lambda cells: sitk.GetArrayFromImage(cells.resample(image))


def affine_only(fixed: sitk.Image, moving: sitk.Image):
    return register_affine(fixed, moving).transform, None, {}


def nothing(fixed: sitk.Image, moving: sitk.Image):
    return sitk.Transform(3, sitk.sitkIdentity), None, {}


def elastix_coarse(fixed: sitk.Image, moving: sitk.Image) -> methods.Found:
    return methods.elastix(fixed, moving, resolutions=2, control_points_mm=30.0)


def convex_coarse(fixed: sitk.Image, moving: sitk.Image) -> methods.Found:
    return methods.convex_adam(fixed, moving, lambda_weight=0.3, selected_niter=20, grid_sp=4)


ENGINES: dict[str, Engine] = {
    "RegExplain": ours(0, spread=True),
    "RegExplain, refined": ours(25),
    "affine only": affine_only,
    "nothing": nothing,
    "greedy": bare(methods.greedy, back=True),
    "greedy, quick": bare(partial(methods.greedy, settings=methods.GREEDY_QUICK)),
    "greedy, unsmooth": bare(partial(methods.greedy, settings="-m NMI -n 100x50x20 -s 0.7vox 0.2vox")),
    "greedy, stopped": bare(partial(methods.greedy, settings="-m NMI -n 20x0x0")),
    "greedy, wrong metric": bare(partial(methods.greedy, settings="-m SSD -n 50x50x0 -s 1vox 0.5vox")),
    "convexAdam": bare(methods.convex_adam),
    "convexAdam, unsmooth": bare(convex_coarse),
    "ANTs SyN": bare(methods.ants_syn, back=True),
    "elastix": bare(methods.elastix),
    "elastix, coarse": bare(elastix_coarse),
}
LEARNT = ENGINES | {"RegExplain": ours(0)}  # without what else claims to tell the error
UNSEEN = ("ANTs SyN", "elastix", "elastix, coarse")  # kept out of training and calibration


if __name__ == "__main__":
    main()
