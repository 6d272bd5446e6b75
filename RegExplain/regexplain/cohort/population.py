"""What the pairs of a study have in common: their principal components, named, with scores and tests."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..cards import registry
from ..errors import BadInputError, RegExplainError, disk_errors
from ..explanation import DEFAULT_STRENGTHS
from ..latent.components import MEMORY_BYTES, LatentComponents
from ..progress import Progress
from ..report import write_report
from ..results.explanations import ComponentMotion, ComponentMotions
from ..results.folder import replace as replace_folder
from ..results.tables import read_tsv, write_tsv
from ..transform_explanation import explain_transform
from ..transforms.inversion import invert_displacement
from ..transforms.itk import displacement_transform, resample_displacement
from ..volumes.geometry import Grid
from ..volumes.images import write_image
from .associations import Column, associations, voxelwise
from .fields import Displacements, LatentDifferences, LogJacobians, Space
from .study import RESULTS
from .template import exponential, mean_image, mean_shape
from .work import DONE

MEASURES = ("displacement", "log-jacobian", "latent")
MIN_PAIRS = 4  # pairs: of fewer nothing varies


@dataclass(frozen=True)
class Members:
    """The finished pairs of a study. columns: of the user's own table, by name, a value a pair."""

    folders: list[Path]
    columns: dict[str, list[str]]
    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, study: Path) -> Members:
        """Raises BadInputError for a folder that no `regexplain cohort` wrote, or of too few pairs."""
        try:
            descriptions = json.loads((study / "group.json").read_text(encoding="utf-8"))
            table = read_tsv(study / "group.tsv")
        except (OSError, ValueError) as error:
            raise BadInputError(
                f"{study} is no study of `regexplain cohort`; give the folder of its --output."
            ) from error
        if len(table) < MIN_PAIRS:
            raise BadInputError(f"Only {len(table)} pairs of {study.name} are done; {MIN_PAIRS} are needed to vary.")
        folders = [study / RESULTS / row["id"] for row in table]
        rows = [json.loads((folder / DONE).read_text(encoding="utf-8")) for folder in folders]
        user_columns = [
            name for name, column in descriptions.items() if column["Description"].startswith("From the table")
        ]
        return cls(folders, {name: [row[name] for row in table] for name in user_columns}, rows)

    def space(self) -> Space:
        """Raises BadInputError unless all have the same fixed image."""
        different = len({row["fixed"] for row in self.rows})
        if different > 1:
            raise BadInputError(
                f"The pairs have {different} different fixed images, so their voxels do not correspond; register all "
                "to one image, such as an atlas, or use --of latent."
            )
        return Space(self.folders[0])

    def card(self) -> registry.ModelCard:
        """Of the one model, with a latent space, that made all. Raises BadInputError."""
        names = sorted({row["model"] for row in self.rows})
        card = registry.find_card(names[0]) if len(names) == 1 and names[0] != "none" else None
        if card is None or not card.has_components:
            raise BadInputError(
                f"--of latent needs pairs of one model with a latent space, and these are of {', '.join(names)}; use "
                "--of displacement."
            )
        return card


@dataclass(frozen=True)
class Population:
    """scores (N, K): each pair along each component, in SD of the cohort. motions: what each component moves."""

    scores: np.ndarray
    motions: list[ComponentMotion]
    associations: list[dict[str, Any]]


def population(
    study: Path,
    of: str,
    count: int,
    by: Sequence[str] = (),
    permutations: int = 9999,
    seed: int = 0,
    template: bool = False,
    memory: float | None = None,
    progress: Progress | None = None,
) -> Population:
    """Write `STUDY/population`, a result folder of the mean motion with the components as its component motions."""
    progress = progress or Progress()
    members = Members.of(study)
    columns = _columns(members, by, progress)
    values, space, card = _measure(members, of)
    if template and space is None:
        raise BadInputError("--template needs one space, and --of latent of different fixed images has none.")
    progress.report("Finding components", 0, 1)
    components = LatentComponents.fit(values, min(count, len(values) - 1), int(memory or MEMORY_BYTES))
    scores = np.stack([components.coordinates(values[index]) for index in range(len(values))])
    if space is None:
        assert card is not None
        fixed, labels, mean, motions = _decoded_motions(members, card, components)
    else:
        fixed, labels = space.first.fixed, space.first.fixed_segmentation
        mean, motions = _regressed_motions(members, space, components, scores, progress)
    tests = [row for column in columns for row in associations(scores, column, permutations, seed)]
    with disk_errors(study), tempfile.TemporaryDirectory(prefix=".population.", dir=study) as aside:
        folder = Path(aside) / "population"
        if template and space is not None:
            velocity = mean_shape(members.folders, space, progress)
            mean = space.grid.image(exponential(velocity, space.grid), vector=True)
            moving = mean_image(members.folders, space, velocity)
        else:
            moving = Grid.of(fixed).resample(fixed, displacement_transform(invert_displacement(_on_grid(mean, fixed))))
        result = explain_transform(
            displacement_transform(_on_grid(mean, fixed)), fixed, moving, fixed_segmentation=labels
        )
        opened = result.save(folder)
        opened.add(ComponentMotions(motions))
        write_report(opened)
        if template:
            write_image(moving, folder / "template.nii.gz")
        _write_rows(folder / "scores.tsv", _score_rows(members, scores))
        _write_rows(folder / "associations.tsv", tests)
        if by and space is not None:
            _voxelwise(members, space, columns, folder, seed, memory, progress)
        replace_folder(folder, study / "population")
    return Population(scores, motions, tests)


def _columns(members: Members, by: Sequence[str], progress: Progress) -> list[Column]:
    """Those that are asked for; by default all that can be tested. Raises BadInputError."""
    unknown = [name for name in by if name not in members.columns]
    if unknown:
        raise BadInputError(f"The table has no column {unknown[0]}; it has {', '.join(members.columns) or 'none'}.")
    columns = [Column(name, members.columns[name]) for name in by or members.columns]
    for column in columns:
        if by and not column.usable:
            raise BadInputError(
                f"The column {column.name} cannot be tested; it needs numbers that differ, or groups of three pairs or "
                "more."
            )
    return [column for column in columns if column.usable]


def _measure(members: Members, of: str) -> tuple[Any, Space | None, registry.ModelCard | None]:
    """A sequence of one vector a pair; the space or the model that they are of."""
    if of == "latent":
        card = members.card()
        return LatentDifferences(members.folders, card), None, card
    space = members.space()
    return (Displacements if of == "displacement" else LogJacobians)(members.folders, space), space, None


def _regressed_motions(
    members: Members, space: Space, components: LatentComponents, scores: np.ndarray, progress: Progress
) -> tuple[sitk.Image, list[ComponentMotion]]:
    """The mean displacement of the cohort, and what tissue moves by where a pair's score is larger by one SD: the slope
    of the displacement at each voxel. Of principal components of displacements that is the component itself."""
    fields = Displacements(members.folders, space, everywhere=True)
    shape = (*space.grid.size[::-1], 3)
    mean, slopes = np.zeros(shape), np.zeros((scores.shape[1], *shape), np.float32)
    for index in range(len(fields)):
        progress.report("Following components", index, len(fields))
        field = fields[index].reshape(shape)
        mean += field / len(fields)
        slopes += (scores[index] / (len(fields) - 1)).astype(np.float32)[:, None, None, None, None] * field
    identity_scores = -components.mean @ components.basis.T / components.sd
    motions = []
    for k, slope in enumerate(slopes):
        fields_at = {
            strength: space.grid.image(np.float32(strength) * slope, vector=True) for strength in DEFAULT_STRENGTHS
        }
        motion = space.anatomy.motion(space.grid.image(slope, vector=True))
        share = float(components.explained_variance[k])
        motions.append(ComponentMotion(k + 1, share, float(identity_scores[k]), 0.0, fields_at, motion))
    return space.grid.image(mean.astype(np.float32), vector=True), motions


def _decoded_motions(
    members: Members, card: registry.ModelCard, components: LatentComponents
) -> tuple[sitk.Image, sitk.Image | None, sitk.Image, list[ComponentMotion]]:
    """The same of latent components, as the model decodes them about the first pair's fixed image."""
    from ..results.registration_result import RegistrationResult
    from ..torch_backend.inference.model import load_cached
    from ..torch_backend.inference.prediction import component_motions, decoded

    first, model = RegistrationResult.load(members.folders[0]), load_cached(card)
    latent = model.components
    cohort_components = replace(components, basis=components.basis @ latent.basis, mean=np.zeros_like(latent.mean))
    pair = first.fixed, first.moving, first.transform.alignment
    motions = component_motions(
        model, *pair, len(components.sd), DEFAULT_STRENGTHS, first.fixed_segmentation, components=cohort_components
    )
    identity_scores = -components.mean @ components.basis.T / components.sd
    for motion, identity_score in zip(motions, identity_scores, strict=True):
        motion.fixed_sd, motion.moving_sd = float(identity_score), 0.0
    mean = decoded(model, first.fixed, components.mean @ latent.basis)
    return first.fixed, first.fixed_segmentation, mean, motions


def _on_grid(field: sitk.Image, fixed: sitk.Image) -> sitk.Image:
    return resample_displacement(field, Grid.of(fixed))


def _voxelwise(
    members: Members,
    space: Space,
    columns: Sequence[Column],
    folder: Path,
    seed: int,
    memory: float | None,
    progress: Progress,
) -> None:
    """Maps of t and of the corrected p of the log-Jacobian against each column, on the grid of the space."""
    values = LogJacobians(members.folders, space)
    needed = 4.0 * len(values) * len(values[0]) * 4  # float32, of which nilearn makes copies
    if needed > (memory or MEMORY_BYTES):
        raise RegExplainError(
            f"The voxel-wise tests need {needed / 1e9:.1f} GB of memory; allow that with --memory, or leave out --by."
        )
    log_jacobians = np.stack([values[index] for index in range(len(values))]).astype(np.float32)
    for number, column in enumerate(columns):
        progress.report("Testing voxels", number, len(columns))
        if column.tested is None:
            progress.warn(f"The column {column.name} has more than two groups, so no map of voxels is made of it.")
            continue
        t, p = voxelwise(log_jacobians[column.valid], column.tested, 1000, seed)
        for name, statistic in (("t", t), ("p", p)):
            image = np.full(space.anatomy.inside.shape, 0 if name == "t" else 1, np.float32)
            image[space.anatomy.inside] = statistic
            write_image(space.grid.image(image), folder / f"log-jacobian-{number + 1:02d}-{name}.nii.gz")


def _score_rows(members: Members, scores: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"id": folder.name} | {f"component_{k}_sd": value for k, value in enumerate(values.tolist(), start=1)}
        for folder, values in zip(members.folders, scores, strict=True)
    ]


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if rows:
        write_tsv(path, list(rows[0]), rows)
