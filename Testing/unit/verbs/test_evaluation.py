"""`regexplain evaluate`: every pair with every model and number of refine steps, and what is said of them."""

import csv
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

import sample_pair
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.evaluation import PAIR_COLUMNS, SUMMARY_COLUMNS, EvaluationConfig, format_table, summarise

CASES = {"case_001": "fixed", "case_002": "moving"}


@pytest.fixture
def config_file(tmp_path):
    """The sample pair as two cases, so that the pairs are (1, 2) and (2, 1)."""
    for folder, ending in (("images", ""), ("labels", "_segmentation")):
        (tmp_path / folder).mkdir()
        for case, role in CASES.items():
            shutil.copy(sample_pair.file(role + ending), tmp_path / folder / f"{case}.nii.gz")
    return written(tmp_path / "evaluation.json", models=["hippocampus", "hippocampus-skip"])


def written(path, **changed):
    values = {
        "images": "images",
        "segmentations": "labels",
        "first": 1,
        "last": 3,
        "output": "build/rows.csv",
    } | changed
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def rows_of(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def row(**values) -> dict:
    return dict.fromkeys(PAIR_COLUMNS, 0.0) | {"model": "a", "refine": 0} | values


@pytest.mark.slow
def test_every_model_registers_every_pair_and_the_table_and_both_files_say_the_same(config_file):
    done = CliRunner().invoke(main, ["evaluate", str(config_file), "--threads", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    pairs = rows_of(config_file.parent / "build/rows.csv")
    assert tuple(pairs[0]) == PAIR_COLUMNS
    assert [(r["model"], r["refine"], r["fixed"][5:8], r["moving"][5:8]) for r in pairs] == [
        ("hippocampus", "0", "001", "002"),
        ("hippocampus-skip", "0", "001", "002"),
        ("hippocampus", "0", "002", "001"),
        ("hippocampus-skip", "0", "002", "001"),
    ]
    lines = rows_of(config_file.parent / "build/rows-summary.csv")
    assert tuple(lines[0]) == SUMMARY_COLUMNS
    said = [line.split() for line in done.output.splitlines()]
    for line, words in zip(lines, said[1:], strict=True):
        own = [float(r["dice_after"]) for r in pairs if r["model"] == line["model"]]
        assert float(line["dice_after"]) == pytest.approx(np.mean(own))
        assert words[:3] == [line["model"], "0", "2"]
        assert words[6:9] == [f"{np.mean(own):.3f}", "±", f"{np.std(own):.3f}"]


@pytest.mark.ci
@pytest.mark.slow
def test_refine_steps_are_evaluated_beside_the_unrefined_registration(config_file):
    path = written(config_file, models=["hippocampus"], refine=[0, 2])
    done = CliRunner().invoke(main, ["evaluate", str(path), "--threads", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    pairs = rows_of(config_file.parent / "build/rows.csv")
    assert [r["refine"] for r in pairs] == ["0", "2", "0", "2"]
    assert pairs[0]["displacement_mm"] != pairs[1]["displacement_mm"]


def test_pair_k_is_case_k_with_case_n_minus_1_minus_k(config_file):
    names = [(a.name[5:8], b.name[5:8]) for a, b in EvaluationConfig.read(config_file).pairs()]
    assert names == [("001", "002"), ("002", "001")]


def test_the_summary_keeps_models_apart_and_takes_means_of_figures_and_the_median_of_seconds():
    rows = [row(dice_after=d, share_folded=f, seconds=s) for d, f, s in ((0.5, 0, 9), (0.7, 0.2, 1), (0.9, 0.1, 2))]
    lines = summarise([*rows, row(model="b", dice_after=0.25), row(refine=5, dice_after=1.0)])
    assert [(line["model"], line["refine"], line["pairs"]) for line in lines] == [("a", 0, 3), ("b", 0, 1), ("a", 5, 1)]
    assert [line["dice_after"] for line in lines] == pytest.approx([0.7, 0.25, 1.0])
    assert lines[0]["dice_after_sd"] == pytest.approx(np.sqrt(0.08 / 3))
    assert (lines[0]["share_folded"], lines[0]["seconds"]) == (pytest.approx(0.1), 2)


def test_the_tables_columns_stand_under_each_other():
    lines = summarise([row(model="short"), row(model="a-much-longer-name", refine=100, seconds=12.5)])
    printed = format_table(lines).splitlines()
    assert len({len(line) for line in printed}) == 1
    assert printed[2].startswith("a-much-longer-name") and printed[2].endswith("12.50")


def test_a_single_model_may_be_named_without_a_list(config_file):
    config = EvaluationConfig.read(written(config_file, model="hippocampus"))
    assert config.settings() == [("hippocampus", 0)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "its keys are models,"),
        ({"models": []}, '"models" of an evaluation must be'),
        ({"models": "hippocampus"}, '"models" of an evaluation must be'),
        ({"model": "a", "refine": 50}, '"refine" of an evaluation must be'),
        ({"model": "a", "refine": [-1]}, '"refine" of an evaluation must be'),
        ({"model": "a", "refine": [True]}, '"refine" of an evaluation must be'),
        ({"model": "a", "first": 7, "last": 9}, "No cases 7–9 in"),
    ],
)
def test_a_configuration_that_cannot_be_evaluated_is_refused(config_file, changed, words):
    with pytest.raises(BadInputError, match=words):
        EvaluationConfig.read(written(config_file, **changed)).pairs()
