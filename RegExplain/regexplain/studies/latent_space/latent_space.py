"""Exploring Deep Registration Latent Spaces (Estienne et al. 2021, arXiv 2107.11238), from the shipped weights."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ... import __version__
from ...cards import registry
from ...errors import BadInputError
from ...progress import Progress
from ...results.folder import check_writable, new_folder
from ...results.tables import write_csv
from ...torch_backend.inference.model import Model
from ...volumes.threads import device_errors, use_threads
from ..claim import Claim
from ..page import render_study
from ..sections import Section
from .claims import all_claims
from .elementary import elementary
from .known_motions import known_motions
from .names import names
from .overlap import overlap
from .spaces import SEED, field_space, latent_spaces
from .study import Study, read_cases
from .variance import variance

COMMAND = "regexplain reproduce latent-space --data DATA --output OUTPUT"
TITLE = "The latent space of a registration network: Estienne et al. 2021, made anew and measured"


def latent_space(
    data: Path,
    output: Path,
    model: str = "hippocampus",
    skip_model: str = "hippocampus-skip",
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Every figure and table of the paper, and `claims.csv`; `output` is complete in the end, or absent.

    data: a folder with `images` and `labels` of the Medical Segmentation Decathlon's hippocampus task.
    model, skip_model: without and with skip connections, by name or path. Raises BadInputError.
    """
    return write_study(data, output, (model, skip_model), _experiments, TITLE, COMMAND, device, threads, progress)


def write_study(
    data: Path,
    output: Path,
    models: tuple[str, str],
    experiments: Callable[[Study, Path, str, int], tuple[list[Claim], list[Section]]],
    title: str,
    command: str,
    device: str,
    threads: int | None,
    progress: Progress | None,
) -> Path:
    """models: without and with skips, by name or path."""
    if output.exists():
        raise BadInputError(f"{output} exists already; choose another --output.")
    check_writable(output, overwrite=False)
    started, progress = time.perf_counter(), progress or Progress()
    threads = use_threads(threads)
    plain, skip = (Model.load(registry.find_card(name), device, threads) for name in models)
    training, validation = read_cases(data)
    with new_folder(output) as folder, device_errors():
        study = Study(plain, skip, training, validation, folder, progress)
        claims, sections = experiments(study, data, device, threads)
        facts = _facts(study, command, device, threads) | {"seconds": round(time.perf_counter() - started)}
        _write(folder, title, command, claims, sections, facts)
    return output


def _experiments(study: Study, data: Path, device: str, threads: int) -> tuple[list[Claim], list[Section]]:
    dice, dice_section = overlap(study, data, device, threads)
    spaces = latent_spaces(study)
    spaces["displacement fields"] = field_space(study)
    explained, variance_section = variance(study, spaces["displacement fields"])
    sweep, elementary_section = elementary(study, spaces)
    motions, names_section = names(study, spaces)
    purities, known_section = known_motions(study, spaces)
    claims = all_claims(dice, explained, purities, motions, sweep)
    return claims, [dice_section, variance_section, elementary_section, names_section, known_section]


def _facts(study: Study, command: str, device: str, threads: int) -> dict[str, Any]:
    weights = {f"weights_of_{m.card.name}": f"SHA-256 {m.card.weights_sha256}" for m in study.models.values()}
    return {
        "command": command,
        "regexplain": __version__,
        **weights,
        "training_cases": len(study.training),
        "validation_cases": len(study.validation),
        "seed": SEED,
        "device": device,
        "threads": threads,
    }


def _write(
    folder: Path, title: str, command: str, claims: list[Claim], sections: list[Section], facts: dict[str, Any]
) -> None:
    write_csv(folder / "claims.csv", [claim.row(command) for claim in claims])
    (folder / "study.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(render_study(folder, title, claims, sections, facts), encoding="utf-8")
