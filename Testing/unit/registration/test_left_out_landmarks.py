"""Landmarks that are used in refining are measured as if they had not been: none vouches for itself."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

import regexplain
import sample_pair
from landmark_files import write_markups
from regexplain import register
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.landmarks.pairs import LandmarkPairs
from regexplain.registration.left_out_landmarks import left_out_distances
from regexplain.results import ResultFolder
from regexplain.transforms.itk import affine_transform
from regexplain.volumes.geometry import Grid
from synthetic_result import make_grid

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))
GRID = Grid.of(make_grid((20, 20, 20), (3.0, 3.0, 3.0), np.eye(3), (5.0, 6.0, 7.0)))


def made(count: int) -> LandmarkPairs:
    fixed = GRID.world(np.random.default_rng(2).uniform(5, 14, (count, 3)))
    return LandmarkPairs(tuple(map(str, range(count))), fixed, fixed + (4.0, 0, 0))


@pytest.mark.parametrize("count", [1, 4, 12])
def test_no_landmark_is_used_where_it_is_measured(count):
    """The stand-in for refining brings all to their places once a landmark is used, and moves nothing without."""
    landmarks, used = made(count), []

    def predict(some):
        used.append(() if some is None else some.labels)
        motion = np.zeros((*GRID.size[::-1], 3)) + ((0.0, 0, 0) if some is None else (3.0, 0, 0))
        return GRID.image(motion, vector=True)

    identity = affine_transform(np.eye(3), np.zeros(3))
    found = left_out_distances(predict, identity, landmarks)
    assert np.allclose(found, 4.0 if count == 1 else 1.0)
    left_out = [set(landmarks.labels) - set(labels) for labels in used]
    assert len(used) <= 5 and sorted(label for out in left_out for label in out) == sorted(landmarks.labels)
    assert count > 5 or all(len(out) == 1 for out in left_out)


def pair_landmarks() -> dict[str, np.ndarray]:
    """Three points of the sample pair, by role; their counterparts are roughly where they should be."""
    images = {role: sample_pair.image(role) for role in ("fixed", "moving")}
    offsets = np.array([[0.0, 4, 1], [1, -5, 0], [-2, 0, -3]])
    return {role: Grid.of(image).centre + offsets for role, image in images.items()}


@pytest.mark.slow
def test_used_landmarks_are_reported_as_left_out(tmp_path):
    points = pair_landmarks()
    lists = [f"--{role}-landmarks={write_markups(tmp_path / f'{role}.mrk.json', points[role])}" for role in points]
    images = [str(sample_pair.file(role)) for role in points]
    options = ["--refine", "1", "--use-landmarks", "--threads", "1", "--output", str(tmp_path / "r")]
    done = CliRunner().invoke(main, ["register", *images, *lists, *options])
    assert done.exit_code == 0, done.output
    record = ResultFolder.open(tmp_path / "r").record
    jsonschema.validate(record, SCHEMA)
    for row in record["landmarks"]["pairs"]:
        assert set(row["distance_mm"]) == {"before", "aligned", "after", "left_out"}
    page = (tmp_path / "r/report.html").read_text(encoding="utf-8")
    assert "<th>Left out</th>" in page and "each where it was not used in refining" in page


@pytest.mark.ci
@pytest.mark.slow
def test_landmarks_that_are_used_change_the_answer_there():
    points = pair_landmarks()
    points["moving"] = points["moving"] + (3.0, 0, 0)
    landmarks = LandmarkPairs(("a", "b", "c"), points["fixed"], points["moving"])
    images = [sample_pair.image(role) for role in ("fixed", "moving")]
    ends = []
    for given in (None, landmarks):
        transform = register(*images, refine=6, landmarks=given, threads=1).transform.itk()
        ends.append(np.array([transform.TransformPoint(p.tolist()) for p in points["fixed"]]))
    before, after = (np.linalg.norm(end - points["moving"], axis=1).mean() for end in ends)
    assert after < before - 0.3


def test_landmarks_cannot_be_used_without_refining_or_without_any(tmp_path):
    images = [sample_pair.image(role) for role in ("fixed", "moving")]
    with pytest.raises(BadInputError, match="Landmarks are used by refining only"):
        register(*images, landmarks=made(3), threads=1)
    files = [str(sample_pair.file(role)) for role in ("fixed", "moving")]
    options = ["--refine", "1", "--use-landmarks", "--output", str(tmp_path / "r")]
    done = CliRunner().invoke(main, ["register", *files, *options])
    assert "There are no landmarks to use" in done.output and not (tmp_path / "r").exists()


@pytest.mark.slow
def test_an_affine_result_says_that_the_landmarks_were_not_used():
    points = pair_landmarks()
    landmarks = LandmarkPairs(("a", "b", "c"), points["fixed"], points["moving"])
    images = [sample_pair.image(role) for role in ("fixed", "moving")]
    record = register(*images, "none", refine=1, landmarks=landmarks, threads=1).record
    assert any("The landmarks were not used" in warning for warning in record["warnings"])
    assert "left_out" not in record["landmarks"]["distance_mm"]
    assert isinstance(record["landmarks"]["pairs"][0]["distance_mm"]["after"], float)
