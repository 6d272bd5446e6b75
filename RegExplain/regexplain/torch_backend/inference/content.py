"""Whether the content of an image is in a model's domain, by its own network: the organ, then the contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import BadInputError
from ...latent.population import Population
from ...volumes.content import ANOTHER_CONTRAST, ANOTHER_KIND, IN_PART, NOTHING_VISIBLE
from ..spatial.warp import identity_grid, resize
from .alignment import landmark_grid
from .model import EncodedImage, Model

MIN_IN_TISSUE = 0.9  # of the landmarks
MIN_INTENSITY, MIN_TISSUE, WINDOW = 0.02, 0.25, 5  # fluid is as dark as air in FLAIR, but not all about it
STRUCTURES = "white_matter", "ventricles"
HIGH_PROBABILITY, MIN_PROBABILITY = 0.8, 0.6  # probabilities of a structure in the read-out
MIN_VOXELS = 60
BRIGHT, NEAR_MM = 99.8, 20  # percentile, of what lies so near to the landmarks


@torch.inference_mode()
def content_mismatch(model: Model, image: sitk.Image) -> str | None:
    """Why the image is not what the model's card says it was made for ("content"), a phrase; None where it may be."""
    content = model.card.values.get("content")
    if content is None:
        return None
    try:
        reason = (_head if "landmarks_mm" in content else _encoding)(model, image, content)
    except BadInputError:
        return NOTHING_VISIBLE
    return reason and f"{reason} {content['images']}"


def _head(model: Model, image: sitk.Image, content: dict[str, Any]) -> str | None:
    """Landmarks lie to each other as in a head, whatever its size, pose and shear, and in tissue, nearly all; fluid in
    the ventricles is darker than white matter, where in T2 and PD it is not; and nothing about the landmarks is far
    brighter, as bone is in CT and arteries are in MR angiography."""
    landmarks, _ = model.network.affine.landmarks(model.volume(image, landmark_grid(model, image)))
    points = landmarks.points[0].double().cpu().numpy()
    if template_rmse(points, np.array(content["landmarks_mm"])) > content["landmarks_apart_mm"]:
        return ANOTHER_KIND
    encoded = model.encode(image)
    half = torch.tensor(encoded.canvas.extent / 2, dtype=torch.float32, device=encoded.volume.device)
    if share_in_tissue(encoded.volume, landmarks.points[0].float() / half) < MIN_IN_TISSUE:
        return IN_PART
    probabilities = model.network.read_out(encoded.features[-1]).sigmoid()
    white, fluid = (_values(encoded, probabilities, points, **content[name]) for name in STRUCTURES)
    if min(len(white), len(fluid)) < MIN_VOXELS:
        return ANOTHER_KIND
    if np.percentile(fluid, (25, 50)).mean() / np.median(white) > content["fluid"]:
        return ANOTHER_CONTRAST
    if "brightest" in content and brightest(image, encoded, points, np.median(white)) > content["brightest"]:
        return ANOTHER_CONTRAST
    return None


def share_in_tissue(volume: Tensor, points: Tensor) -> float:
    """Of points (K, 3), x, y, z from −1 to 1 over the box of a volume (1, 1, D, H, W), how many lie where it shows
    something."""
    tissue = F.avg_pool3d((volume > MIN_INTENSITY).float(), WINDOW, 1, WINDOW // 2)
    sampled = F.grid_sample(tissue, points[None, None, None].to(tissue), align_corners=False)
    return float((sampled > MIN_TISSUE).float().mean())


def brightest(image: sitk.Image, encoded: EncodedImage, points: np.ndarray, white: float) -> float:
    """How many times as bright as white matter, of intensity `white` in the scaled volume, the brightest is near the
    landmarks (mm about the middle of the canvas). By the image itself: the scaled one is clipped."""
    every_second = (slice(None, None, 2),) * 3
    scaled = encoded.volume[0, 0][every_second].cpu().numpy()
    values = sitk.GetArrayFromImage(encoded.canvas.subsampled(2).resample(sitk.Cast(image, sitk.sitkFloat32)))
    inner = (scaled > MIN_INTENSITY) & (scaled < 1)
    slope, offset = np.polyfit(scaled[inner], values[inner], 1)
    near = (landmark_distance(encoded, every_second, points) < NEAR_MM).cpu().numpy()
    return float((np.percentile(values[near], BRIGHT) - offset) / slope / white)


def landmark_distance(encoded: EncodedImage, voxels: Any, points: np.ndarray) -> Tensor:
    """mm from the nearest of the landmarks (K, 3; about the middle of the canvas), of the canvas' voxels that an index
    (slices or a mask, D, H, W) takes; of its shape."""
    half = encoded.volume.new_tensor(encoded.canvas.extent / 2)
    places = identity_grid(encoded.volume.shape[2:], encoded.volume)[0][voxels] * half
    marks = encoded.volume.new_tensor(points)
    return torch.cdist(places.reshape(-1, 3), marks).amin(1).reshape(places.shape[:-1])


def template_rmse(points: np.ndarray, template: np.ndarray) -> float:
    """Root mean square distance, mm, of points (K, 3) from the template's after the best affine of the latter."""
    homogeneous = np.column_stack([template, np.ones(len(template))])
    affine, *_ = np.linalg.lstsq(homogeneous, points, rcond=None)
    return float(np.sqrt(((homogeneous @ affine - points) ** 2).sum(1).mean()))


def _values(
    encoded: EncodedImage, probabilities: Tensor, points: np.ndarray, labels: list[int], within_mm: float
) -> np.ndarray:
    """(N,) intensities where the read-out ((1, K, d, h, w)) has the labels, within a distance of their
    landmarks (mm about the middle of the canvas): further away it takes other dark or bright places for them, in
    contrasts that it does not know. Where it is sure of few voxels, those that it is surest of."""
    shape = encoded.volume.shape[2:]
    channels = [label - 1 for label in labels]
    probability = resize(probabilities[:, channels].sum(1, keepdim=True), shape)[0, 0]
    labelled = probability > MIN_PROBABILITY
    near = landmark_distance(encoded, labelled, points[channels]) < within_mm
    probability, values = probability[labelled][near], encoded.volume[0, 0][labelled][near]
    count = max(MIN_VOXELS, int((probability > HIGH_PROBABILITY).sum()))
    return values[probability.argsort(descending=True, stable=True)[:count]].cpu().numpy()


def _encoding(model: Model, image: sitk.Image, content: dict[str, Any]) -> str | None:
    """What the components leave undescribed is not far more than of any training case."""
    population = Population.of(model.components)
    if population is None:
        return None
    encoding = model.network.encode(model.volume(image, model.canvas(image))).flatten().double().cpu().numpy()
    excess = population.score(encoding).residual / population.residual.max()
    return ANOTHER_KIND if excess > content["residual"] else None
