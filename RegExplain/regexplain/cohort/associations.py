"""Whether scores go with a column of the table: permutation tests, by SciPy and nilearn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MIN_PAIRS = 3  # pairs in a group
MAX_GROUPS = 12
BATCH_SIZE = 500  # permutations at once


class Column:
    """A column of the table, as numbers or groups. known (N,) bool: the pairs that have a value."""

    def __init__(self, name: str, values: Sequence[str]):
        self.name = name
        self.valid = np.array([value not in ("", "n/a") for value in values])
        present = [value for value, valid in zip(values, self.valid, strict=True) if valid]
        self.groups = sorted(set(present))
        self.numbers: np.ndarray | None = None
        try:
            if len(self.groups) > 2:
                self.numbers = np.array(present, float)
        except ValueError:
            pass
        self.labels = np.array([self.groups.index(value) for value in present])

    @property
    def usable(self) -> bool:
        """Numbers that differ, or groups of MIN_PAIRS pairs at least."""
        if self.numbers is not None:
            return len(self.numbers) >= 2 * MIN_PAIRS
        sizes = np.bincount(self.labels) if len(self.labels) else np.array([0])
        return 2 <= len(sizes) <= MAX_GROUPS and int(sizes.min()) >= MIN_PAIRS

    @property
    def tested(self) -> np.ndarray | None:
        """(M,): one number a known pair, of two groups 0 and 1; None of more groups."""
        if self.numbers is not None:
            return self.numbers
        return self.labels.astype(float) if len(self.groups) == 2 else None


def associations(scores: np.ndarray, column: Column, permutations: int, seed: int) -> list[dict[str, Any]]:
    """A row a component. scores (N, K). Numbers: Pearson's correlation; groups: the F of a one-way analysis of
    variance, and of two the difference of their means. p: of that many permutations; p_corrected: times the K
    components, as Bonferroni does."""
    from scipy import stats

    def correlation(x: np.ndarray, axis: int = -1) -> np.ndarray:
        return stats.pearsonr(x, np.broadcast_to(np.asarray(column.numbers), x.shape), axis=axis).statistic

    def f_statistic(*x: np.ndarray, axis: int = -1) -> np.ndarray:
        return stats.f_oneway(*x, axis=axis).statistic

    rows, valid_scores = [], scores[column.valid]
    for component, values in enumerate(valid_scores.T, start=1):
        options: dict[str, Any] = {"n_resamples": permutations, "batch": BATCH_SIZE, "vectorized": True, "rng": seed}
        row: dict[str, Any] = {"column": column.name, "component": component}
        if column.numbers is not None:
            test = stats.permutation_test((values,), correlation, permutation_type="pairings", **options)
            row |= {"statistic": "correlation", "value": test.statistic}
        else:
            groups = [values[column.labels == label] for label in range(len(column.groups))]
            test = stats.permutation_test(groups, f_statistic, alternative="greater", **options)
            row |= {"statistic": "F", "value": test.statistic}
            if len(groups) == 2:
                difference = groups[1].mean() - groups[0].mean()
                row |= {"statistic": f"{column.groups[1]} - {column.groups[0]} (SD)", "value": difference}
        p = float(test.pvalue)
        rows.append(row | {"p": p, "p_corrected": min(1.0, p * scores.shape[1])})
    return rows


def voxelwise(values: np.ndarray, tested: np.ndarray, permutations: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """t and p (V,) of `values` (M, V) against `tested` (M,), by nilearn's permuted ordinary least squares. p is
    corrected for all voxels: how often the largest |t| of a permutation reaches that one."""
    from nilearn.mass_univariate import permuted_ols

    results = permuted_ols(
        tested[:, None],
        values,
        n_perm=permutations,
        two_sided_test=True,
        random_state=seed,
        n_jobs=1,
        output_type="dict",
    )
    return results["t"][0], 10 ** -results["logp_max_t"][0]
