"""Every claim of the paper beside what was measured here, judged by a stated criterion that the numbers decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...latent.purity import Purity
from ...motions.motion import Motion
from ..claim import Claim, bootstrap_mean, verdict_of
from ..sections import Row
from .predefined import KINDS
from .variance import PAPER as PAPER_VARIANCE

PAPER_DICE = {"unregistered": (0.59, 0.15), "without skips": (0.76, 0.05), "with skips": (0.85, 0.03)}
MANY = 3  # active components, at least
NAMING_SHARE = 0.5  # of a motion's mean square, from which its strongest kind names it
MOST = 5  # of eight components
PRIVATE = "cannot be checked: the lung images are not public"
Purities = dict[str, dict[str, Purity]]


def all_claims(
    dice: dict[str, np.ndarray],
    variance: dict[str, np.ndarray],
    purities: Purities,
    motions: dict[str, list[Motion]],
    sweep: list[Row],
) -> list[Claim]:
    return [
        *dice_claims(dice),
        *variance_claims(variance["without skips, training cases"]),
        sweep_claim(sweep),
        named_claim("without skips", motions["without skips"], "components are motions that a person can name"),
        *dominance_claims(purities),
        control_claim(purities),
        named_claim("displacement fields", motions["displacement fields"], None),
        *([readable_claim(purities)] if "readable" in purities else []),
        *lung_claims(),
    ]


def dice_claims(dice: dict[str, np.ndarray], paper: Mapping[str, tuple[float, float]] = PAPER_DICE) -> list[Claim]:
    claims = []
    for name, (mean, sd) in paper.items():
        ours = f"{dice[name].mean():.3f} ± {dice[name].std():.3f} ({len(dice[name])} pairs)"
        if name == "unregistered":
            criterion, holds = f"within {sd} of the paper's mean", abs(dice[name].mean() - mean) <= sd
        else:
            criterion, holds = "at least the paper's mean", dice[name].mean() >= mean
        claims.append(Claim(f"Dice {name}", f"{mean:.2f} ± {sd:.2f}", ours, criterion, verdict_of(holds), "pairs"))
    gain = dice["with skips"] - dice["without skips"]
    low, high = bootstrap_mean(gain)
    claims.append(
        Claim(
            "skip connections register better",
            f"+{paper['with skips'][0] - paper['without skips'][0]:.2f} Dice",
            f"{gain.mean():+.3f} [{low:+.3f}, {high:+.3f}]",
            "the 95 % bootstrap interval of the mean gain over the pairs lies above 0",
            verdict_of(low > 0),
            "pairs",
        )
    )
    return claims


def variance_claims(percent: np.ndarray, reported: Mapping[int, float] = PAPER_VARIANCE) -> list[Claim]:
    """percent (K,): explained by the first 1 … K."""
    return [
        Claim(
            f"{count} components explain the variance",
            f"{paper:.0f} %",
            f"{percent[min(count, len(percent)) - 1]:.1f} % with {min(count, len(percent))}",
            f"at least {paper:.0f} %",
            verdict_of(percent[min(count, len(percent)) - 1] >= paper),
            "variance",
        )
        for count, paper in reported.items()
    ]


def sweep_claim(sweep: list[Row]) -> Claim:
    """The paper shows it in a figure."""
    growing = []
    of_lambda = [row for row in sweep if row["sweep"] == "lambda"]
    for component in sorted({row["component"] for row in of_lambda}):
        sizes = {r["lambda_latent_units"]: r["mean_mm"] for r in of_lambda if r["component"] == component}
        sides = [[sizes[s] for s in sorted(sizes, key=abs) if s * side >= 0] for side in (-1, 1)]
        growing.append(all(side[0] == 0 and (np.diff(side) > 0).all() for side in sides))
    return Claim(
        "motion grows with |λ|",
        "shown for λ from −200 to 200",
        f"{sum(growing)} of {len(growing)} components",
        "for every component D(0) moves nothing and the mean displacement grows from each |λ| to the next",
        verdict_of(all(growing)),
        "sweep",
    )


def named_claim(space: str, motions: list[Motion], claim: str | None) -> Claim:
    """With a claim, that the components have a name; without one, that those of the control have none."""
    shares = [max(share for kind, share in motion.shares.items() if kind != "bending") for motion in motions]
    count = sum(share >= NAMING_SHARE for share in shares)
    named = count >= MOST
    return Claim(
        claim or f"components of {space} have no meaning",
        "seen in figures" if claim else "none seen in figures",
        f"{count} of {len(shares)} components (median share of the strongest kind {np.median(shares):.2f})",
        f"a component has a name where translation, rotation or zoom and shear alone make at least half of the motion; "
        f"{'at least' if claim else 'fewer than'} {MOST} of 8 have",
        verdict_of(named if claim else not named),
        "names",
    )


def dominance_claims(purities: Purities) -> list[Claim]:
    claims = []
    for kind, count in zip(KINDS, (1, 1, 2), strict=True):
        claims.append(
            _count_claim(
                f"{kind}: {('one component stands', 'two components stand')[count - 1]} out without skips",
                ("one", "two")[count - 1],
                f"exactly {count} of ten reach half of the strongest's |Δa|, in the whole 95 % interval",
                of_kind(purities["without skips"], kind),
                lambda p, count=count: p.active.low == p.active.high == count,  # type: ignore[misc]
            )
        )
    for kind in KINDS:
        claims.append(
            _count_claim(
                f"{kind}: many components are active with skips",
                "many",
                f"at least {MANY} of ten reach half of the strongest's |Δa|, in the whole 95 % interval",
                of_kind(purities["with skips"], kind),
                lambda p: p.active.low >= MANY,
            )
        )
    return claims


def control_claim(purities: Purities) -> Claim:
    latent, fields = purities["without skips"], purities["displacement fields"]
    return _spread_claim(
        "known motions spread over more components of displacement fields than of the latent space",
        "said of the control as a whole",
        "the participation ratio's interval lies above the latent space's",
        {name: (fields[name], latent[name]) for name in latent},
    )


def readable_claim(purities: Purities) -> Claim:
    plain, readable = purities["without skips"], purities["readable"]
    return _spread_claim(
        "beyond the paper: the readable basis is purer than PCA's",
        "not in the paper",
        "PCA's participation ratio's interval lies above the readable basis'",
        {name: (plain[name], readable[name]) for name in plain},
    )


def lung_claims() -> list[Claim]:
    values = {
        "lung Dice unregistered, without skips, with skips": "0.74 ± 0.14, 0.90 ± 0.04, 0.92 ± 0.02",
        "lung: variance explained by 4 and by 32 components": "42 %, 95 %",
    }
    return [Claim(claim, paper, "—", "—", PRIVATE, "—") for claim, paper in values.items()]


def of_kind(purities: dict[str, Purity], kind: str) -> dict[str, Purity]:
    return {name: purity for name, purity in purities.items() if name.startswith(kind)}


def verdict_by_motion(holds: dict[str, bool]) -> str:
    """Of several motions, and of which where it is not all."""
    if all(holds.values()) or not any(holds.values()):
        return verdict_of(all(holds.values()))
    return "holds only for " + ", ".join(name for name, one in holds.items() if one)


def _count_claim(
    claim: str, paper: str, criterion: str, purities: dict[str, Purity], holds: Callable[[Purity], bool]
) -> Claim:
    ours = "; ".join(
        f"{name}: {p.active.value:.0f} [{p.active.low:.0f}, {p.active.high:.0f}] active, strongest's "
        f"share {p.strongest_share.value:.2f}, participation ratio {p.participation_ratio.value:.1f}"
        for name, p in purities.items()
    )
    verdict = verdict_by_motion({name: holds(p) for name, p in purities.items()})
    return Claim(claim, paper, ours, criterion, verdict, "known-motions")


def _spread_claim(claim: str, paper: str, criterion: str, pairs: dict[str, tuple[Purity, Purity]]) -> Claim:
    """Whether the first of each pair spreads more than the second."""
    ratios = {name: [p.participation_ratio for p in pair] for name, pair in pairs.items()}
    ours = "; ".join(f"{name}: {more.value:.1f} against {less.value:.1f}" for name, (more, less) in ratios.items())
    verdict = verdict_by_motion({name: more.low > less.high for name, (more, less) in ratios.items()})
    return Claim(claim, paper, ours, criterion, verdict, "known-motions")
