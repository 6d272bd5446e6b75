"""What the study of made torsos says of components whose motion is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from regexplain.errors import BadInputError
from regexplain.studies.latent_space import second_anatomy
from regexplain.studies.latent_space.second_anatomy import breathing_claim, correlations, read_parameters


def rows(*amplitudes: float) -> list[dict]:
    return [{"cases": "training", "component": k + 1, "amplitude_mm": r} for k, r in enumerate(amplitudes)]


@pytest.mark.parametrize(("first", "second", "verdict"), [(-0.95, 0.1, "holds"), (0.2, 0.9, "does not hold")])
def test_the_first_component_is_the_breathing_where_it_goes_best_with_it_whatever_its_sign(first, second, verdict):
    known = np.linspace(0, 40, 20)
    noise = np.random.default_rng(0).normal(size=20)
    claim = breathing_claim(rows(first, second), np.stack([-known + noise, known + noise], -1), known)
    assert claim.verdict == verdict and "|r| = 1.00" in claim.ours


def test_a_component_that_does_not_hold_on_validation_cases_is_not_the_breathing():
    known = np.linspace(0, 40, 20)
    noise = np.random.default_rng(0).normal(size=(20, 2))
    assert breathing_claim(rows(0.9, 0.1), noise, known).verdict == "does not hold"


def test_correlations_are_of_each_case_with_its_own_number(tmp_path):
    file = tmp_path / "parameters.csv"
    file.write_text("case,amplitude_mm,width\n2,30,1\n1,10,2\n3,20,5\n", encoding="utf-8")
    cases = [SimpleNamespace(number=number) for number in (1, 2, 3)]
    found = correlations(np.array([1.0, 3.0, 2.0]), cases, read_parameters(file))
    assert found["amplitude_mm"] == pytest.approx(1) and abs(found["width"]) < 0.8


def test_missing_parameters_are_said_and_how_to_make_them(tmp_path):
    with pytest.raises(BadInputError, match=r"breathing_torsos"):
        read_parameters(tmp_path / second_anatomy.PARAMETERS)
