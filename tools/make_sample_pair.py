#!/usr/bin/env python
"""Make the sample pair: two subjects drawn from a statistical shape and appearance model of hippocampus crops.

Training cases of the Medical Segmentation Decathlon, task 04, are registered to their iterated mean by log-demons.
The velocity fields give the shape model, the cases pulled back onto the mean the appearance model.

    python tools/make_sample_pair.py ../shared/data/hippocampus --output RegExplain/Resources/SampleData

Velocities and displacements are in mm. The velocity v of a case pulls it back onto the mean,
mean(x) = case(x + exp(v)(x)), so exp(-v) pulls the mean back onto the case.
"""

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

CANVAS = (48, 64, 48)  # voxels of 1 mm, in the order z, y, x
DIRECTION, ORIGIN = (-1, 0, 0, 0, -1, 0, 0, 0, 1), (-1, -1, 1)  # as the cases have them
LAST_TRAINING_CASE = 310
DISTANCE_LIMIT_MM = 6  # a label border further away says nothing about a voxel
CHANNEL_WEIGHTS = np.array([1.0, 0.6, 0.3])  # intensity, border of the hippocampus, border of its labels
ROUNDS = [(2, 40), (2, 20), (1, 15)]  # shrink factor and steps, a new mean each
SMOOTHING_VOXELS = 1.2
SHAPE_VARIANCE = 0.9  # share of the shape variance that is drawn; the rest is noise of the registration
LARGEST_DRAW = 2.0  # standard deviations of a component
MIN_COVERAGE = 0.1  # share of the cases that speak at any voxel, so that none comes from a single one
MARGINS = np.array([[5, 6], [5, 6], [6, 8]])  # least and most voxels about the hippocampus in z, y, x, as in the cases
NOISE = 0.02  # of white matter; brings the median absolute Laplacian, lost in interpolation, near that of the cases
WHITE_MATTER = 900  # intensity of the 99th percentile in the files
DICE_RANGE = (0.45, 0.62)  # of the pair before any registration; real pairs have 0.57 on average


def on_canvas(array, mode="constant"):
    """The array padded about its centre; every case is smaller than the canvas."""
    missing = np.subtract(CANVAS, array.shape)
    return np.pad(array, np.stack([missing // 2, missing - missing // 2], axis=1), mode)


def vector_image(array, like=None):
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32), isVector=True)
    image.CopyInformation(image if like is None else like)
    return image


def signed_distance(mask):
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False)
    # The filter measures from the outermost voxels inside; the border lies half a voxel further out.
    return np.clip((sitk.GetArrayFromImage(distance) - 0.5) / DISTANCE_LIMIT_MM, -1, 1)


def read_case(image_path):
    """One case on the canvas as a vector image: intensity, signed distance to the border of the hippocampus, signed
    distance to the border between its labels (negative in label 1), and 1 where the case has data."""
    image = sitk.ReadImage(str(image_path), sitk.sitkFloat32)
    if not np.allclose(image.GetDirection(), DIRECTION) or not np.allclose(image.GetSpacing(), 1):
        raise SystemExit(f"{image_path.name} is not a 1 mm image with the axes of the other cases; leave it out.")
    intensity = sitk.GetArrayFromImage(image)
    intensity /= np.percentile(intensity, 99)
    labels = on_canvas(sitk.GetArrayFromImage(sitk.ReadImage(str(image_path.parents[1] / "labels" / image_path.name))))
    between = (signed_distance(labels == 1) - signed_distance(labels == 2)) / 2
    data = on_canvas(np.ones_like(intensity))
    return vector_image(np.stack([on_canvas(intensity, "edge"), signed_distance(labels > 0), between, data], axis=-1))


def warp(image, displacement, interpolator=sitk.sitkLinear):
    transform = sitk.DisplacementFieldTransform(sitk.Cast(displacement, sitk.sitkVectorFloat64))
    return sitk.Resample(image, displacement, transform, interpolator, 0.0, image.GetPixelID(), True)


def exponential(velocity, squarings=4):
    """Displacement of the flow of a stationary velocity, by scaling and squaring."""
    displacement = vector_image(sitk.GetArrayFromImage(velocity) / 2**squarings, like=velocity)
    for _ in range(squarings):
        displacement = displacement + warp(displacement, displacement)
    return displacement


def register(mean, case, velocity, steps):
    """The velocity that pulls the case back onto the mean, on its grid; intensities count where the case has data."""
    velocity = sitk.Resample(velocity, mean)
    fixed, spacing = sitk.GetArrayFromImage(mean), mean.GetSpacing()[0]
    for _ in range(steps):
        moving = sitk.GetArrayFromImage(warp(case, exponential(velocity)))
        weight = CHANNEL_WEIGHTS * np.where([True, False, False], (fixed * moving)[..., 3:], 1)
        difference = (fixed - moving)[..., :3]
        gradient = np.stack(np.gradient((fixed + moving)[..., :3] / 2, spacing, axis=(2, 1, 0)), axis=-1)
        force = ((weight * difference)[..., None] * gradient).sum(axis=3)
        norm = (weight * ((gradient**2).sum(axis=-1) + (difference / spacing) ** 2)).sum(axis=-1)
        step = vector_image(force / (norm + 1e-4)[..., None], like=mean)
        velocity = sitk.SmoothingRecursiveGaussian(velocity + step, SMOOTHING_VOXELS * spacing)
    return velocity


def stack_and_mean(cases):
    """Arrays (case, z, y, x, channel) and (z, y, x, channel); intensities are averaged over the cases with data."""
    stack = np.stack([sitk.GetArrayFromImage(case) for case in cases])
    mean = stack.mean(axis=0)
    mean[..., 0] = np.average(stack[..., 0], axis=0, weights=stack[..., 3] + 1e-6)
    return stack, mean


def register_all(cases):
    """One velocity a case, on the canvas, from registrations to an iterated mean."""
    velocities = [vector_image(np.zeros((*CANVAS, 3)))] * len(cases)
    for factor, steps in ROUNDS:
        shrunk = [sitk.BinShrink(case, [factor] * 3) for case in cases]
        pulled = [warp(s, exponential(sitk.Resample(v, s))) for s, v in zip(shrunk, velocities, strict=True)]
        mean = vector_image(stack_and_mean(pulled)[1], like=shrunk[0])
        velocities = [register(mean, s, v, steps) for s, v in zip(shrunk, velocities, strict=True)]
        print(f"Registered {len(cases)} cases to their mean at {factor} mm, {steps} steps.", flush=True)
    return velocities


def fit(cases, velocities):
    """The mean case and the PCAs of the shapes and of the appearances (differences from the mean, on its grid)."""
    stack, mean = stack_and_mean([warp_subject(c, v) for c, v in zip(cases, velocities, strict=True)])
    # A case without data at a voxel does not differ from the mean there; the others make up for its variance.
    differences = (stack[..., 0] - mean[..., 0]) * stack[..., 3] / np.sqrt(np.maximum(mean[..., 3], MIN_COVERAGE))
    shape = PCA(SHAPE_VARIANCE, svd_solver="full").fit([sitk.GetArrayFromImage(v).ravel() for v in velocities])
    return mean, shape, PCA(svd_solver="full").fit(differences.reshape(len(cases), -1))


def warp_subject(subject, velocity):
    """All channels pulled back; the intensities by splines, as linear interpolation smooths the texture away."""
    displacement = exponential(velocity)
    intensity = warp(sitk.VectorIndexSelectionCast(subject, 0), displacement, sitk.sitkBSpline)
    warped = warp(subject, displacement)
    return sitk.Compose(intensity, *(sitk.VectorIndexSelectionCast(warped, channel) for channel in (1, 2, 3)))


def draw(pca, generator):
    strengths = np.clip(generator.standard_normal(pca.n_components_), -LARGEST_DRAW, LARGEST_DRAW)
    return pca.mean_ + (strengths * np.sqrt(pca.explained_variance_)) @ pca.components_


def draw_subject(mean, shape, appearance, generator):
    """Intensities and labels, cropped about the hippocampus; None where too few cases have data in the crop."""
    subject, velocity = mean.copy(), draw(shape, generator).reshape(*CANVAS, 3)
    subject[..., 0] += draw(appearance, generator).reshape(CANVAS)
    warped = sitk.GetArrayFromImage(warp_subject(vector_image(subject), vector_image(-velocity)))
    intensity, border, between, coverage = np.moveaxis(warped, -1, 0)
    intensity = intensity + NOISE * generator.standard_normal(CANVAS)
    labels = np.where(border < 0, np.where(between < 0, 1, 2), 0).astype(np.uint8)
    margins = generator.integers(MARGINS[:, :1], MARGINS[:, 1:] + 1, (3, 2))
    sides = zip(np.nonzero(labels), margins, strict=True)
    crop = tuple(slice(max(w.min() - low, 0), w.max() + 1 + high) for w, (low, high) in sides)
    if coverage[crop].min() < MIN_COVERAGE:
        return None
    return np.maximum(np.round(intensity[crop] * WHITE_MATTER), 0).astype(np.int16), labels[crop]


def mean_dice(a, b):
    """Mean Dice of labels 1 and 2 of two label arrays, laid centre on centre."""
    a, b = on_canvas(a), on_canvas(b)
    return np.mean([2 * np.sum((a == k) & (b == k)) / (np.sum(a == k) + np.sum(b == k)) for k in (1, 2)])


def draw_pair(model, generator):
    for _ in range(1000):  # until the labels overlap like those of a real pair
        fixed, moving = draw_subject(*model, generator), draw_subject(*model, generator)
        if fixed and moving and DICE_RANGE[0] <= mean_dice(fixed[1], moving[1]) <= DICE_RANGE[1]:
            return fixed, moving
    raise SystemExit("No plausible pair in 1000 draws; fit the model to more cases.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with images/ and labels/")
    parser.add_argument("--output", type=Path, required=True, help="folder for the four images")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cases", type=int, default=70, help="how many training cases the model is fitted to")
    options = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    paths = sorted((options.data / "images").glob("hippocampus_*.nii.gz"))
    paths = [path for path in paths if int(path.name[12:15]) <= LAST_TRAINING_CASE]
    if not 10 <= options.cases <= len(paths):
        raise SystemExit(f"images/ in {options.data} has {len(paths)} training cases; give --cases from 10 to that.")
    cases = [read_case(paths[index]) for index in np.linspace(0, len(paths) - 1, options.cases).astype(int)]
    with threadpool_limits(1):
        model = fit(cases, register_all(cases))
        fixed, moving = draw_pair(model, np.random.default_rng(options.seed))
    options.output.mkdir(parents=True, exist_ok=True)
    for name, (intensity, labels) in {"fixed": fixed, "moving": moving}.items():
        for file_name, array in {f"{name}.nii.gz": intensity, f"{name}_segmentation.nii.gz": labels}.items():
            image = sitk.GetImageFromArray(array)
            image.SetOrigin(ORIGIN)
            image.SetDirection(DIRECTION)
            sitk.WriteImage(image, str(options.output / file_name), useCompression=True)
        print(f"{name}: {labels.shape[::-1]} voxels, {np.sum(labels == 1)} and {np.sum(labels == 2)} of labels 1 and 2")
    print(f"Seed {options.seed}: unregistered mean Dice {mean_dice(fixed[1], moving[1]):.3f}.")


if __name__ == "__main__":
    main()
