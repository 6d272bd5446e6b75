"""The three indicators: their words by hand-made numbers, and a disagreement that must lie where it was placed."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner
from torch.nn import functional as F

import regexplain.results
from bright_spot_scans import bright_spot_result
from fire_model import head
from regexplain import register, trust
from regexplain.cards.registry import ModelCard
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.report import render_report
from regexplain.results import ResultFolder
from regexplain.results.registration_result import RegistrationResult
from regexplain.results.trust import (
    MIN_CERTAINTY,
    Indicator,
    Modality,
    Trust,
    TrustMap,
    contrast_warnings,
    describe_position,
)
from regexplain.torch_backend.attribution.fire_targets import FirePair
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.inference.trust import Indicators, correlation, measure_trust
from regexplain.torch_backend.networks.fire import FireNetwork
from regexplain.torch_backend.networks.latent import RegistrationNetwork, RegistrationOutput
from regexplain.torch_backend.spatial.transformation import exponentiate_velocity
from regexplain.torch_backend.spatial.warp import resize_displacement
from regexplain.volumes.geometry import Grid
from synthetic_result import write_synthetic_result

SCHEMA = json.loads((Path(regexplain.results.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))
USUAL = {"median": 0.3, "p5": 0.1, "p95": 0.5}
PLACE = "the left hippocampus"
CERTAINLY = {"fixed": Modality("T1", 0.99), "moving": Modality("FLAIR", 0.97)}


# Words and thresholds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("symmetry", 0.5, "ok"),
        ("symmetry", 0.51, "unusual"),
        ("symmetry", 0.0, "ok"),
        ("homogeneity", 0.51, "unusual"),
        ("homogeneity", 0.0, "ok"),
        ("complementarity", 0.51, "unusual"),
        ("complementarity", 0.09, "unusual"),
        ("complementarity", 0.1, "ok"),
        ("complementarity", None, "unknown"),
    ],
)
def test_an_indicator_is_unusual_beyond_the_range_of_ordinary_pairs(name, value, state):
    found = Indicator(name, value, worst=2.3, place=PLACE, reference=USUAL)
    assert found.state == state and bool(found.warning) == (state == "unusual")


@pytest.mark.parametrize("name", ["symmetry", "complementarity", "homogeneity"])
def test_without_a_reference_nothing_is_known_and_nothing_warned_of(name):
    found = Indicator(name, 1e6, worst=1e6, place=PLACE)
    assert found.state == "unknown" and found.warning == "" and found.record["reference"] is None


def test_a_warning_says_what_is_wrong_where_and_by_how_much():
    asymmetric = Indicator("symmetry", 0.61, 1.2, 2.34, PLACE, USUAL).warning
    assert asymmetric.startswith(
        "Forward and backward maps disagree in the left hippocampus: 2.3 mm there, and 0.61 mm"
    )
    assert "usual: up to 0.50 mm" in asymmetric
    unreal = Indicator("homogeneity", 0.9, 2.0, 3.21, PLACE, USUAL).warning
    assert "does not look real in the left hippocampus" in unreal and "3.2 there" in unreal
    alike, unlike = (Indicator("complementarity", value, reference=USUAL).warning for value in (0.92, -0.2))
    assert "nearly the same of both images" in alike and "0.92, usual: 0.10 to 0.50" in alike
    assert "less than usual" in unlike and "-0.20" in unlike


@pytest.mark.parametrize(
    ("position", "words"),
    [
        ((0.8, -0.9, 0.5), "the left, front, upper part of the head"),
        ((-0.8, 0.9, -0.5), "the right, back, lower part of the head"),
        ((0.0, 0.0, 0.9), "the upper part of the head"),
        ((0.2, -0.3, 0.1), "the middle of the head"),
    ],
)
def test_places_are_told_in_the_patients_own_directions(position, words):
    assert describe_position(position) == words


def test_contrasts_that_are_alike_or_uncertain_are_warned_of():
    assert contrast_warnings(CERTAINLY) == []
    [alike] = contrast_warnings(CERTAINLY | {"fixed": Modality("FLAIR", 0.99)})
    assert "Both images look like FLAIR" in alike
    [unsure] = contrast_warnings(CERTAINLY | {"moving": Modality("FLAIR", MIN_CERTAINTY - 0.05)})
    assert "moving image's contrast: FLAIR, with 55 % certainty" in unsure


def test_a_correlation_is_pearsons_and_undefined_for_a_map_of_one_value():
    a = torch.tensor([1.0, 2.0, 4.0])
    assert correlation(a, 3 * a - 7) == pytest.approx(1) and correlation(a, -a) == pytest.approx(-1)
    assert correlation(a, torch.ones(3)) is None


# A toy network, whose answer is known to the voxel -------------------------------------------------------------------


class Toy(RegistrationNetwork):
    """T's two orders disagree by `gain` voxels towards left for every unit by which fixed is brighter than moving.

    G halves the resolution. Tissue moves towards left by `moves` voxels, and by a hundredth of the difference of both
    images. F draws a FLAIR as it was and a T1 black; D's logit is a patch's mean, a cell of 4³ voxels.
    """

    stages = FireNetwork.stages
    modalities = ["T1", "FLAIR"]

    def __init__(self, gain: float = 0.0, moves: float = 0.0, structures=None):
        super().__init__()
        self.gain, self.moves = gain, moves
        self.discriminators = dict.fromkeys(self.modalities, lambda image: (F.avg_pool3d(image, 4), image))
        self.structures = structures

    def segmentation_logits(self, features):
        return None if self.structures is None else self.structures.expand(2, -1, -1, -1, -1)

    def encoder(self, volumes):
        return [F.avg_pool3d(volumes, 2)]

    def register(self, features, shape):
        fixed, moving = features[-1].chunk(2)
        x = self.moves + 0.01 * (moving - fixed)
        raw, nothing = torch.cat([x, 0 * x, 0 * x], 1), torch.zeros_like(x)
        there, back = (resize_displacement(u, shape) for u in exponentiate_velocity(raw, 2))
        stages = dict(zip(self.stages, (fixed, moving, fixed, moving), strict=True))
        disagreement = torch.cat([self.gain * F.relu(fixed - moving), nothing, nothing], 1)
        return RegistrationOutput(there, back, raw, stages, disagreement=disagreement)

    def forward(self, fixed, moving):
        return self.register(self.encoder(torch.cat([fixed, moving])), fixed.shape[2:])

    def modality_probabilities(self, volumes, features=None):
        return torch.tensor([[4.0, 0.0], [0.0, 4.0]]).softmax(1)

    def synthesise(self, features, modality, displacement=None):
        image = F.interpolate(features, scale_factor=2, mode="trilinear")
        return image * (modality == "FLAIR"), features


def toy_model(network: Toy, **card) -> Model:
    canvas = {"size": [16, 16, 16], "spacing_mm": [2.0, 2.0, 2.0]}
    known = ModelCard(Path(), {"name": "toy", "network": {"type": "fire"}, "canvas": canvas, **card})
    return Model(known, network, torch.device("cpu"))


def indicators_of(network: Toy, result, **card) -> Indicators:
    """Over the whole canvas."""
    model = toy_model(network, **card)
    return Indicators(FirePair(model, result, model.canvas(result.fixed), torch.ones(16, 16, 16)))


def peak(image: sitk.Image) -> np.ndarray:
    """LPS mm of the middle of what is brightest."""
    values = sitk.GetArrayFromImage(image).astype(float)
    values[values < 0.7 * values.max()] = 0
    index = [(i * values).sum() / values.sum() for i in np.indices(values.shape)[::-1]]
    return Grid.of(image).world(np.array(index))


def map_of(found: Trust, name: str) -> sitk.Image:
    [image] = [m.image for m in found.maps if m.name == name]
    return image


def test_a_disagreement_lies_where_it_was_placed_on_an_oblique_grid_and_in_millimetres():
    """Spots in the middle of G's cells; the fixed one is where the orders disagree, by half a voxel of 2 mm."""
    result, spots = bright_spot_result([10.5, 4.5, 8.5], [4.5, 10.5, 6.5])
    network = Toy(gain=1.0)
    bright = toy_model(network).volume(result.fixed, toy_model(network).canvas(result.fixed))
    network.gain = 0.5 / float(F.avg_pool3d(bright, 2).max())
    found = measure_trust(toy_model(network), result)
    assert Grid.of(map_of(found, "symmetry")) == Grid.of(result.fixed)
    assert np.linalg.norm(peak(map_of(found, "symmetry")) - spots["fixed"]) < 0.7
    symmetry = found.indicators[0]
    # 1 mm in the cell; interpolated on its corners, an eighth of the way to each neighbour, a little less.
    assert 0.6 < symmetry.worst <= 1.0 and sitk.GetArrayFromImage(map_of(found, "symmetry")).max() <= 1.0


def test_the_map_is_carried_from_half_the_way_to_the_fixed_image():
    """All tissue moves by 4 voxels towards left, so what T sees at a cell is 2 voxels further to the right in fixed."""
    result, _ = bright_spot_result([8.5, 8.5, 8.5], [2.5, 8.5, 8.5])
    still, moved = (indicators_of(Toy(gain=1.0, moves=moves), result).symmetry_map for moves in (0.0, 4.0))
    peaks = [np.unravel_index(int(m.argmax()), m.shape) for m in (still, moved)]
    assert peaks[0][2] - peaks[1][2] == 2 and peaks[0][:2] == peaks[1][:2]
    assert float(moved.max()) == pytest.approx(float(still.max()), rel=0.05)


def test_an_identical_pair_agrees_with_itself_and_is_ok():
    result, _ = bright_spot_result([8.5, 8.5, 8.5], [8.5, 8.5, 8.5])
    result.moving = result.fixed
    result.transform.alignment = sitk.AffineTransform(3)
    found = measure_trust(toy_model(Toy(gain=1.0), ordinary={"symmetry_mm": USUAL}), result)
    symmetry, complementarity, _ = found.indicators
    assert (symmetry.value, symmetry.worst, symmetry.state, symmetry.warning) == (0.0, 0.0, "ok", "")
    assert complementarity.value is None or abs(complementarity.value) <= 1


def test_a_disagreement_beyond_the_usual_warns_with_its_place():
    result, _ = bright_spot_result([12.5, 2.5, 12.5], [4.5, 10.5, 6.5])
    usual = {"median": 1e-4, "p5": 0.0, "p95": 1e-3}
    found = indicators_of(Toy(gain=5.0), result)
    symmetry = Indicator("symmetry", *found.symmetry(), reference=usual)
    assert symmetry.state == "unusual"
    assert symmetry.place == "the left, front, upper part of the head" and symmetry.place in symmetry.warning


def test_the_place_is_the_structure_that_g_sees_there_where_the_card_can_name_it():
    structures = torch.full((1, 2, 8, 8, 8), -5.0)
    structures[0, 0, :, :, 4:], structures[0, 1, :, :, 2:4] = 5.0, 5.0  # right of them is none
    names = {"1": "left thalamus", "2": "right thalamus"}
    result, _ = bright_spot_result([8.5, 8.5, 8.5], [8.5, 8.5, 8.5])
    found = indicators_of(Toy(structures=structures), result, segments=names)
    assert found.place(0, (8, 8, 8)) == "the left thalamus" and found.place(1, (8, 8, 7)) == "the right thalamus"
    assert found.place(0, (8, 8, 1)) == "the right part of the head"
    unnamed = indicators_of(Toy(structures=structures), result)
    assert unnamed.place(0, (8, 8, 15)) == "the left part of the head"


def test_homogeneity_is_the_mean_difference_of_patch_logits_of_both_images_where_they_are():
    """The T1, fixed, is drawn black, so its gaps are the real patches' own means; the worst is where its spot is."""
    result, spots = bright_spot_result([9.5, 5.5, 9.5], [9.5, 5.5, 9.5])
    found = indicators_of(Toy(), result)
    fixed, moving = found.pair.volumes
    own = F.avg_pool3d(fixed, 4)[0, 0]
    assert torch.allclose(found.logit_differences[0], own)
    drawn = F.interpolate(F.avg_pool3d(fixed, 2), scale_factor=2, mode="trilinear")  # moved by 0.01 voxels at most
    difference = (F.avg_pool3d(drawn, 4) - F.avg_pool3d(moving, 4)).abs()[0, 0]
    assert torch.allclose(found.logit_differences[1], difference, atol=2e-3) and difference.max() > 0.005
    value, _, worst, _ = found.homogeneity()
    assert value == pytest.approx(
        float((found.logit_differences[0].mean() + found.logit_differences[1].mean()) / 2), rel=1e-3
    )
    assert worst == pytest.approx(float(own.max()))
    image = map_of(measure_trust(toy_model(Toy()), result), "homogeneity-fixed")
    assert Grid.of(image) == Grid.of(result.fixed) and np.linalg.norm(peak(image) - spots["fixed"]) < 1.0


def test_the_moving_images_map_lies_on_its_own_grid_through_the_alignment():
    class Swapped(Toy):
        def modality_probabilities(self, volumes, features=None):
            return torch.tensor([[0.0, 4.0], [4.0, 0.0]]).softmax(1)  # the moving image is the T1, which is drawn black

    result, spots = bright_spot_result([9.5, 5.5, 9.5], [5.5, 9.5, 5.5])
    found = measure_trust(toy_model(Swapped()), result)
    image = map_of(found, "homogeneity-moving")
    assert {role: m.name for role, m in found.modalities.items()} == {"fixed": "FLAIR", "moving": "T1"}
    assert Grid.of(image) == Grid.of(result.moving) and np.linalg.norm(peak(image) - spots["moving"]) < 1.0


def test_complementarity_compares_the_moving_map_where_its_tissue_lies_in_the_fixed_image():
    """Both spots are the same tissue, 4 voxels apart. Brought together their maps are of like size; where they
    are they hardly meet."""
    result, _ = bright_spot_result([6.5, 8.5, 8.5], [10.5, 8.5, 8.5])
    found = indicators_of(Toy(moves=4.0), result)
    value, *_ = found.complementarity()
    fixed, moving = found.encoder_maps
    assert float(fixed.max()) < -float(fixed.min()) and float(moving.max()) > -float(moving.min())
    assert value > 0.9


# From the command line to the report ---------------------------------------------------------------------------------


def a_trust() -> Trust:
    image = sitk.Image([4, 4, 4], sitk.sitkFloat32) + 0.5
    found = [
        Indicator("symmetry", 0.61, 1.2, 2.34, PLACE, USUAL),
        Indicator("complementarity", None, reference=USUAL),
        Indicator("homogeneity", 0.2, 0.3, 0.4, "the middle of the head"),
    ]
    return Trust(
        found, CERTAINLY, [TrustMap("symmetry", "fixed", image), TrustMap("homogeneity-moving", "moving", image)]
    )


@pytest.fixture
def folder(tmp_path) -> ResultFolder:
    return ResultFolder.open(write_synthetic_result(tmp_path / "r").folder)


def test_a_result_keeps_its_indicators_and_obeys_the_schema(folder):
    jsonschema.validate(folder.record, SCHEMA)  # without any, as older results are
    folder.add(a_trust())
    reopened = ResultFolder.open(folder.path)
    jsonschema.validate(reopened.record, SCHEMA)
    assert reopened.record["trust"] == a_trust().record
    assert [i["state"] for i in reopened.record["trust"]["indicators"]] == ["unusual", "unknown", "unknown"]
    for row in reopened.record["trust"]["maps"]:
        image = sitk.ReadImage(str(reopened.require(row["file"])))
        assert sitk.GetArrayFromImage(image).max() == pytest.approx(row["max_abs"])
    assert reopened.record["heatmaps"] == folder.record["heatmaps"]  # nothing else has changed


def test_the_report_shows_the_indicators_and_puts_their_warnings_first(folder):
    folder.add(a_trust())
    html = render_report(ResultFolder.open(folder.path))
    warning = "Forward and backward maps disagree in the left hippocampus: 2.3 mm there"
    assert html.index(warning) < html.index("<h2>Trust in two contrasts</h2>")
    for words in (
        "the fixed image for T1 (99 % certain) and the moving image for FLAIR (97 % certain)",
        "0.61 mm",
        "0.10 mm to 0.50 mm",
        "not defined for two images that are the same",
        "no reference yet, compare with care",
        "2.34 mm in the left hippocampus",
    ):
        assert words in html, words
    assert "<h2>Trust in two contrasts</h2>" not in render_report(
        ResultFolder(folder.path, folder.record | {"trust": None})
    )


@pytest.mark.slow
def test_it_all_works_from_the_command_line_and_twice_the_same(fire_model, tmp_path):
    register(head("T1")[0], head("FLAIR")[0], str(fire_model), threads=1).save(tmp_path / "r")
    records = []
    for _ in range(2):
        done = CliRunner().invoke(main, ["trust", str(tmp_path / "r"), "--model", str(fire_model), "--threads", "1"])
        assert done.exit_code == 0, done.output
        records.append(ResultFolder.open(tmp_path / "r").record)
        assert records[-1]["verdict"]["name"] in done.output.lower()
    assert records[0]["trust"] == records[1]["trust"]
    jsonschema.validate(records[0], SCHEMA)
    found = records[0]["trust"]
    assert all(i["state"] == "unknown" and np.isfinite(i["value"]) for i in found["indicators"])
    assert found["indicators"][0]["value"] > 0 and -1 <= found["indicators"][1]["value"] <= 1
    assert [row["name"] for row in found["maps"]] == ["symmetry", "homogeneity-fixed", "homogeneity-moving"]
    for row in found["maps"]:
        image, home = (sitk.ReadImage(str(tmp_path / "r" / f)) for f in (row["file"], f"{row['grid']}.nii.gz"))
        assert image.GetSize() == home.GetSize() and np.allclose(image.GetOrigin(), home.GetOrigin(), atol=1e-3)
        assert np.allclose(image.GetDirection(), home.GetDirection(), atol=1e-4)
    assert any("not sure of the fixed image's contrast" in w for w in found["warnings"])  # its weights are random
    with pytest.raises(BadInputError, match="not installed in that version"):
        trust(RegistrationResult.load(tmp_path / "r"))


def test_a_result_of_a_model_without_these_parts_is_refused_with_a_sentence(sample_result, tmp_path):
    with pytest.raises(BadInputError, match="hippocampus has no parts for two contrasts"):
        trust(sample_result)
    sample_result.save(tmp_path / "r")
    done = CliRunner().invoke(main, ["trust", str(tmp_path / "r")])
    assert done.exit_code == 2 and "no parts for two contrasts" in done.output
    assert "trust" not in ResultFolder.open(tmp_path / "r").record
