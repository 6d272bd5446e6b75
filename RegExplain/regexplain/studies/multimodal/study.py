"""ExFIRE's claims (arXiv 2308.01994) measured on pairs with known motion, from the shipped weights."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ... import __version__
from ...cards import registry
from ...errors import BadInputError
from ...progress import Progress
from ...results.folder import check_writable, new_folder
from ...results.tables import write_csv
from ...torch_backend.inference.model import Model
from ...torch_backend.networks.fire import FireNetwork
from ...volumes.threads import device_errors, use_threads
from ..claim import Claim
from ..page import render_study
from ..sections import Section
from .claims import Measurements, all_claims
from .complementarity import ablation, complementarity
from .degradation import degraded
from .faithfulness import compare_orderings, faithfulness
from .homogeneity import homogeneity, worse_syntheses
from .ordinary import ordinary
from .pairs import ordinary_pairs
from .pointing import pointing
from .randomisation import randomised
from .reference import reference
from .run import Run
from .symmetry import correlations, symmetry

COMMAND = "regexplain study multimodal --data DATA --output OUTPUT"
TITLE = "Explained registration of two contrasts: ExFIRE's claims, measured"
Found = tuple[list[Claim], list[Section], dict[str, dict[str, float]]]


def multimodal(
    data: Path,
    output: Path,
    model: str,
    pairs: int,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Tables, figures, `claims.csv`, `report.html` and `reference.json`; `output` is complete in the end, or absent.

    data: a folder with ms_mni, ms_longitudinal and brain_labels; what is absent is left out with a warning.
    Raises BadInputError.
    """
    if output.exists():
        raise BadInputError(f"{output} exists already; choose another --output.")
    if pairs < 2:
        raise BadInputError("--pairs must be at least 2.")
    check_writable(output, overwrite=False)
    started, progress = time.perf_counter(), progress or Progress()
    threads = use_threads(threads)
    loaded = Model.load(registry.find_card(model), device, threads)
    if not isinstance(loaded.network, FireNetwork):
        raise BadInputError(f"{loaded.card.name} registers one contrast; --model takes one for two, as brain-t1-flair.")
    with device_errors():
        pairs_run = ordinary_pairs(loaded, data, pairs, progress)
        with new_folder(output) as folder:
            run = Run(loaded, pairs_run, folder, progress)
            claims, sections, ranges = experiments(run)
            facts = _facts(run, device, threads) | {"seconds": round(time.perf_counter() - started)}
            _write(folder, claims, sections, ranges, facts)
    return output


def experiments(run: Run) -> Found:
    rows, pairs_section = ordinary(run)
    ranges, reference_section = reference(run)
    worse = degraded(run)
    random, random_section = randomised(run)
    _, complementarity_section = complementarity(run, rows, random)
    off, ablation_section = ablation(run)
    symmetry_section = symmetry(run, rows, random)
    _, correlation_section = correlations(run, rows, worse)
    _, homogeneity_section = homogeneity(run, rows, random)
    syntheses, synthesis_section = worse_syntheses(run)
    areas, faithfulness_section = faithfulness(run)
    gains_section = compare_orderings(run, areas)
    bumps, pointing_section = pointing(run)
    claims = all_claims(Measurements(rows, worse, random, off, syntheses, areas, bumps))
    sections = [
        pairs_section,
        complementarity_section,
        ablation_section,
        symmetry_section,
        correlation_section,
        homogeneity_section,
        synthesis_section,
        faithfulness_section,
        gains_section,
        random_section,
        pointing_section,
        reference_section,
    ]
    return claims, sections, ranges


def _facts(run: Run, device: str, threads: int) -> dict[str, Any]:
    return {
        "command": COMMAND,
        "regexplain": __version__,
        "model": run.model.card.name,
        "weights": f"SHA-256 {run.model.card.weights_sha256}",
        "pairs": len(run.pairs),
        "pairs_probed_further": len(run.subset),
        "heads": ", ".join(dict.fromkeys(pair.head for pair in run.pairs)),
        "device": device,
        "threads": threads,
    }


def _write(
    folder: Path, claims: list[Claim], sections: list[Section], ranges: dict[str, Any], facts: dict[str, Any]
) -> None:
    write_csv(folder / "claims.csv", [claim.row(COMMAND) for claim in claims])
    for name, values in (("reference", ranges), ("study", facts)):
        (folder / f"{name}.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render_study(folder, TITLE, claims, sections, facts), encoding="utf-8")
