import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regexplain.latent.purity import active, participation_ratio, purity, strongest_share

sizes = st.lists(st.floats(0.01, 100), min_size=2, max_size=12).map(np.array)


@pytest.mark.parametrize(
    "s, share, ratio, count",
    [
        ([3.0, 0.0, 0.0, 0.0], 1.0, 1.0, 1),
        ([2.0, 2.0, 2.0, 2.0], 0.25, 4.0, 4),
        ([1.0, 1.0, 0.0, 0.0], 0.5, 2.0, 2),
        ([4.0, 2.0, 1.0, 1.0], 0.5, 64 / 22, 2),
    ],
)
def test_the_measures_by_hand(s, share, ratio, count):
    s = np.array(s)
    assert strongest_share(s) == pytest.approx(share)
    assert participation_ratio(s) == pytest.approx(ratio)
    assert active(s) == count


@given(sizes, st.floats(0.01, 100))
def test_the_measures_know_no_unit_and_no_order(s, factor):
    for measure in (strongest_share, participation_ratio):
        assert measure(factor * s[::-1]) == pytest.approx(measure(s))
    assert 1 - 1e-9 <= participation_ratio(s) <= len(s) + 1e-9
    assert 1 / len(s) - 1e-9 <= strongest_share(s) <= 1


def test_they_are_of_the_median_over_the_cases_whatever_its_sign():
    changes = np.array([[1.0, -3.0], [-2.0, 3.0], [100.0, 3.0]])  # medians 2 and 3
    found = purity(changes, resamples=50)
    assert found.strongest_share.value == pytest.approx(3 / 5)
    assert found.participation_ratio.value == pytest.approx(25 / 13)
    assert found.active.value == 2


def test_the_interval_is_a_point_where_all_cases_agree():
    found = purity(np.tile([3.0, 1.0, 0.0], (20, 1)), resamples=50)
    for measure in (found.strongest_share, found.participation_ratio, found.active):
        assert measure.low == measure.value == measure.high


def test_the_interval_narrows_with_the_cases_and_holds_the_truth_as_often_as_it_says():
    """The median |Δa| of these components is 2 · 0.6745 and 1 · 0.6745: the truth is a share of 2 / 3."""
    random = np.random.default_rng(0)
    held, widths = 0, {}
    for count in (25, 100):
        trials = [purity(random.normal(size=(count, 2)) * (2, 1), resamples=100, seed=n) for n in range(50)]
        shares = [trial.strongest_share for trial in trials]
        widths[count] = np.mean([share.high - share.low for share in shares])
        held = np.mean([share.low <= 2 / 3 <= share.high for share in shares])
    assert widths[100] < 0.7 * widths[25]
    assert 0.85 <= held <= 1


def test_the_same_seed_gives_the_same_interval():
    changes = np.random.default_rng(0).normal(size=(30, 4))
    assert purity(changes, resamples=100) == purity(changes, resamples=100) != purity(changes, resamples=100, seed=1)


def test_a_motion_that_changes_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing to compare"):
        purity(np.zeros((5, 3)))
