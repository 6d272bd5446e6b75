"""A registration decomposed, against decoders whose answers are known by hand."""

import json
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner

import regexplain
from equivalent_scans import rotation, with_moved_header
from regexplain import components, decompose, register
from regexplain.cards.registry import ModelCard
from regexplain.cli import main
from regexplain.cli.verb import add_to_result
from regexplain.errors import BadInputError
from regexplain.latent.components import LatentComponents
from regexplain.latent.decomposition import decompose_registration
from regexplain.motions.anatomy import Anatomy
from regexplain.report import render_report
from regexplain.results.folder import ResultFolder
from regexplain.results.registration_result import RegistrationResult
from regexplain.torch_backend.inference.encoded_pair import EncodedPair
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.volumes.geometry import Grid
from synthetic_result import write_synthetic_result

SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))


def scan() -> sitk.Image:
    """Oblique; left half label 1, right half label 2 along its first axis."""
    labels = np.ones((6, 8, 10), np.uint8)
    labels[:, :, 5:] = 2
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((1.0, 1.5, 2.0))
    return with_moved_header(image, rotation(degrees=20), (5, -7, 3))


@dataclass
class KnownPair:
    """Component j shifts every point by shifts[j]; a bent decoder adds 0.1 |x| x to what they shift together."""

    shifts: tuple = ((0.0, 0.0, 0.4), (3.0, 0.0, 0.0), (0.0, -1.2, 0.0))
    off_components: tuple = (0.0, 0.0, 0.0)
    bend: float = 0.0
    fixed_sd = np.array([0.1, -1.0, 0.5])
    moving_sd = np.array([0.3, 2.0, -0.5])

    def displacement(self, chosen=None) -> sitk.Image:
        x = np.sum([self.shifts[j] for j in (range(3) if chosen is None else chosen)], axis=0)
        x = x + (np.array(self.off_components) if chosen is None else 0)
        return field(x + self.bend * np.linalg.norm(x) * x)


def field(vector) -> sitk.Image:
    grid = Grid.of(scan())
    return grid.image(np.broadcast_to(np.asarray(vector, float), (*grid.size[::-1], 3)).copy(), vector=True)


def taken(pair, whole, count=3):
    return decompose_registration(pair, field(whole), Anatomy.of(scan(), scan()), count)


def test_the_parts_come_by_what_they_move_and_explain_all_where_nothing_else_moved():
    found = taken(KnownPair(), (3.0, -1.2, 0.4))
    assert [part.component for part in found.parts] == [2, 3, 1]
    assert [part.moved["mean"] for part in found.parts] == pytest.approx([3.0, 1.2, 0.4])
    assert [(part.fixed_sd, part.moving_sd) for part in found.parts] == [(-1.0, 2.0), (0.5, -0.5), (0.1, 0.3)]
    left = [np.hypot(1.2, 0.4), 0.4, 0.0]
    assert [part.remaining["mean"] for part in found.parts] == pytest.approx(left, abs=1e-9)
    assert found.whole["mean"] == pytest.approx(np.linalg.norm((3.0, -1.2, 0.4)))
    for rest in (found.after_components, found.after_latent, found.sum_of_parts):
        assert rest["max"] == pytest.approx(0.0, abs=1e-9)


def test_what_no_component_holds_and_what_bypassed_the_latent_space_stay_unexplained():
    """The latent holds 0.7 mm off the components, and 2 mm more came past it."""
    found = taken(KnownPair(off_components=(0.0, 0.0, 0.7)), (3.0, -1.2, 0.4 + 0.7 + 2.0))
    assert found.after_components["mean"] == pytest.approx(2.7)
    assert found.after_latent["mean"] == pytest.approx(2.0)
    assert found.parts[-1].remaining["mean"] == pytest.approx(2.7)


def test_a_decoder_that_bends_is_reported_as_the_gap_between_the_sum_of_parts_and_their_joint_motion():
    """Shifts of 3 and 1.2 mm at right angles: x (1 + 0.1 |x|) of each and of both."""
    pair = KnownPair(bend=0.1)
    found = taken(pair, (0.0, 0.0, 0.0), count=2)
    length = np.hypot(3.0, 1.2)
    gap = np.hypot(3.0 * 0.1 * (length - 3.0), 1.2 * 0.1 * (length - 1.2))
    assert found.sum_of_parts["mean"] == pytest.approx(gap)
    assert found.sum_of_parts["mean"] > 0.2


def test_a_motion_in_one_segment_is_told_of_that_segment():
    pair = KnownPair()
    anatomy = Anatomy.of(scan(), scan())
    half = sitk.GetArrayFromImage(scan())[..., None] == 2
    pair.displacement = lambda chosen=None: anatomy.grid.image(half * np.array([0.0, 2.0, 0.0]), vector=True)
    [part] = decompose_registration(pair, field((0, 2.0, 0)), anatomy, 1).parts
    assert [row["label"] for row in part.segments] == [1, 2]
    assert part.segments[0]["moved_mm"]["max"] == pytest.approx(0.0, abs=1e-9)
    assert part.segments[1]["moved_mm"]["mean"] == pytest.approx(2.0)
    assert part.moved["mean"] == pytest.approx(1.0)
    assert "posterior" in part.motion.name()


def test_without_segments_all_bright_tissue_counts_and_no_more_parts_come_than_there_are():
    bright = sitk.Cast(scan() == 1, sitk.sitkFloat32) * 100.0 + sitk.Cast(scan(), sitk.sitkFloat32)
    found = decompose_registration(KnownPair(), field((3.0, -1.2, 0.4)), Anatomy.of(bright), 9)
    assert len(found.parts) == found.components == 3
    assert all(part.segments == [] for part in found.parts)
    assert found.anatomy == "what is brighter than the background"


# With a network ------------------------------------------------------------------------------------------------------


CARD = ModelCard(Path(), {"name": "small", "canvas": {"size": (16, 16, 16), "spacing_mm": (3.0, 3.0, 3.0)}})


def small_pair(tmp_path, count: int, skips: bool) -> tuple[EncodedPair, RegistrationResult, Model]:
    """A random network on a phantom; with count = None a basis of all of the latent space."""
    write_synthetic_result(tmp_path / "r", grid="oblique", components=0, heatmaps=False)
    torch.manual_seed(0)
    network = LatentNetwork((4, 3), skips=skips).eval().requires_grad_(False)
    for name, weight in network.decoder.named_parameters():
        weight.data *= 3000 if name.startswith("part") else 2
    model = Model(CARD, network, torch.device("cpu"))
    size = 3 * 4**3
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0].T[:count]
    known = LatentComponents(basis, np.zeros(size), np.full(count, 2.0), np.full(count, 1 / size))
    result = RegistrationResult.load(tmp_path / "r")
    return EncodedPair(model, result, known), result, model


def vectors(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def registered_by(model: Model, result: RegistrationResult) -> sitk.Image:
    from regexplain.torch_backend.inference.prediction import predict

    return predict(model, result.fixed, result.moving, result.transform.alignment).displacement


def test_a_basis_of_the_whole_latent_space_leaves_nothing_unexplained(tmp_path):
    pair, result, model = small_pair(tmp_path, 3 * 4**3, skips=False)
    whole = vectors(registered_by(model, result))
    assert np.linalg.norm(whole, axis=-1).mean() > 0.05
    assert np.allclose(vectors(pair.displacement(range(3 * 4**3))), whole, atol=1e-3)
    assert np.allclose(vectors(pair.displacement()), whole, atol=1e-3)


def test_with_skips_the_latent_difference_is_only_a_part_of_what_moved(tmp_path):
    pair, result, model = small_pair(tmp_path, 4, skips=True)
    whole = vectors(registered_by(model, result))
    assert np.linalg.norm(vectors(pair.displacement()) - whole, axis=-1).mean() > 0.01


def test_the_coordinates_are_those_of_the_two_volumes(tmp_path):
    pair, _, _ = small_pair(tmp_path, 4, skips=False)
    along = pair.components.basis @ pair.difference / pair.components.sd
    assert np.allclose(pair.moving_sd - pair.fixed_sd, along)


# With the shipped model ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample_parts(sample_result):
    return decompose(sample_result, 2, threads=1)


@pytest.mark.slow
def test_the_shipped_models_registration_is_the_decoded_latent_difference(sample_result, sample_parts):
    assert sample_parts.after_latent["max"] < 0.001
    lengths = [row["displacement_mm"]["mean"] for row in sample_result.record["segments"]]
    assert min(lengths) <= sample_parts.whole["mean"] <= max(lengths)
    first, second = sample_parts.parts
    assert first.moved["mean"] >= second.moved["mean"]
    assert sample_parts.after_components["mean"] < first.remaining["mean"] < sample_parts.whole["mean"]


@pytest.mark.slow
def test_a_part_is_its_components_motion_by_what_the_two_images_differ(sample_result, sample_parts):
    part = sample_parts.parts[0]
    strength = part.moving_sd - part.fixed_sd
    motion = components(sample_result, part.component, (strength,), threads=1)[-1]
    expected = motion.displacements[strength]
    assert Grid.of(part.displacement) == Grid.of(expected)
    assert np.allclose(vectors(part.displacement), vectors(expected), atol=2e-3)  # the basis is stored in float16


@pytest.mark.ci
@pytest.mark.slow
def test_the_verb_adds_parts_to_the_folder_and_replaces_earlier_ones(sample_result, sample_parts, tmp_path):
    sample_result.save(tmp_path / "r")
    add_to_result(tmp_path / "r", sample_parts)
    assert len(ResultFolder.open(tmp_path / "r").record["decomposition"]["parts"]) == 2
    done = CliRunner().invoke(main, ["decompose", str(tmp_path / "r"), "--count", "1", "--threads", "1"])
    assert done.exit_code == 0, done.output
    folder = ResultFolder.open(tmp_path / "r")
    jsonschema.validate(folder.record, SCHEMA)
    [part] = folder.record["decomposition"]["parts"]
    assert part["file"] == "parts/part-01.nii.gz" and [row["label"] for row in part["segments"]] == [1, 2]
    assert [p.name for p in (folder.path / "parts").iterdir()] == ["part-01.nii.gz"]
    stored = vectors(sitk.ReadImage(str(folder.require(part["file"]))))
    assert stored.dtype == np.float32 and np.linalg.norm(stored, axis=-1).mean() > 0.01
    assert "This registration, decomposed" in (folder.path / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_taken_apart_is_said_in_one_sentence(sample_result):
    with pytest.raises(BadInputError, match="at least one component"):
        decompose(sample_result, 0)
    with pytest.raises(BadInputError, match="no basis 'ica'"):
        decompose(sample_result, basis="ica", threads=1)
    small = sample_result.fixed[:12, :12, :12]
    with pytest.raises(BadInputError, match="affine only"):
        decompose(register(small, small, threads=1))


# In words ------------------------------------------------------------------------------------------------------------


def spread(mean: float) -> dict[str, float]:
    return {"mean": mean, "p95": 1.5 * mean, "max": 2 * mean}


def decomposition(latent: float = 0.0) -> dict:
    parts = [
        {
            "component": component,
            "fixed_sd": -0.34,
            "moving_sd": 1.26,
            "name": f"does {component}",
            "words": "",
            "moved_mm": spread(moved),
            "segments": [{"label": 1, "moved_mm": spread(moved)}, {"label": 2, "moved_mm": spread(moved / 2)}],
            "remaining_mm": spread(left),
            "file": f"parts/part-{component:02d}.nii.gz",
        }
        for component, moved, left in ((2, 1.3, 1.0), (1, 0.7, 0.6), (5, 0.3, 0.4), (4, 0.1, 0.39))
    ]
    return {
        "basis": "pca",
        "anatomy": "all segments",
        "components": 32,
        "whole_mm": spread(2.1),
        "parts": parts,
        "remaining_mm": {"components": spread(0.2), "latent": spread(latent)},
        "sum_of_parts_mm": spread(0.25),
    }


@pytest.fixture
def report(tmp_path):
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "r").folder)

    def rendered(values: dict) -> str:
        folder.record["decomposition"] = values
        jsonschema.validate(folder.record, SCHEMA)
        return " ".join(render_report(folder).split())

    return rendered


def test_the_report_says_in_words_what_the_parts_explain(report):
    html = report(decomposition())
    assert "Component 2 moves all segments most: 1.30 mm on average, 2.60 mm at most." in html
    assert "With the first 3 parts together, 0.40 mm of the registration&#39;s 2.10 mm remain unexplained" in html
    assert "with all 32 components, 0.20 mm." in html
    assert "differs from what they do together by 0.25 mm, because the decoder is not linear" in html
    assert "past the latent space" not in html
    assert html.index("does 2") < html.index("does 1") < html.index("does 5") < html.index("does 4")
    assert "-0.3 → +1.3 SD" in html and "segment 1: 1.30 mm, at most 2.60 mm" in html


def test_the_report_says_what_was_moved_past_the_latent_space(report):
    html = report(decomposition(latent=0.9))
    assert "0.90 mm were moved past the latent space, by the network&#39;s skip connections" in html


def test_one_part_alone_is_told_without_a_sum(report):
    values = decomposition()
    values["parts"] = values["parts"][:1]
    html = report(values)
    assert "With the first part alone, 1.00 mm of" in html and "not linear" not in html
