"""What a network answers to moved copies of a pair: where it is sure, the same, moved with the pair."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch

from ...progress import Progress
from ...results.equivariance import Equivariance
from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from .model import Model, displacement_image

TURN_DEG, SHIFT_MM = 10.0, 5.0
SEED = 20211


@torch.inference_mode()
def measure_equivariance(
    model: Model, result: RegistrationResult, copies: int, progress: Progress | None = None
) -> Equivariance:
    """Of the network's own answer, before any refining: both images are turned by 10° and shifted by 5 mm together, in
    a direction of each copy's own, on the canvas of the pair as it is."""
    progress = progress or Progress()
    alignment = result.transform.alignment
    canvas = model.canvas(result.fixed, result.moving, alignment)
    answer = sitk.GetArrayFromImage(_answer(model, result, canvas, sitk.Euler3DTransform()))
    squares, counts = np.zeros(answer.shape[:3]), np.zeros(answer.shape[:3])
    for number, motion in enumerate(motions(copies, canvas), start=1):
        back = motion.GetInverse()
        field = sitk.GetArrayFromImage(canvas.resample(_answer(model, result, canvas, motion), back))
        inside = sitk.GetArrayFromImage(canvas.resample(canvas.ones(), back, nearest=True)) > 0
        moved_back = field @ np.array(motion.GetMatrix()).reshape(3, 3).T
        squares += np.where(inside, ((moved_back - answer) ** 2).sum(-1), 0)
        counts += inside
        progress.report("Moving the pair", number, copies)
    spread = np.sqrt(squares / np.maximum(counts, 1)).astype(np.float32)
    return Equivariance(Grid.of(result.fixed).resample(canvas.image(spread)), copies, result.fixed)


def motions(count: int, canvas: Grid) -> list[sitk.VersorRigid3DTransform]:
    """Rigid, about the middle of the canvas; always the same ones."""
    random, answers = np.random.default_rng(SEED), []
    for _ in range(count):
        axis, shift = (v / np.linalg.norm(v) for v in random.normal(size=(2, 3)))
        motion = sitk.VersorRigid3DTransform()
        motion.SetCenter(canvas.centre.tolist())
        motion.SetRotation(axis.tolist(), float(np.radians(TURN_DEG)))
        motion.SetTranslation((SHIFT_MM * shift).tolist())
        answers.append(motion)
    return answers


def _answer(model: Model, result: RegistrationResult, canvas: Grid, motion: sitk.Transform) -> sitk.Image:
    """The displacement that the network finds where both images are seen at motion(point) for each point."""
    through = sitk.CompositeTransform([result.transform.alignment, motion])  # the last one first
    fixed, moving = model.volume(result.fixed, canvas, motion), model.volume(result.moving, canvas, through)
    return displacement_image(model.network(fixed, moving).displacement, canvas)
