"""Every claim of ExFIRE beside what was measured, judged by its interval over the pairs.

holds           the whole 95 % interval lies on the side that the claim says
does not hold   the whole interval lies on the other side
not shown       the interval reaches over, or the pairs are too few
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from ..claim import Claim
from ..measures import Estimate, mean_of, rank_correlation_over
from ..sections import Row
from .complementarity import gain_over_one_modality
from .faithfulness import EDGES, JUDGED, RANDOM, gain
from .homogeneity import correlated
from .observations import METHODS, STAGES
from .ordinary import ORDINARY, SHUFFLED
from .pointing import ANSWER, DIFFERENCE, HIT_MM, ITSELF, TRUSTED, hits
from .randomisation import LAST_OF_G
from .run import MIN_PAIRS, column, difference, estimate

HOLDS, FAILS, OPEN = "holds", "does not hold", "not shown"
CONSISTENT_MM = 0.1
UNRELATED = 0.2  # correlation below which a map is another one
STABLE, STABLE_NOISE = 0.9, 0.02
STRENGTHS = ((0.7, "strong"), (0.4, "moderate"), (0.2, "weak"), (0.0, "negligible"))
RIVALS = {RANDOM: "random cells", EDGES: "edges"}
READ = "read off pictures"
OURS = "not in the paper"


@dataclass(frozen=True)
class Measurements:
    """All rows of the run, by experiment."""

    ordinary: list[Row]
    degraded: list[Row]
    random: list[Row]
    ablation: list[Row]
    syntheses: list[Row]
    areas: list[Row]
    bumps: list[Row]


def all_claims(measured: Measurements) -> list[Claim]:
    claims = []
    for method in METHODS:
        claims += complementarity_claims(measured, method)
    claims += ablation_claims(measured)
    for method in METHODS:
        claims += symmetry_claims(measured, method)
    claims += consistency_claims(measured)
    for method in METHODS:
        claims += homogeneity_claims(measured, method)
    for method in METHODS:
        claims += faithfulness_claims(measured, method)
    return claims


def complementarity_claims(measured: Measurements, method: str) -> list[Claim]:
    claims = []
    for name, words in (("complementarity", "correlation of sizes"), ("top_overlap", "Dice of the top fifths")):
        column_name = f"{name}_{method}"
        value = estimate(measured.ordinary, column_name, kind=ORDINARY)
        shuffled = estimate(measured.ordinary, column_name, kind=SHUFFLED)
        less = gain_over_one_modality(measured.ordinary, column_name)
        claims.append(
            Claim(
                f"1. G's maps of T1 and FLAIR are complementary: {words}, {method}",
                READ,
                f"{value.text()}; one modality: {less.text()} more; shuffled pairs: {shuffled.text()}",
                "the streams of one modality with the same motion agree more, in the whole interval of the difference",
                verdict_above(less, 0.0),
                "complementarity, pairs",
            )
        )
    return claims


def ablation_claims(measured: Measurements) -> list[Claim]:
    claims = []
    kinds = {"level": "levels", "channels": "groups of channels", "self-similarity": "what is handed on beside them"}
    for kind, words in kinds.items():
        parts = [p for p in dict.fromkeys(column(measured.ablation, "off")) if str(p).startswith(kind)]
        losses = {str(part): estimate(measured.ablation, "error_more_mm", off=part) for part in parts}
        verdicts = {part: verdict_above(loss, 0.0) for part, loss in losses.items()}
        needed = [part for part, verdict in verdicts.items() if verdict == HOLDS]
        whole = HOLDS if len(needed) == len(parts) else FAILS if FAILS in verdicts.values() else OPEN
        few = f" ({len(needed)} of {len(parts)})" if needed and len(needed) < len(parts) else ""
        claims.append(
            Claim(
                f"1. Every part of G contributes: {words}",
                "asked for by its readers",
                "; ".join(f"{part} off: {loss.text(' mm')} more error" for part, loss in losses.items()),
                "without any one of them the error is larger, in the whole interval",
                whole + few,
                "ablation",
            )
        )
    return claims


def symmetry_claims(measured: Measurements, method: str) -> list[Claim]:
    name = f"symmetry_{method}"
    value = estimate(measured.ordinary, name, kind=ORDINARY)
    over = difference(measured.ordinary, name, {"kind": ORDINARY}, {"kind": SHUFFLED})
    random = estimate(measured.random, name, step=LAST_OF_G)
    verdict = verdict_above(over, 0.0)
    signed = estimate(measured.ordinary, f"directions_signed_{method}", kind=ORDINARY)
    agreement = Claim(
        f"2. T's maps of both directions agree, {method}",
        READ,
        f"correlation of sizes {value.text()}; with signs: {signed.text()}; over shuffled pairs: {over.text()} more; "
        f"random weights: {random.text()}",
        "they agree more than the directions of two different pairs, in the whole interval of the difference",
        verdict + (strength(value) if verdict != OPEN else ""),
        "symmetry, pairs",
    )
    rows = measured.degraded
    pairs, error = column(rows, "pair"), column(rows, "error_mm")
    tells = rank_correlation_over(pairs, column(rows, name), error)
    with_mm = rank_correlation_over(pairs, column(rows, name), column(rows, "disagreement_mm"))
    return [
        agreement,
        correlation_claim(
            f"2. Asymmetric maps go with lost inverse consistency, {method}", "a failure signature", with_mm, -1
        ),
        correlation_claim(f"2. Asymmetric maps go with registration error, {method}", "implied", tells, -1),
    ]


def consistency_claims(measured: Measurements) -> list[Claim]:
    exact = estimate(measured.ordinary, "inverse_consistency_mm", kind=ORDINARY)
    orders = estimate(measured.ordinary, "two_orders_mm", kind=ORDINARY)
    rows = measured.degraded
    claims = [
        Claim(
            "2. The transformation is inverse consistent",
            "a penalty",
            f"{exact.text(' mm')} by construction; {orders.text(' mm')} of T's two orders taken as two registrations",
            f"at most {CONSISTENT_MM:g} mm on average, in the whole interval",
            verdict_above(below(exact, CONSISTENT_MM), 0.0),
            "inverse-consistency",
        )
    ]
    for name in ("disagreement_mm", "two_orders_mm"):
        tells = rank_correlation_over(column(rows, "pair"), column(rows, name), column(rows, "error_mm"))
        words = (
            "disagreement of T's two orders" if name == "disagreement_mm" else "inverse consistency error of T's orders"
        )
        claims.append(
            correlation_claim(f"2. The {words} goes with registration error", "a failure signature", tells, 1)
        )
    return claims


def homogeneity_claims(measured: Measurements, method: str) -> list[Claim]:
    name = f"divergence_{method}"
    value = estimate(measured.ordinary, name, kind=ORDINARY)
    less = difference(measured.ordinary, name, {"kind": SHUFFLED}, {"kind": ORDINARY})
    same = Claim(
        f"3. D's maps of real and synthesised images are homogeneous, {method}",
        READ,
        f"divergence {value.text()}; real images of two heads: {less.text()} more",
        "they are more alike than D's maps of two heads' real images, in the whole interval of the difference",
        verdict_above(less, 0.0),
        "homogeneity, pairs",
    )
    grows = correlated(measured.syntheses, name, "step")["within pairs"]
    tells = correlated(measured.syntheses, name, "error_mm")["all"]
    rows = measured.degraded
    inputs = rank_correlation_over(column(rows, "pair"), column(rows, name), column(rows, "error_mm"))
    return [
        same,
        correlation_claim(
            f"3. Worse syntheses have less homogeneous maps, {method}",
            "a failure signature",
            grows,
            1,
            "synthesis-correlations",
        ),
        correlation_claim(
            f"3. Less homogeneous maps go with registration error by that synthesis, {method}",
            "implied",
            tells,
            1,
            "synthesis-correlations",
        ),
        correlation_claim(
            f"3. Less homogeneous maps go with registration error of worse pairs, {method}", "implied", inputs, 1
        ),
    ]


def faithfulness_claims(measured: Measurements, method: str) -> list[Claim]:
    claims = []
    for kind in ("deletion", "insertion"):
        for over in (RANDOM, EDGES):
            better = gain(measured.areas, method, over, f"{kind}_{JUDGED}")
            claims.append(
                Claim(
                    f"4. {kind.capitalize()} finds what counts sooner than {RIVALS[over]}, {method}",
                    OURS,
                    f"area gained {better.text()}",
                    "the gain is above 0, in the whole interval",
                    verdict_above(better, 0.0),
                    "gains",
                )
            )
    similarity = randomisation_similarity(measured.random, method)
    claims.append(
        Claim(
            f"4. Maps come from what was learnt, {method}",
            OURS,
            f"|correlation| with the maps of a network whose G and T are random: {similarity.text()}",
            f"below {UNRELATED:g}, in the whole interval",
            verdict_above(below(similarity, UNRELATED), 0.0),
            "random-weights-summary",
        )
    )
    stable = estimate(measured.degraded, f"kept_{method}", kind="noise", strength=STABLE_NOISE)
    claims.append(
        Claim(
            f"4. Maps are stable under noise, {method}",
            OURS,
            f"correlation with the maps without noise: {stable.text()}",
            f"at least {STABLE:g} at a noise of {STABLE_NOISE:g} of the brightest, in the whole interval",
            verdict_above(above(stable, STABLE), 0.0),
            "degraded",
        )
    )
    return [*claims, *(pointing_claim(measured, method, looked) for looked in (ITSELF, DIFFERENCE))]


def randomisation_similarity(random: list[Row], method: str) -> Estimate:
    """With G and T random; a map of the opposite sign shows the same places, so signs do not count."""
    rows = [row for row in random if row["step"] == LAST_OF_G]
    return mean_of([sum(abs(row[f"kept_{method} {stage}"]) for stage in STAGES) / len(STAGES) for row in rows])


def pointing_claim(measured: Measurements, method: str, looked_at: str) -> Claim:
    by_stage = {stage: hits(measured.bumps, method, stage, looked_at) for stage in STAGES}
    answer = hits(measured.bumps, ANSWER, "", looked_at)
    trusted = [stage for stage, one in by_stage.items() if one.value >= TRUSTED]
    verdict = f"{FAILS}: not to be trusted for this"
    if trusted:
        verdict = HOLDS if len(trusted) == len(by_stage) else f"holds only for {', '.join(trusted)}"
    words = "The map" if looked_at == ITSELF else "The difference from the map without it"
    return Claim(
        f"4. {words} points at a bump, {method}",
        OURS,
        "; ".join(f"{stage}: {one.value:.0%}" for stage, one in by_stage.items())
        + f"; the displacement itself: {answer.value:.0%} of {answer.pairs} bumps",
        f"the largest |value| lies within {HIT_MM:g} mm of the bump's centre in at least {TRUSTED:.0%} of the cases",
        verdict,
        "pointing",
    )


def correlation_claim(claim: str, paper: str, value: Estimate, sign: int, table: str = "correlations") -> Claim:
    """That a rank correlation has this sign."""
    expected = "above" if sign > 0 else "below"
    turned = value if sign > 0 else Estimate(-value.value, -value.high, -value.low, value.pairs)
    verdict = verdict_above(turned, 0.0)
    return Claim(
        claim,
        paper,
        f"rank correlation {value.text()}",
        f"{expected} 0, in the whole interval over the pairs",
        verdict + (strength(value) if verdict != OPEN else ""),
        table,
    )


def verdict_above(value: Estimate, threshold: float) -> str:
    """Whether a value is above the threshold."""
    if value.pairs < MIN_PAIRS or isnan(value.value):
        return OPEN
    return HOLDS if value.low > threshold else FAILS if value.high <= threshold else OPEN


def strength(value: Estimate) -> str:
    """Of a correlation, in words."""
    return next((f" ({word})" for least, word in STRENGTHS if abs(value.value) >= least), "")


def above(value: Estimate, threshold: float) -> Estimate:
    return Estimate(value.value - threshold, value.low - threshold, value.high - threshold, value.pairs)


def below(value: Estimate, threshold: float) -> Estimate:
    return Estimate(threshold - value.value, threshold - value.high, threshold - value.low, value.pairs)
