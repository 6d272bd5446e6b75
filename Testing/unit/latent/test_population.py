"""Where a volume stands in its training population, on populations whose law is known."""

import numpy as np
import pytest

from regexplain.latent.components import LatentComponents
from regexplain.latent.population import Population, calibrate, cross_validated

SIZE, CASES = 300, 190
SPREAD = 8.0 * 0.9 ** np.arange(SIZE)  # standard deviation of each latent number: a few long axes, many short ones


def drawn(count: int, seed: int, spread=SPREAD) -> np.ndarray:
    return 3 + np.random.default_rng(seed).normal(size=(count, SIZE)) * spread


@pytest.fixture(scope="module")
def populations() -> list[Population]:
    """The same law, trained on other cases each time: a rate is a statement about many trainings."""
    found = []
    for seed in range(10):
        encodings = drawn(CASES, seed)
        found.append(Population.of(calibrate(LatentComponents.fit(encodings), encodings)))
    return found


@pytest.fixture
def population(populations) -> Population:
    return populations[0]


@pytest.fixture(scope="module")
def held_out(populations) -> list:
    return [p.score(x) for seed, p in enumerate(populations) for x in drawn(300, 100 + seed)]


@pytest.mark.parametrize("measure", ["mahalanobis", "residual"])
def test_percentiles_of_new_cases_are_uniform(held_out, measure):
    percentiles = np.sort([getattr(score, f"{measure}_percentile") for score in held_out])
    expected = (np.arange(len(percentiles)) + 0.5) / len(percentiles) * 100
    assert np.abs(percentiles - expected).max() < 6


def test_new_cases_of_the_same_kind_alarm_no_more_often_than_stated(held_out):
    rate = np.mean([score.atypical for score in held_out])
    assert 0.002 < rate <= 0.02


def test_distances_without_cross_validation_would_make_new_cases_look_odd(populations, held_out):
    """Why the training cases are measured by components that were fitted without them."""
    naive = [p.score(x).residual for seed, p in enumerate(populations) for x in drawn(CASES, seed)]
    new = np.median([score.residual for score in held_out])
    assert np.median(naive) < 0.9 * new
    assert np.median([p.residual for p in populations]) == pytest.approx(new, rel=0.05)


def test_a_volume_far_along_the_components_is_extreme(population):
    far = population.components.mean + population.components.direction(1, 9.0)
    score = population.score(far)
    assert score.atypical and score.mahalanobis == pytest.approx(9.0)
    assert score.residual == pytest.approx(0, abs=1e-9)
    assert score.reason == "its shape or position is more extreme than theirs"


def test_a_volume_off_the_components_shows_something_else(population):
    off = np.random.default_rng(5).normal(size=SIZE)
    off -= off @ population.components.basis.T @ population.components.basis
    score = population.score(population.components.mean + 3 * population.residual.max() * off / np.linalg.norm(off))
    assert score.atypical and score.mahalanobis == pytest.approx(0, abs=1e-9)
    assert score.residual == pytest.approx(3 * population.residual.max())
    assert score.reason == "it shows something that they do not"


def test_the_middle_of_the_population_is_typical(population):
    score = population.score(population.components.mean)
    assert not score.atypical and score.reason == ""
    assert score.mahalanobis_percentile == score.residual_percentile == 0


def test_a_percentile_counts_the_training_cases_below(population):
    distances = np.sort(population.mahalanobis)
    between = (distances[93] + distances[94]) / 2
    score = population.score(population.components.mean + population.components.direction(0, between))
    assert score.mahalanobis_percentile == pytest.approx(100 * 94 / 191)


def test_the_least_of_the_components_count_as_residual():
    """Along them any rounding would be many standard deviations."""
    encodings = drawn(CASES, 0, spread=np.concatenate([[5.0, 4.0, 3.0], np.full(SIZE - 3, 1e-3)]))
    population = Population.of(calibrate(LatentComponents.fit(encodings), encodings))
    slightly_off = population.components.mean + population.components.direction(20, 30.0)
    score = population.score(slightly_off)
    assert score.mahalanobis == pytest.approx(0, abs=1e-9)
    assert score.residual == pytest.approx(30 * population.components.sd[20])
    assert abs(score.coordinates_sd[20]) == pytest.approx(30)


def test_few_training_cases_never_alarm():
    encodings = drawn(98, 0)
    population = Population.of(calibrate(LatentComponents.fit(encodings), encodings))
    assert not population.score(population.components.mean + 1000).atypical


def test_cross_validation_by_inner_products_is_that_by_refitting():
    encodings, folds = drawn(24, 3), 6
    mahalanobis, residual = cross_validated(encodings @ encodings.T, 5, folds)
    for fold in np.split(np.arange(24), folds):
        without = Population(LatentComponents.fit(np.delete(encodings, fold, 0), 5), np.zeros(1), np.zeros(1))
        scores = [without.score(x) for x in encodings[fold]]
        assert np.allclose(mahalanobis[fold], [s.mahalanobis for s in scores])
        assert np.allclose(residual[fold], [s.residual for s in scores])


def test_a_population_survives_saving(population, tmp_path):
    """As 8 bits leave a basis of 300 numbers; errors average out over the hundred times as many of a real one."""
    population.components.save(tmp_path / "c.safetensors")
    loaded = Population.of(LatentComponents.load(tmp_path / "c.safetensors"))
    for case in drawn(20, 9):
        ours, theirs = population.score(case), loaded.score(case)
        assert theirs.mahalanobis == pytest.approx(ours.mahalanobis, rel=0.02)
        assert theirs.residual == pytest.approx(ours.residual, rel=0.02)
        assert theirs.residual_percentile == pytest.approx(ours.residual_percentile, abs=3)


def test_components_that_were_not_calibrated_have_no_population():
    assert Population.of(LatentComponents.fit(drawn(20, 0))) is None
