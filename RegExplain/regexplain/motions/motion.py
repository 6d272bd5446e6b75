"""What a displacement field does as a whole, in numbers and in a radiologist's words.

Points and vectors are LPS millimetres: +x towards the patient's left, +y posterior, +z superior. LPS is right-handed:
a positive turn about +S takes left to posterior, and so anterior to left. A displacement is a pull-back, from a point
of the fixed image to where its tissue lies in the moving one (docs/decisions/0001). An arrow shows just that, and the
words here say what arrows show: "turns anterior towards left" is arrows that point to the left in front; "grows" is
arrows that point outwards, as the tissue is larger in the moving image. An outline *warped* by the field goes the other
way: it is the moving image's, brought back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

AXES = ("left–right", "anterior–posterior", "superior–inferior")
TOWARDS = (("right", "left"), ("anterior", "posterior"), ("inferior", "superior"))  # against and along +x, +y, +z
# Nod, tilt and turn: the end that a turn about each axis is named by, and where a negative and a positive turn take it.
TURNS = (("anterior", "superior", "inferior"), ("superior", "right", "left"), ("anterior", "right", "left"))
SHEARS = {
    (0, 1): ("anterior", "left", "right"),
    (0, 2): ("superior", "right", "left"),
    (1, 2): ("superior", "anterior", "posterior"),
}
STILL_MM = 0.005  # what moves less is said hardly to move
NAMED_SHARE = 0.25  # of the motion: from here on, a kind of it belongs to its name
MENTIONED_SHARE = 0.02  # … and to its sentence
DOMINANT_SHARE = 0.5  # of the largest part of a vector: smaller ones are not named
ROUNDING = 1e-9
UNIFORM_SHARE = 0.8  # of a stretch, from which it counts as one zoom
MAX_STRETCHES = 2  # of three zooms and three shears
HALF_TURN_DEG = 179.999
OBLIQUE_DEG = 5.0  # from an anatomical axis, below which that axis is named without more
UNEVEN_RATIO = 1.2  # one place bends more than the others when its root mean square is this many times theirs


@dataclass(frozen=True, eq=False)
class Motion:
    """The affine motion nearest to a displacement field, p → centroid + R S (p − centroid) + translation.

    rotation R and stretch S, (3, 3) each: the polar factors (S symmetric: zooms along L, P, S on its diagonal, shears
    off it; R up to 180°). shares: of the field's mean square, summing to 1 (all 0 for no motion), of `translation`,
    `rotation`, `stretch` and `bending`, which is what no affine motion explains. Translation, linear part and bending
    are orthogonal, so their shares are exact; R and S divide the linear part as the mean squares of R − I and
    R (S − I), "first turned, then stretched along the turned axes". rms_mm: root mean square of the field, bending_mm:
    of its bending. bending_place: where that is strongest ("segment 1", "the anterior half"), None where no place is.
    """

    centroid_mm: np.ndarray
    translation_mm: np.ndarray
    rotation: np.ndarray
    stretch: np.ndarray
    shares: dict[str, float]
    rms_mm: float
    bending_mm: float
    bending_place: str | None = None

    @property
    def rotation_vector_deg(self) -> np.ndarray:
        """(3,): the axis by the right-hand rule in LPS, as long as the angle in degrees."""
        r = self.rotation
        sine = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]) / 2
        length = np.linalg.norm(sine)
        angle = np.degrees(np.arctan2(length, (np.trace(r) - 1) / 2))
        if angle > HALF_TURN_DEG:  # the sine vanishes, but not the axis
            axis = (r + np.eye(3))[:, np.diag(r).argmax()]
            return axis / np.linalg.norm(axis) * angle * (-1 if axis @ sine < 0 else 1)
        return sine / length * angle if length else np.zeros(3)

    @property
    def rotation_deg(self) -> float:
        return float(np.linalg.norm(self.rotation_vector_deg))

    def displacement(self, points_mm: np.ndarray) -> np.ndarray:
        """(N, 3) mm: the affine motion alone at (N, 3) points."""
        return affine_displacement(self.rotation @ self.stretch, self.translation_mm, points_mm - self.centroid_mm)

    @property
    def record(self) -> dict[str, Any]:
        return {
            "rms_mm": self.rms_mm,
            "shares": self.shares,
            "centroid_mm": self.centroid_mm.tolist(),
            "translation_mm": self.translation_mm.tolist(),
            "rotation_vector_deg": self.rotation_vector_deg.tolist(),
            "stretch": self.stretch.tolist(),
            "bending_mm": self.bending_mm,
            "bending_place": self.bending_place,
        }

    def name(self, per: str = "") -> str:
        """A few words for a list: "turns anterior towards left by 3.1° per SD" with `per` "SD"."""
        if self.rms_mm < STILL_MM:
            return "hardly moves"
        return ", ".join(self._phrase(kind) for kind in self._strongest(NAMED_SHARE)) + (f" per {per}" if per else "")

    def describe(self, per: str = "") -> str:
        """The sentence: each kind of motion with its size and share of the mean square, and where the rest bends."""
        if self.rms_mm < STILL_MM:
            return "Tissue hardly moves."
        kinds = [kind for kind in self._strongest(MENTIONED_SHARE) if kind != "bending"] or ["bending"]
        about = {"rotation": f" about {self._axis()}"} if "rotation" in kinds else {}
        phrases = [f"{self._phrase(kind)}{about.get(kind, '')} ({percent(self.shares[kind])})" for kind in kinds]
        phrases[0] = phrases[0].removesuffix(")") + " of the motion)"
        rest, share = "", self.shares["bending"]
        if kinds != ["bending"] and share >= MENTIONED_SHARE:
            rest = f"; the rest ({percent(share)}) {self._phrase('bending')}"
        if share >= MENTIONED_SHARE and self.bending_place:
            rest += f", most in {self.bending_place}"
        return (
            f"From the fixed to the moving image{f', per {per},' if per else ''} tissue {join_phrases(phrases)}{rest}."
        )

    @property
    def phrases(self) -> dict[str, str | None]:
        """A phrase for each kind of motion, however small its share; None for one that hardly moves anything."""
        sizes = {kind: self.rms_mm * float(np.sqrt(share)) for kind, share in self.shares.items()}
        return {kind: self._phrase(kind) if size >= STILL_MM else None for kind, size in sizes.items()}

    def _strongest(self, least: float) -> list[str]:
        """The kinds with that share, at least the one with the largest, by falling share."""
        least = min(least, max(self.shares.values()))
        return sorted((k for k, share in self.shares.items() if share >= least), key=lambda k: -self.shares[k])

    def _phrase(self, kind: str) -> str:
        if kind == "translation":
            towards = join_phrases(directions(self.translation_mm))
            return f"moves {format_amount(float(np.linalg.norm(self.translation_mm)))} mm towards {towards}"
        if kind == "rotation":
            return f"turns {join_phrases(turns(self.rotation_vector_deg))} by {format_amount(self.rotation_deg)}°"
        if kind == "stretch":
            return join_phrases(stretches(self.stretch - np.eye(3)))
        return f"bends by {format_amount(self.bending_mm)} mm"

    def _axis(self) -> str:
        """The anatomical axis of the rotation, or how far it is off the nearest."""
        vector = np.abs(self.rotation_vector_deg)
        nearest = int(vector.argmax())
        off = np.degrees(np.arccos(min(1.0, vector[nearest] / np.linalg.norm(vector))))
        return f"the {AXES[nearest]} axis" if off < OBLIQUE_DEG else f"an axis {off:.0f}° off the {AXES[nearest]} one"


def fit_motion(
    displacement_mm: np.ndarray,
    points_mm: np.ndarray,
    weights: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> Motion:
    """The weighted least-squares affine motion of (N, 3) displacements at (N, 3) points about their weighted centroid.

    weights (N,), not negative, by default equal. labels (N,): segments, to tell where the rest bends; by default, or
    with fewer than two, halves of the anatomy. Points in one plane or line fix only what happens within it.
    Raises ValueError without a point of positive weight.
    """
    u, p = np.asarray(displacement_mm, float), np.asarray(points_mm, float)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, float)
    if not w.sum() > 0:
        raise ValueError("A motion needs at least one point of positive weight.")
    w = w / w.sum()
    centroid, translation = w @ p, w @ u
    x = p - centroid
    spread = (x * w[:, None]).T @ x
    slope = (u - translation).T @ (x * w[:, None]) @ np.linalg.pinv(spread, rcond=1e-10, hermitian=True)
    rotation, stretch = polar_decomposition(np.eye(3) + slope)
    rest = u - affine_displacement(np.eye(3) + slope, translation, x)
    squares = {
        "translation": float(translation @ translation),
        "linear": max(0.0, float(np.trace(slope @ spread @ slope.T))),
        "bending": float(w @ (rest**2).sum(1)),
    }
    total = sum(squares.values())
    bending = float(np.sqrt(squares["bending"]))
    place = strongest_place(np.sqrt((rest**2).sum(1)), x, w, labels) if bending >= STILL_MM else None
    return Motion(
        centroid,
        translation,
        rotation,
        stretch,
        _shares(squares, total, rotation, stretch, spread),
        float(np.sqrt(total)),
        bending,
        place,
    )


def affine_displacement(matrix: np.ndarray, translation: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(N, 3): where p = centroid + offset goes under p → centroid + matrix · offset + translation, less p."""
    return offsets @ (matrix - np.eye(3)).T + translation


def polar_decomposition(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) = R S with R a rotation (det +1, also for a matrix that mirrors) and S symmetric."""
    u, s, vt = np.linalg.svd(matrix)
    s[2] *= (sign := np.sign(np.linalg.det(u @ vt)))
    u[:, 2] *= sign
    return u @ vt, vt.T @ (s[:, None] * vt)


def _shares(
    squares: dict[str, float], total: float, rotation: np.ndarray, stretch: np.ndarray, spread: np.ndarray
) -> dict[str, float]:
    turned = rotation - np.eye(3)
    stretched = rotation @ (stretch - np.eye(3))
    turn, zoom = (float(np.trace(part @ spread @ part.T)) for part in (turned, stretched))
    turn_share = turn / (turn + zoom) if turn + zoom else 0.0
    parts = {
        "translation": squares["translation"],
        "rotation": squares["linear"] * turn_share,
        "stretch": squares["linear"] * (1 - turn_share),
        "bending": squares["bending"],
    }
    return {kind: part / total if total else 0.0 for kind, part in parts.items()}


def strongest_place(
    lengths: np.ndarray, offsets: np.ndarray, weights: np.ndarray, labels: np.ndarray | None = None
) -> str | None:
    """The segment, or the half along an anatomical axis, with the largest root mean square of `lengths` (N,).

    None where it is not UNEVEN_RATIO times that of every other segment, or of the other half.
    """

    def level(where: np.ndarray) -> float:
        weight = weights[where].sum()
        return float(np.sqrt(weights[where] @ lengths[where] ** 2 / weight)) if weight else 0.0

    segments = [] if labels is None else np.unique(labels[labels > 0]).tolist()
    if len(segments) > 1:
        groups = [{f"segment {label:.0f}": level(labels == label) for label in segments}]
    else:
        sides = [(offsets[:, axis] < 0, offsets[:, axis] > 0) for axis in range(3)]
        groups = [
            {f"the {name} half": level(side) for name, side in zip(names, pair, strict=True)}
            for names, pair in zip(TOWARDS, sides, strict=True)
        ]
    best: tuple[float, str | None] = (UNEVEN_RATIO, None)
    for group in groups:
        (second, _), (first, name) = sorted((value, name) for name, value in group.items())[-2:]
        ratio = first / second if second else np.inf if first else 0.0
        best = max(best, (ratio, name), key=lambda found: found[0])
    return best[1]


# Words ---------------------------------------------------------------------------------------------------------------


def dominant(values: Sequence[float] | np.ndarray) -> list[int]:
    """Where the values are that tell: the largest in size, and those at least half as large; largest first."""
    sizes = np.abs(values)
    least = DOMINANT_SHARE * sizes.max() * (1 - ROUNDING)
    return [int(i) for i in np.argsort(-sizes, kind="stable") if sizes[i] >= least and sizes[i] > 0]


def directions(vector: np.ndarray) -> list[str]:
    """The anatomical directions that an LPS vector points to, the strongest first."""
    return [TOWARDS[i][int(vector[i] > 0)] for i in dominant(vector)]


def turns(vector: np.ndarray) -> list[str]:
    """Which end goes where under a rotation vector (LPS, right-hand rule), the strongest first."""
    phrases = []
    for i in dominant(vector):
        end, negative, positive = TURNS[i]
        phrases.append(f"{end} towards {positive if vector[i] > 0 else negative}")
    return phrases


def stretches(strain: np.ndarray) -> list[str]:
    """What S − I does: one zoom, or the strongest of its zooms along the anatomical axes and shears between them.

    A shear is named by one of its two sides: the end that leans and where to, with the angle it leans by.
    """
    zooms = np.diag(strain)
    if 3 * zooms.mean() ** 2 >= UNIFORM_SHARE * (strain**2).sum():
        return [f"{zoom_phrase(zooms.mean(), 'grows')} in every direction"]
    pairs = list(SHEARS)
    parts = [*zooms, *(strain[pair] for pair in pairs)]
    phrases = []
    for i in dominant([*zooms, *(np.sqrt(2) * strain[pair] for pair in pairs)])[:MAX_STRETCHES]:
        if i < 3:
            phrases.append(f"{zoom_phrase(parts[i], 'stretches')} along {AXES[i]}")
        else:
            end, negative, positive = SHEARS[pairs[i - 3]]
            towards = positive if parts[i] > 0 else negative
            phrases.append(f"shears {end} towards {towards} by {format_amount(float(np.degrees(abs(parts[i]))))}°")
    return phrases


def zoom_phrase(strain: float, verb: str) -> str:
    return f"{verb if strain > 0 else 'shrinks'} by {format_amount(100 * abs(strain))} %"


def format_amount(value: float) -> str:
    """One decimal; a second where the first would say nothing."""
    return f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def join_phrases(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
