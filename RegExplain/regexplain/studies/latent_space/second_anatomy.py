"""What Estienne et al. 2021 report of lungs, on made torsos that breathe, whose shape and breathing are known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ...errors import BadInputError
from ...progress import Progress
from ..claim import RESAMPLES, SEED, Claim, verdict_of
from ..sections import Row, Section
from .claims import dice_claims, named_claim, sweep_claim, variance_claims
from .elementary import elementary
from .latent_space import write_study
from .names import names
from .overlap import overlap
from .spaces import field_space, latent_spaces
from .study import Case, Study, encodings, volume
from .variance import variance

PAPER_DICE = {"unregistered": (0.74, 0.14), "without skips": (0.90, 0.04), "with skips": (0.92, 0.02)}
PAPER_VARIANCE = {4: 42.0, 32: 95.0}
PARAMETERS, CASE, BREATHING = "parameters.csv", "case", "amplitude_mm"
SHOWN = 8
COMMAND = "regexplain study second-anatomy --data DATA --output OUTPUT --model MODEL --skip-model MODEL"
TITLE = "A second anatomy: the study of Estienne et al. 2021 on made torsos that breathe"
NO_PARAMETERS = "{file} is missing or damaged; make the cases anew (tools/breathing_torsos.py)."
TEXT = (
    "Correlation (Pearson) of each component's coordinate with what is known of the made cases. Sign means nothing: a "
    "component has none."
)


def second_anatomy(
    data: Path,
    output: Path,
    plain: str,
    skip: str,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """data: as `tools/breathing_torsos.py` writes it. plain, skip: models without and with skips. Raises
    BadInputError."""
    return write_study(data, output, (plain, skip), _experiments, TITLE, COMMAND, device, threads, progress)


def _experiments(study: Study, data: Path, device: str, threads: int) -> tuple[list[Claim], list[Section]]:
    parameters = read_parameters(data / PARAMETERS)
    dice, dice_section = overlap(study, data, device, threads)
    spaces = latent_spaces(study)
    spaces["displacement fields"] = field_space(study)
    explained, variance_section = variance(study, spaces["displacement fields"], PAPER_VARIANCE)
    sweep, elementary_section = elementary(study, spaces)
    motions, names_section = names(study, spaces)
    breathing, parameters_section = known_parameters(study, parameters)
    claims = [
        *dice_claims(dice, PAPER_DICE),
        *variance_claims(explained["without skips, training cases"], PAPER_VARIANCE),
        sweep_claim(sweep),
        named_claim("without skips", motions["without skips"], "components are motions that a person can name"),
        breathing,
    ]
    return claims, [dice_section, variance_section, elementary_section, names_section, parameters_section]


def read_parameters(file: Path) -> dict[int, dict[str, float]]:
    """By case number. Raises BadInputError."""
    try:
        with open(file, newline="", encoding="utf-8") as stream:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]
        return {int(row.pop(CASE)): row for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(NO_PARAMETERS.format(file=file)) from error


def known_parameters(study: Study, parameters: dict[int, dict[str, float]]) -> tuple[Claim, Section]:
    """How the first components go with what is known of the cases, and whether one of them is the breathing."""
    coordinates = {"training": _coordinates(study, study.training), "validation": _coordinates(study, study.validation)}
    rows = [
        {"cases": role, "component": number + 1} | correlations(coordinates[role][:, number], cases, parameters)
        for role, cases in (("training", study.training), ("validation", study.validation))
        for number in range(coordinates[role].shape[1])
    ]
    table = study.write_table("parameters", rows)
    known = np.array([parameters[case.number][BREATHING] for case in study.validation])
    return breathing_claim(rows, coordinates["validation"], known), Section(
        "Known parameters", TEXT, {}, {table: "Of the components of the network without skips."}
    )


def _coordinates(study: Study, cases: list[Case]) -> np.ndarray:
    vectors = encodings(study.plain, [volume(study.plain, case) for case in cases])
    return study.plain.components.coordinates(vectors)[:, :SHOWN]


def correlations(coordinate: np.ndarray, cases: list[Case], parameters: dict[int, dict[str, float]]) -> Row:
    of_cases = [parameters[case.number] for case in cases]
    return {key: float(np.corrcoef(coordinate, [one[key] for one in of_cases])[0, 1]) for key in of_cases[0]}


def breathing_claim(rows: list[Row], coordinates: np.ndarray, known: np.ndarray) -> Claim:
    """The component is chosen on the training cases, and judged on the validation cases."""
    trained = [abs(row[BREATHING]) for row in rows if row["cases"] == "training"]
    found = int(np.argmax(trained))
    indices = np.random.default_rng(SEED).integers(len(known), size=(RESAMPLES, len(known)))
    again = [abs(np.corrcoef(coordinates[some, found], known[some])[0, 1]) for some in indices]
    low, high = np.nanpercentile(again, (2.5, 97.5))
    correlation = abs(np.corrcoef(coordinates[:, found], known)[0, 1])
    return Claim(
        "the first component is the breathing",
        "its first lung components move the diaphragm",
        f"component {found + 1}: |r| = {correlation:.2f} [{low:.2f}, {high:.2f}] with the amplitude",
        "of eight, component 1 goes best with the amplitude on the training cases, and on the validation cases the "
        "95 % bootstrap interval of |r| lies above 0.7",
        verdict_of(found == 0 and low > 0.7),
        "parameters",
    )
