"""One real pair as a worker does it, and the tables and page of a group."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vl_convert")

import sample_pair
from regexplain.cohort.descriptions import describe_columns
from regexplain.cohort.group import mark_outliers, write_group
from regexplain.cohort.page import grouped
from regexplain.cohort.pairs import Pair
from regexplain.cohort.settings import Installation, Settings
from regexplain.cohort.study import Plan, Study
from regexplain.cohort.work import Job, attempt, register_pair
from regexplain.results.folder import ResultFolder

ROLES = ("fixed", "moving", "fixed_segmentation", "moving_segmentation")
FILES = {role: str(sample_pair.file(role)) for role in ROLES}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The sample pair, as of a BIDS folder, one that failed, and the tables."""
    study, settings = Study(tmp_path_factory.mktemp("study")), Settings("hippocampus", trust=True, device="cpu")
    study.results.mkdir()
    points = {f"{role}_landmarks": str(study.path / f"{role}.csv") for role in ROLES[:2]}
    for role, path in zip(ROLES, points.values(), strict=False):
        centre = sample_pair.image(role).TransformContinuousIndexToPhysicalPoint((20.0, 20.0, 20.0))
        Path(path).write_text("label,l,p,s\nmiddle," + ",".join(map(str, centre)) + "\n")
    names = {"subject": "sub-1", "from": "ses2", "to": "ses1", "folder": "sub-1/anat"}
    pair = Pair("sub-1", FILES | points, {"age": "61", "look": "dizzy </script> &"}, names)
    job = Job(pair, settings, Installation.here("hippocampus"), study.results / pair.id, "made")
    assert attempt(job, register_pair) is None
    study.write_failures({"other": ("There is no moving image.", "")})
    write_group(study, [pair], Plan(done=[pair], failed=study.failures()), parquet=True)
    return study


def rows(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_a_pair_opens_as_any_result_and_nothing_else_stays(study):
    folder = ResultFolder.open(study.results / "sub-1")
    assert [path.name for path in study.results.iterdir()] == ["sub-1"]
    assert folder.record["model"]["name"] == "hippocampus"
    assert folder.file("report.html") and folder.file("thumbnail.jpg")


def test_the_group_has_each_number_of_the_record_and_the_users_columns(study):
    [row] = rows(study.path / "group.tsv")
    record = ResultFolder.open(study.results / "sub-1").record
    assert row["id"] == "sub-1" and row["age"] == "61" and row["look_of_table"] == "dizzy </script> &"
    assert row["verdict"] == record["verdict"]["name"]
    assert float(row["dice_after"]) == record["dice"]["after"]
    assert float(row["jacobian_log_sd"]) == record["jacobian"]["log_sd"]
    assert float(row["likeness_information_after"]) > float(row["likeness_information_before"])
    assert float(row["landmarks_distance_mm_after_mean"]) == record["landmarks"]["distance_mm"]["after"]["mean"]
    assert "has no parts for two contrasts" in row["notes"]
    assert "schema_version" not in row and not any(value in ("True", "False", "") for value in row.values())


def test_segments_are_in_long_form(study):
    table = [row for row in rows(study.path / "segments.tsv") if row["kind"] == "segment"]
    record = ResultFolder.open(study.results / "sub-1").record
    assert [(row["id"], row["label"]) for row in table] == [("sub-1", "1"), ("sub-1", "2")]
    assert [float(row["dice_after"]) for row in table] == [s["dice"]["after"] for s in record["segments"]]


@pytest.mark.parametrize("name", ["group", "segments"])
def test_each_column_is_described_beside_its_table_and_parquet_holds_the_same(study, name):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = rows(study.path / f"{name}.tsv")
    told = json.loads((study.path / f"{name}.json").read_text(encoding="utf-8"))
    assert list(told) == list(table[0]) and all(column["Description"] for column in told.values())
    assert told["displacement_mm_mean"]["Units"] == "mm"
    assert parquet.read_table(study.path / f"{name}.parquet").column_names == list(table[0])


def test_the_transforms_have_their_names_of_a_bids_derivative(study):
    folder = study.path / "sub-1" / "anat"
    forward = folder / "sub-1_from-ses2_to-ses1_mode-image_xfm.h5"
    assert forward.read_bytes() == (study.results / "sub-1" / "transform.h5").read_bytes()
    assert (folder / "sub-1_from-ses1_to-ses2_mode-image_xfm.h5").is_file()
    told = json.loads((study.path / "dataset_description.json").read_text())
    assert told["DatasetType"] == "derivative" and told["GeneratedBy"][0]["Name"] == "RegExplain"


def test_the_page_is_one_file_that_says_the_answer_and_links_each_report(study):
    page = (study.path / "group.html").read_text(encoding="utf-8")
    assert "1 of 2 pairs registered" in page and "There is no moving image." in page
    assert 'href="results/sub-1/report.html"' in page and "data:image/jpeg;base64," in page
    assert 'src="http' not in page and "dizzy &lt;/script&gt;" in page
    specification = page.split('id="specification">')[1].split("</script>")[0]
    assert json.loads(specification)["data"]["values"][0]["id"] == "sub-1"


def test_a_page_is_made_anew_only_when_what_it_tells_has_changed(study):
    page, pair = study.path / "group.html", Pair("sub-1", FILES, {"age": "61", "look": "dizzy </script> &"})
    first, plan = page.stat().st_mtime_ns, Plan(done=[pair], failed=study.failures())
    write_group(study, [pair], plan)
    assert page.stat().st_mtime_ns == first
    write_group(study, [replace(pair, columns=pair.columns | {"age": "62"})], plan)
    assert page.stat().st_mtime_ns > first and ">62<" in page.read_text(encoding="utf-8")


def test_a_figure_far_on_the_worse_side_is_an_outlier_and_one_on_the_better_side_is_not():
    values = np.linspace(0.70, 0.80, 21).tolist()
    table = [{"outlier": "", "dice_after": value} for value in [*values, 0.2, 1.0]] + [{"outlier": ""}]
    mark_outliers(table)
    assert [row["outlier"] for row in table] == [*[""] * 21, "dice_after", "", ""]


def test_where_most_are_the_same_nothing_is_an_outlier():
    table = [{"outlier": "", "jacobian_share_folded": value} for value in [0.0] * 9 + [0.1]]
    mark_outliers(table)
    assert not any(row["outlier"] for row in table)


def test_what_differs_by_rounding_alone_is_no_outlier():
    values = [1e-16, 2e-16, 3e-16, 4e-16, 5e-15, 1e-13]
    table = [{"outlier": "", "inverse_consistency_mm_p95": value} for value in values]
    mark_outliers(table)
    assert not any(row["outlier"] for row in table)


def test_pairs_are_grouped_by_few_values_or_by_thirds_of_many_numbers():
    assert grouped(["a", "b", "", "a"]) == ["a", "b", "n/a", "a"]
    thirds = grouped([str(age) for age in range(30)])
    assert [thirds.count(name) for name in dict.fromkeys(thirds)] == [10, 10, 10]
    assert grouped([f"name {k}" for k in range(30)]) == [] and grouped(["a", "a"]) == []


def test_a_figure_that_a_later_version_adds_is_described_too():
    described = describe_columns(["landmarks_distance_mm_after_p95", "something_new"])
    assert (
        described["landmarks_distance_mm_after_p95"]["Description"]
        == "Distance of corresponding landmarks: 95th percentile, after"
    )
    assert "something_new" in described["something_new"]["Description"]
