"""Elementary motions D(λu_j) on one validation case: arrows, outlines, and the sweep over λ (Estienne et al. 2021)."""

from __future__ import annotations

import numpy as np
import torch

from ...torch_backend.spatial.warp import warp
from ...transforms.itk import displacement_transform
from ...transforms.jacobians import jacobian_determinant
from ..sections import Row, Section
from .anatomy_plots import NORM_PERCENTILE, PLANES, Backdrop, Plane, arrows, outlines, sweep
from .spaces import COMPARED, Space
from .study import Case, Study, batches, encodings, volume

SHOWN = 8
ROWS = 4  # of components in a figure
STRENGTH_SD = 2.0
PAPER_LAMBDAS = (-200.0, -100.0, 0.0, 100.0, 200.0)
STRENGTHS_SD = (-4.0, -2.0, 0.0, 2.0, 4.0)
TEXT = (
    "On the validation case nearest to the training mean (number {number}). Arrows go from a point of the case to "
    "where its tissue lies in the moving image; red outlines are the case's segments, gold ones the segments warped by "
    "the component, so gold goes against the arrows. No mean is added. The paper's λ belongs to its own network's "
    "scale, so the sweep is shown in standard deviations (SD) of the training coordinates as well."
)


def elementary(study: Study, spaces: dict[str, Space]) -> tuple[list[Row], Section]:
    """Rows of the sweep of the network without skips."""
    case = nearest_case(study)
    backdrop = Backdrop(
        case.number,
        volume(study.plain, case)[0, 0].cpu().numpy(),
        study.segments(case),
        study.plain.card.canvas_spacing,
    )
    section = Section("Elementary motions", TEXT.format(number=case.number))
    for key in ("without skips", "displacement fields"):
        _add_arrows(study, section, backdrop, spaces[key])
    plain = spaces["without skips"]
    _add_outlines(study, section, backdrop, plain)
    rows = []
    for unit, strengths in (("lambda", PAPER_LAMBDAS), ("sd", STRENGTHS_SD)):
        rows += _add_sweep(study, section, backdrop, plain, unit, strengths)
    study.write_table("sweep", rows)
    return rows, section


def nearest_case(study: Study) -> Case:
    """The validation case whose first coordinates are nearest to the training mean, in standard deviations."""
    vectors = encodings(study.plain, [volume(study.plain, case) for case in study.validation])
    away = np.linalg.norm(study.plain.components.coordinates(vectors)[:, :COMPARED], axis=1)
    return study.validation[int(away.argmin())]


def _add_arrows(study: Study, section: Section, backdrop: Backdrop, space: Space) -> None:
    motions = space.motions(SHOWN, STRENGTH_SD)
    for part in batches(range(len(motions)), ROWS):
        figure = arrows(backdrop, {_title(i): motions[i] for i in part})
        section.figures[study.save_figure(f"arrows-{space.key}-{_span(part)}", figure)] = (
            f"{space.name.capitalize()}: {_span(part, 'components ')} at +{STRENGTH_SD:g} SD; colour is the length in "
            f"all three directions, up to its {NORM_PERCENTILE}th percentile."
        )


def _add_outlines(study: Study, section: Section, backdrop: Backdrop, space: Space) -> None:
    warped = [warped_segments(backdrop, field) for field in space.motions(SHOWN, STRENGTH_SD)]
    for part in batches(range(len(warped)), ROWS):
        figure = outlines(backdrop, {_title(i): warped[i] for i in part})
        section.figures[study.save_figure(f"outlines-{space.key}-{_span(part)}", figure)] = (
            f"{space.name.capitalize()}: {_span(part, 'components ')} at +{STRENGTH_SD:g} SD on the segments."
        )


def _add_sweep(
    study: Study, section: Section, backdrop: Backdrop, space: Space, unit: str, strengths: tuple[float, ...]
) -> list[Row]:
    """unit: "lambda", of the unit vectors, or "sd". Returns a row a component and strength."""
    components, rows, pictures = space.components, [], {}
    for index in range(min(SHOWN, len(components.sd))):
        study.progress.report(f"Sweep of λ ({unit})", index, SHOWN)
        in_sd = np.array(strengths) / (components.sd[index] if unit == "lambda" else 1)
        fields = space.decode(np.stack([components.direction(index, s) for s in in_sd]))
        rows += [
            sweep_row(study, backdrop, index, unit, s, s * components.sd[index], field)
            for s, field in zip(in_sd, fields, strict=True)
        ]
        pictures[index] = plane_of_motion(backdrop, fields[-1]), [warped_segments(backdrop, field) for field in fields]
    columns = [f"λ = {s:g}" if unit == "lambda" else f"{s:g} SD" for s in strengths]
    for part in batches(list(pictures), ROWS):
        figure = sweep(backdrop, {_title(i): pictures[i] for i in part}, columns)
        section.figures[study.save_figure(f"sweep-{unit}-{_span(part)}", figure)] = (
            f"{'The paper’s λ' if unit == 'lambda' else 'Standard deviations'}, {_span(part, 'components ')}, each in "
            "the plane in which it moves most."
        )
    return rows


def warped_segments(backdrop: Backdrop, field: np.ndarray) -> np.ndarray:
    """(L, D, H, W): the case's segments warped by a displacement (3, D, H, W) in mm."""
    voxels = torch.from_numpy(field / np.array(backdrop.spacing).reshape(3, 1, 1, 1)).float()
    return warp(torch.from_numpy(backdrop.segments).float()[None], voxels[None])[0].numpy()


def plane_of_motion(backdrop: Backdrop, field: np.ndarray) -> Plane:
    """The plane in which the anatomy moves most: across it it moves least."""
    across = (field[:, backdrop.segments.sum(0) > 0.5] ** 2).mean(1)
    return PLANES[int(across.argmin())]


def sweep_row(
    study: Study, backdrop: Backdrop, index: int, unit: str, in_sd: float, in_latent: float, field: np.ndarray
) -> Row:
    grid = study.canvas
    lengths = np.linalg.norm(field, axis=0)[backdrop.segments.sum(0) > 0.5]
    transform = displacement_transform(grid.image(field.transpose(1, 2, 3, 0).astype(np.float64), vector=True))
    return {
        "component": index + 1,
        "sweep": unit,
        "strength_sd": float(in_sd),
        "lambda_latent_units": float(in_latent),
        "mean_mm": float(lengths.mean()),
        "max_mm": float(lengths.max()),
        "folded_percent": 100 * float((jacobian_determinant(transform, grid) <= 0).mean()),
    }


def _title(index: int) -> str:
    return f"component {index + 1}"


def _span(part, words: str = "") -> str:
    return f"{words}{part[0] + 1}–{part[-1] + 1}" if words else f"{part[0] + 1}-{part[-1] + 1}"
