"""What is said of whether a result can be relied on: nothing is passed over, and the worst is the verdict."""

import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import sample_pair
from regexplain.cards import registry
from regexplain.cli import main
from regexplain.report import render_report
from regexplain.report.images import image_rows
from regexplain.report.verdict import checks, verdict, verdict_record
from regexplain.results import ResultFolder
from regexplain.volumes.content import ANOTHER_KIND
from synthetic_result import write_synthetic_result

VOXEL_MM = 1.0
SCORE = {"coordinates_sd": [0.1], "mahalanobis": 4.0, "residual": 2.0}
SCORE |= {"mahalanobis_percentile": 40.0, "residual_percentile": 50.0}


@pytest.fixture
def record() -> dict:
    """Of a registration at which nothing stands out."""
    return {
        "kind": "deformable",
        "model": {"name": "made-up", "inside_domain": True},
        "dice": {"before": 0.3, "aligned": 0.5, "after": 0.8},
        "jacobian": {"min": 0.4, "share_folded": 0.0},
        "inverse_consistency_mm": {"mean": 0.1, "p95": 0.3, "max": 2.0},
        "population": {role: SCORE | {"atypical": False} for role in ("fixed", "moving")},
        "warnings": [],
    }


def states(record, voxel_mm=VOXEL_MM, **more) -> dict[str, str]:
    return {check.name: check.state for check in checks(record, voxel_mm, **more)}


def test_nothing_stands_out_where_all_is_well(record):
    assert set(states(record).values()) == {"ok"}
    assert verdict(checks(record, VOXEL_MM)).startswith("Nothing stands out in 5 checks;")


@pytest.mark.parametrize(
    ("part", "value", "name"),
    [
        ("population", {"fixed": SCORE | {"atypical": False}, "moving": SCORE | {"atypical": True}}, "Training images"),
        ("dice", {"before": 0.3, "aligned": 0.7, "after": 0.6}, "Overlap"),
        ("dice", {"before": 0.9, "aligned": 0.5, "after": 0.7}, "Overlap"),
        ("dice", {"before": 0.3, "aligned": 0.3, "after": 0.45}, "Overlap"),
        ("jacobian", {"min": -0.1, "share_folded": 1e-7}, "Folding"),
        ("inverse_consistency_mm", {"mean": 0.2, "p95": 1.1, "max": 2.0}, "There and back"),
    ],
)
def test_what_is_wrong_stands_out_by_its_name_and_alone(record, part, value, name):
    record[part] = value
    assert [other for other, state in states(record).items() if state != "ok"] == [name]
    said = verdict(checks(record, VOXEL_MM))
    assert said == f"Look here before you rely on it: 1 of 5 checks stands out ({name.lower()})."
    assert verdict_record(record | {"voxel_mm": VOXEL_MM}) == {"name": "look here", "because": [name]}


ERROR = {"expected_mm": {"mean": 1.0}, "bound90_mm": {"mean": 2.0}, "share_above_3mm": 0.02, "place": "the left part"}
ERROR |= {"not_told": {"flat": 0.0, "missing": 0.0, "outside": 0.0}, "warnings": []}
CONTENT = {"model": "made-up", "fixed": None, "moving": ANOTHER_KIND}
PLACE = {"largest_ml": 14.0, "deviation_sd": -3.0, "centre_mm": [1.0, 2.0, 3.0], "place": "left thalamus"}


@pytest.mark.parametrize(
    ("part", "value", "name", "verdict_name"),
    [
        ("error", ERROR | {"share_above_3mm": 0.15}, "Expected error", "look here"),
        ("error", ERROR | {"share_above_3mm": 0.6}, "Expected error", "do not use"),
        ("error", ERROR | {"not_told": ERROR["not_told"] | {"missing": 0.02}}, "Missing tissue", "look here"),
        ("error", ERROR | {"not_told": ERROR["not_told"] | {"missing": 0.3}}, "Missing tissue", "do not use"),
        ("counterparts", PLACE, "Counterparts", "look here"),
        ("content", CONTENT, "Content", "look here"),
        ("ghosting", {"fixed": 0.0, "moving": 0.03}, "Ghosting", "look here"),
        ("ghosting", {"fixed": 0.3, "moving": None}, "Ghosting", "look here"),
        ("mirroring", {"gradients": 0.03, "information": 0.1}, "Left and right", "do not use"),
        ("mirroring", {"gradients": -0.004, "information": -0.012}, "Left and right", "look here"),
        ("mirroring", {"gradients": -0.004, "information": 0.002}, "Left and right", "look here"),
        ("model", {"name": "made-up", "inside_domain": False}, "Model", "do not use"),
        ("model", {"name": "made-up", "inside_domain": True, "better": False}, "Deformation", "do not use"),
        ("jacobian", {"min": -2.0, "share_folded": 0.1}, "Folding", "do not use"),
    ],
)
def test_the_verdict_is_the_worst_that_a_check_says(record, part, value, name, verdict_name):
    record |= {"voxel_mm": VOXEL_MM, part: value}
    assert verdict_record(record) == {"name": verdict_name, "because": [name]}
    said = verdict(checks(record))
    assert said.lower().startswith(verdict_name) and f"({name.lower()})" in said
    record["dice"] = {"before": 0.3, "aligned": 0.7, "after": 0.6}
    assert verdict_record(record)["name"] == verdict_name
    assert ("Overlap" in verdict_record(record)["because"]) == (verdict_name == "look here")


def test_a_model_outside_its_domain_by_content_alone_is_for_the_check_of_the_content(record):
    record |= {"voxel_mm": VOXEL_MM, "content": CONTENT, "model": record["model"] | {"inside_domain": False}}
    assert verdict_record(record) == {"name": "look here", "because": ["Content"]}
    record["content"] = CONTENT | {"moving": None}
    assert verdict_record(record) == {"name": "do not use", "because": ["Model"]}


def test_an_error_map_of_images_that_it_was_not_measured_on_is_a_hint_and_no_verdict(record):
    record |= {"voxel_mm": VOXEL_MM, "error": ERROR | {"share_above_3mm": 0.6, "measured": False}}
    assert states(record)["Expected error"] == "unknown"
    assert verdict_record(record)["name"] == "nothing stands out"


def test_what_is_as_it_should_be_does_not_stand_out(record):
    record["content"] = CONTENT | {"model": "a special one"}  # that did not answer
    assert states(record)["Content"] == "unknown"
    for gain in ((-0.1, 0.1), (0.1, -0.1), (-0.1, -0.1)):
        record["mirroring"] = dict(zip(("gradients", "information"), gain, strict=True))
        assert states(record)["Left and right"] == "ok"
    quiet = {"error": ERROR, "content": CONTENT | {"moving": None}, "counterparts": PLACE | {"largest_ml": 0.2}}
    assert verdict_record(record | quiet | {"voxel_mm": VOXEL_MM}) == {"name": "nothing stands out", "because": []}


def test_a_result_holds_its_verdict_and_an_older_one_is_judged_anew(tmp_path):
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "result").folder)
    folder.record["jacobian"]["share_folded"] = 0.2
    folder.record.pop("verdict", None)
    with folder.staging():
        pass
    assert ResultFolder.open(folder.path).record["verdict"]["because"] == ["Folding"]
    del folder.record["verdict"]
    assert "Do not use this registration" in render_report(folder)


def test_a_warning_that_no_check_knows_of_is_not_passed_over(record):
    record["warnings"] = ["The transform mirrors the image, so left and right change places; check that this is meant."]
    assert states(record)["Warnings"] == "look"
    assert verdict(checks(record, VOXEL_MM)).startswith("Look here")
    record["fallbacks"] = record["warnings"]  # what was left out does no harm
    assert "Warnings" not in states(record)
    record["fallbacks"], record["jacobian"]["share_folded"] = [], 0.1
    assert "Warnings" not in states(record)
    record["jacobian"]["share_folded"], record["warnings"] = 0.0, []
    record["trust"] = {"indicators": [], "warnings": ["The network is not sure of the fixed image's contrast."]}
    assert states(record)["Warnings"] == "look"


def test_what_was_not_measured_does_not_pass_for_good(record):
    record |= {"dice": None, "population": None}
    assert [name for name, state in states(record, None).items() if state == "unknown"] == [
        "Training images",
        "Overlap",
        "There and back",
    ]
    assert "and 3 could not be made" in verdict(checks(record, None))


def test_an_affine_registration_has_no_model_to_check(record):
    record["model"] = None
    assert set(states(record)) == {"Overlap", "Folding", "There and back"}


@pytest.mark.parametrize(
    ("kind", "transform", "words"),
    [
        ("deformable", None, "as after the alignment alone"),
        ("affine", None, "as before anything was moved"),
        ("deformable", {"parts": ["B-spline"]}, "as after the nearest affine motion alone"),
        ("affine", {"parts": ["affine"]}, "as before anything was moved"),
    ],
)
def test_the_overlap_is_compared_with_what_came_before_in_that_kind_of_result(record, kind, transform, words):
    record |= {"kind": kind, "dice": {"before": 0.3, "aligned": 0.8, "after": 0.8}}
    record |= {"transform": transform} if transform else {}
    [overlap] = [check for check in checks(record, VOXEL_MM) if check.name == "Overlap"]
    assert overlap.state == "ok" and f"{words} (Dice 0.80)" in overlap.sentence


@pytest.mark.parametrize(("shares", "stands_out"), [((), False), ((None, 0.3), False), ((0.2, 0.81), True)])
def test_heat_in_air_stands_out_where_most_of_a_map_lies_there(record, shares, stands_out):
    stages = ("encoder-fixed", "encoder-moving")
    rows = [
        {"stage": stage} | ({"air_share": share} if share else {}) for stage, share in zip(stages, shares, strict=False)
    ]
    found = checks(record | {"heatmaps": rows}, VOXEL_MM)
    assert [check.sentence for check in found if check.name == "Heat in air"] == [
        "81 % of the heat of the encoder on the moving image lies in air, where there is no anatomy to go by."
    ] * stands_out
    assert all(check.state == "ok" for check in found if check.name != "Heat in air")


def test_two_contrasts_ask_for_the_trust_indicators_and_then_heed_them(record):
    assert states(record, two_contrasts=True)["Trust indicators"] == "unknown"
    usual = {"median": 0.2, "p5": 0.1, "p95": 0.4}
    row = {"value": 0.6, "p95": 1.2, "worst": 2.3, "place": "the left hippocampus", "reference": usual}
    record["trust"] = {
        "warnings": [],
        "indicators": [
            row | {"name": "symmetry", "state": "unusual"},
            row | {"name": "homogeneity", "state": "ok"},
            row | {"name": "complementarity", "state": "unknown", "value": None, "worst": None, "reference": None},
        ],
    }
    found = states(record, two_contrasts=True)
    assert (found["Symmetry"], found["Homogeneity"], found["Complementarity"]) == ("unusual", "ok", "unknown")
    assert "Trust indicators" not in found and "Warnings" not in found
    record["trust"]["warnings"] = ["Forward and backward maps disagree in the left hippocampus."]
    assert "Warnings" not in states(record)
    record["trust"]["warnings"].insert(0, "The network is not sure of the fixed image's contrast.")
    assert states(record)["Warnings"] == "look"


@pytest.mark.slow
def test_the_verdict_stands_in_the_report_above_every_table(tmp_path):
    result = ResultFolder.open(write_synthetic_result(tmp_path / "result").folder)
    result.record["jacobian"]["share_folded"] = 0.03
    html = render_report(result)
    assert "(folding)" in html
    assert html.index("Do not use this registration") < html.index("<table")


@pytest.mark.slow
def test_the_two_studies_have_their_own_sizes_in_millimetres(tmp_path):
    truth = write_synthetic_result(tmp_path / "result", grid="oblique")
    for row, image in zip(image_rows(ResultFolder.open(truth.folder)), (truth.fixed, truth.moving), strict=True):
        size, spacing = image.GetSize(), image.GetSpacing()
        assert row["voxels"] == " × ".join(map(str, size))
        assert row["spacing"] == " × ".join(f"{side:.2f}" for side in spacing) + " mm"
        extent = [n * side for n, side in zip(size, spacing, strict=True)]
        assert row["extent"] == " × ".join(f"{length:.0f}" for length in extent) + " mm"


def test_no_name_of_a_patient_reaches_the_report(tmp_path):
    """Neither from the fields of the images nor from the names of their files."""
    paths, output = [], tmp_path / "result"
    for role in ("fixed", "moving"):
        image = sitk.ReadImage(str(sample_pair.file(role)))
        image.SetMetaData("0010|0010", "Doe^Jane")
        paths.append(str(tmp_path / f"Doe^Jane-{role}.nrrd"))
        sitk.WriteImage(image, paths[-1])
    assert sitk.ReadImage(paths[0]).GetMetaData("0010|0010") == "Doe^Jane"
    done = CliRunner().invoke(main, ["register", *paths, "--output", str(output), "--threads", "1"])
    assert done.exit_code == 0, done.output
    written = (output / "report.html").read_text(encoding="utf-8") + (output / "result.json").read_text(
        encoding="utf-8"
    )
    assert "Doe" not in written and "Jane" not in written


@pytest.mark.slow
def test_a_model_that_is_not_installed_is_no_reason_to_fail(record, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    html = render_report(ResultFolder.open(write_synthetic_result(tmp_path / "result").folder))
    assert "Can it be trusted?" in html


def test_a_deformation_that_is_worse_than_the_alignment_alone_stands_out(record):
    record["model"]["better"] = False
    found = {check.name: check for check in checks(record, 1.0)}["Deformation"]
    assert found.state == "stop" and "worse than the alignment alone" in found.sentence
    record["model"]["better"] = True
    assert set(states(record).values()) == {"ok"}
