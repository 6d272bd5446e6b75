"""Images of many kinds, real and made, to see whether a model tells those that it was made for from the others.

Every real image was kept out of the training of `brain-t1-flair` and of `hippocampus`, as were the label maps. Each is
drawn several times: turned, shifted and stretched a little, with another bias, gamma, noise and thickness of slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from known_warp import smoothed
from labelled_heads import FLAIR, T1, Head, intensities, read_head
from regexplain.torch_backend.training.multimodal.anatomies import TISSUES
from regexplain.transforms.itk import affine_transform
from regexplain.volumes.geometry import Grid, antialias, as_closest_lps, centred_grid

CELL_MM = 2.0
TURN_DEG, SHIFT_MM, STRETCH = 8.0, 5.0, 0.05
GAMMA_SD, BIAS_SD, BIAS_MM, NOISE = 0.12, 0.12, 40.0, 0.02
HEADS = "head_13", "head_14", "head_15", "head_16"
NATIVE = "ms_longitudinal/patient12/visit1"
STRIPPED = "ms_mni/patient07", "ms_mni/patient19"
CROP_SIZE, CROP_MARGIN = (36, 50, 36), 4  # voxels of 1 mm
MIN_FROM_HIPPOCAMPUS_MM = 25.0
FLUIDS = "ventricle", "outer fluid", "eye", "choroid plexus", "perivascular space"

# Of what differs; the first value is that of all other tissues. Windowed CT shows 0 to 80 Hounsfield units.
CONTRASTS: dict[str, tuple[float, dict[str, float]]] = {
    "T2": (0.6, {"white matter": 0.45, "cerebellar white matter": 0.47, "cortex": 0.65, "bone": 0.1, "skin": 0.8}
           | {"soft tissue": 0.4, "artery": 0.1, "vein": 0.3, "mucosa": 1.2} | dict.fromkeys(FLUIDS, 1.5)),
    "PD": (0.88, {"white matter": 0.75, "cerebellar white matter": 0.77, "cortex": 0.92, "bone": 0.1}
           | {"soft tissue": 0.7, "artery": 0.2, "air": 0.0} | dict.fromkeys(FLUIDS, 0.92)),
    "CT": (0.44, {"white matter": 0.35, "cerebellar white matter": 0.36, "cortex": 0.47, "bone": 1.0, "marrow": 1.0}
           | {"soft tissue": 0.55, "skin": 0.2, "air": 0.0} | dict.fromkeys(FLUIDS, 0.08)),
    "MRA": (0.38, {"white matter": 0.35, "cortex": 0.4, "bone": 0.08, "marrow": 0.25, "artery": 1.3, "vein": 0.5}
            | {"soft tissue": 0.3, "skin": 0.4, "air": 0.0} | dict.fromkeys(FLUIDS, 0.16)),
}  # fmt: skip
Images = Iterator[sitk.Image]


def varied(
    image: sitk.Image,
    random: np.random.Generator,
    cell: float = CELL_MM,
    turn: float = TURN_DEG,
    thickest: float = 2.0,
) -> sitk.Image:
    """The same, seen by another scanner: cells of `cell` mm, `thickest` times as thick along one axis in a third of
    all."""
    own = as_closest_lps(Grid.of(image))
    thick = np.ones(3)
    thick[random.integers(3)] = thickest if random.random() < 1 / 3 else 1
    spacing = cell * thick
    size = np.maximum(np.ceil(own.extent / spacing), 4).astype(int).tolist()
    grid = centred_grid(own.centre, size, spacing.tolist(), own.direction)
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(*np.radians(random.uniform(-turn, turn, 3)))
    matrix = np.array(rotation.GetMatrix()).reshape(3, 3) * random.uniform(1 - STRETCH, 1 + STRETCH)
    shift = own.centre - matrix @ own.centre + random.uniform(-1, 1, 3) * SHIFT_MM * min(1, own.extent.min() / 150)
    values = sitk.GetArrayFromImage(
        grid.resample(antialias(sitk.Cast(image, sitk.sitkFloat32), grid.spacing), affine_transform(matrix, shift))
    )
    low, high = np.percentile(values, (1, 99.5))
    values = np.clip((values - low) / max(high - low, 1e-6), 0, 1.5) ** np.exp(random.normal(0, GAMMA_SD))
    field = smoothed(random.normal(size=values.shape), BIAS_MM / cell)
    values = values * np.exp(BIAS_SD * field / field.std())
    real, imaginary = NOISE * random.normal(size=(2, *values.shape))
    return grid.image((800 * np.hypot(values + real, imaginary)).astype(np.float32))


def several(images: Sequence[sitk.Image], seed: int, **options: float) -> Images:
    """Without end, in turns."""
    random = np.random.default_rng(seed)
    for image in cycle(images):
        yield varied(image, random, **options)


def turned(image: sitk.Image, axes: tuple[int, int]) -> sitk.Image:
    """By 180°, its header as it was. axes: those that are reversed, x, y, z of the nearest LPS order."""
    return _from_array(image, lambda array: np.flip(array, [2 - axis for axis in axes]).copy())


def half(image: sitk.Image, axis: int, high: bool, cut: bool) -> sitk.Image:
    """Half of its tissue along an axis; the other half `cut` off or dark."""
    straight = sitk.DICOMOrient(image, "LPS")
    array = sitk.GetArrayFromImage(straight)
    there = np.flatnonzero((array > 0.1 * np.percentile(array, 99)).any(tuple({0, 1, 2} - {2 - axis})))
    middle = int(there.mean())
    kept = [slice(None)] * 3
    kept[axis] = slice(middle, None) if high else slice(0, middle)
    if cut:
        return straight[tuple(kept)]
    dark = np.zeros_like(array)
    dark[tuple(kept[::-1])] = array[tuple(kept[::-1])]
    return Grid.of(straight).image(dark)


def _from_array(image: sitk.Image, change: Callable[[np.ndarray], np.ndarray]) -> sitk.Image:
    straight = sitk.DICOMOrient(image, "LPS")
    return Grid.of(straight).image(change(sitk.GetArrayFromImage(straight)))


def in_hounsfield(windowed: sitk.Image) -> sitk.Image:
    """A made CT with its air at −1000 and bone far above the window."""
    change = lambda v: np.where(v < 50, -1000, np.where(v > 700, 900, v / 10)).astype(np.int16)  # noqa: E731
    return _from_array(windowed, change)


class Source:
    """The images at hand. data: the folder `shared/data`."""

    def __init__(self, data: Path):
        self.data = data

    @cache  # noqa: B019
    def read(self, name: str) -> sitk.Image:
        return sitk.ReadImage(str(self.data / f"{name}.nii.gz"), sitk.sitkFloat32)

    @cache  # noqa: B019
    def head(self, name: str) -> Head:
        return read_head(self.data / "brain_labels" / f"{name}.nii.gz")

    def made(self, contrast: str, seed: int) -> Images:
        random = np.random.default_rng(seed)
        usual, special = CONTRASTS[contrast]
        for name in cycle(HEADS):
            brightness = {
                tissue: special.get(tissue, usual) * (1 + 0.05 * random.normal())
                for tissue, codes in TISSUES.items()
                if codes and tissue != "air"
            }
            yield varied(self.head(name).drawn(intensities(brightness), random), random)

    def seen(self, modality: int, seed: int) -> Images:
        for k, name in enumerate(cycle(HEADS)):
            yield from islice(several([self.head(name).seen(modality, seed + k)], seed + k), 1)

    def heads(self, seed: int) -> Images:
        """T1 and FLAIR of every source, in turns."""
        real = [self.read(f"{STRIPPED[0]}/T1"), self.read(f"{NATIVE}_FLAIR"), self.read(f"{STRIPPED[1]}/FLAIR")]
        real.append(self.read(f"{NATIVE}_T1"))
        return _in_turns(several(real, seed), self.seen(T1, seed), self.seen(FLAIR, seed))

    def hippocampi(self, labels: bool = False) -> list[sitk.Image]:
        folder = self.data / "hippocampus" / ("labels" if labels else "images")
        paths = [path for path in sorted(folder.glob("*.nii.gz")) if int(path.name[12:15]) >= 311]
        return [sitk.ReadImage(str(path), sitk.sitkUInt8 if labels else sitk.sitkFloat32) for path in paths]

    def prostates(self) -> list[sitk.Image]:
        paths = sorted((self.data / "prostate_mr_us").glob("*[0-9]_[um][sr].nii.gz"))
        return [sitk.ReadImage(str(path), sitk.sitkFloat32) for path in paths]

    def crops(self, image: sitk.Image, centre: np.ndarray) -> sitk.Image:
        """The size of a hippocampus crop, of cells of 1 mm about a point."""
        return centred_grid(centre, CROP_SIZE, (1.0,) * 3, as_closest_lps(Grid.of(image)).direction).resample(image)

    def at_hippocampus(self, contrast: str, seed: int) -> Images:
        """The same place in another contrast: from the label maps, whose hippocampi are known."""
        random = np.random.default_rng(seed)
        usual, special = CONTRASTS[contrast]
        for name, code in zip(cycle(HEADS), cycle((17, 17, 17, 17, 53, 53, 53, 53)), strict=False):
            codes = self.head(name).codes
            centre = Grid.of(codes).world(np.argwhere(sitk.GetArrayViewFromImage(codes) == code).mean(0)[::-1])
            shift = random.uniform(-3, 3, 3)
            means = np.full(2**16, usual, np.float32)
            for tissue, value in special.items():
                means[list(TISSUES[tissue])] = value * (1 + 0.05 * random.normal())
            means[0] = 0
            size = [n + 2 * CROP_MARGIN for n in CROP_SIZE]
            near = centred_grid(centre + shift, size, (1.0,) * 3, as_closest_lps(Grid.of(codes)).direction)
            shown = means[sitk.GetArrayFromImage(near.resample(codes, nearest=True))]
            image = near.image((shown + 0.03 * random.normal(size=shown.shape)).astype(np.float32))
            yield self.crops(sitk.SmoothingRecursiveGaussian(image, 0.6), near.centre)

    def other_places(self, seed: int) -> Images:
        """T1 crops of the brain away from both hippocampi, whose places in MNI space are known."""
        random = np.random.default_rng(seed)
        for name in cycle(STRIPPED):
            image = self.read(f"{name}/T1")
            inside = np.argwhere(sitk.GetArrayViewFromImage(image) > 0)
            while True:
                point = Grid.of(image).world(inside[random.integers(len(inside))][::-1])
                if min(np.linalg.norm(point - [side * 27, 22, -14]) for side in (-1, 1)) > MIN_FROM_HIPPOCAMPUS_MM:
                    break
            yield self.crops(image, point)


def _in_turns(*sources: Images) -> Images:
    for images in zip(*sources, strict=False):
        yield from images


def upside_down(images: Images) -> Images:
    for image, axes in zip(images, cycle([(0, 2), (1, 2)]), strict=False):
        yield turned(image, axes)


def halves(images: Images) -> Images:
    ways = cycle([(0, True, False), (2, False, True), (1, True, True), (0, False, True), (2, True, False)])
    for image, way in zip(images, ways, strict=False):
        yield half(image, *way)


def noise(seed: int, size: Sequence[int], cell: float) -> Images:
    """White, and smooth at several scales."""
    random = np.random.default_rng(seed)
    for k in cycle((0, 1, 3, 6)):
        values = random.normal(size=size[::-1])
        values = smoothed(values, k) if k else values
        yield _made(100 + 30 * values / values.std(), cell)


def phantoms(seed: int, size: Sequence[int], cell: float) -> Images:
    """A cylinder or a ball of fluid with rods, balls or plates in it."""
    random = np.random.default_rng(seed)
    z, y, x = _positions(size)
    for k in cycle(range(2)):
        inside = (np.hypot(x, y) < 0.85) & (abs(z) < 0.85) if k else x**2 + y**2 + z**2 < 0.75
        values = np.where(inside, 1.0, 0.0)
        for _ in range(random.integers(4, 9)):
            at, radius = random.uniform(-0.5, 0.5, 3), random.uniform(0.08, 0.25)
            depth = abs(z - at[0]) / 3 if random.random() < 0.5 else z - at[0]
            values[inside & (np.hypot(np.hypot(x - at[2], y - at[1]), depth) < radius)] = random.uniform(0, 2)
        yield _made(400 * values + random.normal(0, 10, values.shape), cell)


def abdomens(seed: int, size: Sequence[int], cell: float) -> Images:
    """A body with wall, liver, spleen, kidneys, stomach, spine and aorta, of any brightness; MR-like or CT-like."""
    random = np.random.default_rng(seed)
    z, y, x = _positions(size)

    def ellipsoid(centre, radii):
        jitter = random.uniform(0.9, 1.1, 3)
        return sum(((p - c) / (r * j)) ** 2 for p, c, r, j in zip((x, y, z), centre, radii, jitter, strict=True)) < 1

    organs = [((-0.4, -0.1, 0.2), (0.4, 0.45, 0.5)), ((0.55, 0.2, 0.3), (0.17, 0.2, 0.3))]
    organs += [((side * 0.35, 0.35, -0.2), (0.13, 0.15, 0.3)) for side in (-1, 1)]
    organs += [((0.3, -0.25, 0.3), (0.25, 0.2, 0.25)), ((0, 0.6, 0), (0.12, 0.15, 3)), ((0, 0.32, 0), (0.06, 0.07, 3))]
    for k in cycle(range(2)):
        values = np.zeros(x.shape)
        values[(x / 0.92) ** 2 + (y / 0.85) ** 2 < 1] = random.uniform(0.5, 1)  # fat
        values[(x / 0.8) ** 2 + (y / 0.7) ** 2 < 1] = random.uniform(0.2, 0.7)
        for centre, radii in organs:
            values[ellipsoid(centre, radii)] = random.uniform(0.1, 1)
        values = smoothed(values, 0.7) + random.normal(0, 0.02, values.shape)
        yield _made(1000 * values - 1000 if k else 500 * values, cell)


def _positions(size: Sequence[int]) -> list[np.ndarray]:
    return np.meshgrid(*[np.linspace(-1, 1, n) for n in size[::-1]], indexing="ij")


def _made(values: np.ndarray, cell: float) -> sitk.Image:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing([cell] * 3)
    return image
