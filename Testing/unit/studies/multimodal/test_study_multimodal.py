"""`regexplain study multimodal`: every number on made arrays with known answers, and the whole of it on phantoms."""

import csv
import json
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner

import fire_model
from regexplain.cards import registry
from regexplain.cli import main
from regexplain.studies import measures
from regexplain.studies.measures import Estimate
from regexplain.studies.multimodal import (
    claims,
    complementarity,
    degradation,
    faithfulness,
    homogeneity,
    observations,
    pairs,
    pointing,
    run,
)
from regexplain.studies.multimodal.randomisation import CASCADE, randomise_weights
from regexplain.torch_backend.attribution.methods import attribution_method
from regexplain.torch_backend.attribution.target import motion_target
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.networks.fire import without_descriptors
from regexplain.torch_backend.spatial.warp import warp
from regexplain.torch_backend.training.multimodal.anatomies import anatomy_of

SHAPE = (16, 24, 16)
EVERYWHERE = torch.ones(SHAPE)
SPACING = (2.0, 2.0, 2.0)


def noise(seed: int, shape=SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def halves() -> tuple[torch.Tensor, torch.Tensor]:
    """1 in the upper, 1 in the lower half."""
    upper = torch.zeros(SHAPE)
    upper[8:] = 1
    return upper, 1 - upper


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    folder = fire_model.write_fire_model(tmp_path_factory.mktemp("models") / "tiny")
    return Model.load(registry.find_card(str(folder)), "cpu")


@pytest.fixture(scope="module")
def pair(model) -> pairs.Pair:
    """A phantom's T1 and its own FLAIR, moved."""
    images = [fire_model.head(contrast)[0] for contrast in ("T1", "FLAIR")]
    return pairs.real_head(model, "phantom", "phantoms", *images)(0, 0)


# Two maps ----------------------------------------------------------------------------------------------------------


def test_a_map_agrees_with_itself_and_with_its_opposite_not_at_all():
    a = noise(0)
    assert measures.correlation(a, a, EVERYWHERE) == pytest.approx(1)
    assert measures.correlation(a, -3 * a, EVERYWHERE) == pytest.approx(-1)
    assert measures.top_overlap(a, a, EVERYWHERE) == 1
    assert measures.top_overlap(a, -a, EVERYWHERE) == 0
    assert measures.divergence(a, a, EVERYWHERE) == 0
    assert measures.divergence(a, -a, EVERYWHERE) == pytest.approx(1)


def test_maps_that_share_nothing_have_no_overlap_and_full_divergence():
    upper, lower = halves()
    assert measures.top_overlap(upper + 0.01 * noise(0), lower + 0.01 * noise(1), EVERYWHERE) == 0
    assert measures.divergence(upper, lower, EVERYWHERE) == 1
    assert measures.correlation(upper, lower, EVERYWHERE) == pytest.approx(-1)


def test_unrelated_maps_overlap_by_the_share_of_their_tops():
    assert measures.top_overlap(noise(0), noise(1), EVERYWHERE) == pytest.approx(measures.TOP, abs=0.03)
    assert measures.correlation(noise(0), noise(1), EVERYWHERE) == pytest.approx(0, abs=0.05)


def test_only_the_inside_is_compared():
    a, b = noise(0), noise(0)
    b[:4] = 100
    inside = EVERYWHERE.clone()
    inside[:4] = 0
    assert measures.correlation(a, b, inside) == pytest.approx(1)
    assert measures.divergence(a, b, inside) == 0
    assert measures.divergence(a, b, EVERYWHERE) > 0.5


def test_a_constant_map_has_no_correlation_and_is_left_out_of_the_mean():
    nothing = measures.correlation(noise(0), torch.zeros(SHAPE), EVERYWHERE)
    assert math.isnan(nothing)
    assert measures.mean_of([nothing, 2.0, 2.0]) == Estimate(2.0, 2.0, 2.0, 2)
    assert measures.mean_of([nothing]).pairs == 0


# Over many pairs ---------------------------------------------------------------------------------------------------


def test_rank_correlation_sees_order_alone_and_shares_ties():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert measures.rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert measures.rank_correlation(x, -(x**3)) == pytest.approx(-1)
    assert measures.rank_correlation([1, 2, 2, 3], [1, 2, 2, 3]) == pytest.approx(1)
    assert math.isnan(measures.rank_correlation(x, np.ones(4)))


def test_within_pairs_the_level_of_a_pair_plays_no_part():
    names = ["a"] * 3 + ["b"] * 3
    x, error = [1.0, 2.0, 3.0, 11.0, 12.0, 13.0], [30.0, 31.0, 32.0, 1.0, 2.0, 3.0]
    assert measures.rank_correlation_within(names, x, error).value == pytest.approx(1)
    assert measures.rank_correlation_over(names, x, error).value < 0


def test_the_interval_of_a_correlation_draws_whole_pairs():
    names = [str(n) for n in range(20) for _ in range(5)]
    level = np.repeat(np.random.default_rng(0).normal(size=20), 5)
    other = np.repeat(np.random.default_rng(1).normal(size=20), 5)
    found = measures.rank_correlation_over(names, level, other)
    assert found.high - found.low > 0.5  # as of 20 values, not of 100
    assert found.low < found.value < found.high and found.pairs == 20


def test_the_area_under_a_straight_curve_is_its_middle():
    assert measures.area((0, 0.05, 0.4, 1), (1, 0.95, 0.6, 0)) == pytest.approx(0.5)
    assert measures.area((0, 1), (1, 1)) == 1


# Pairs -------------------------------------------------------------------------------------------------------------


def test_a_real_pair_is_moved_by_4_mm_and_the_motion_undone_leaves_no_error(pair):
    inside = pair.inside > 0.5
    lengths = (pair.undo * pair.undo.new_tensor(pair.spacing).view(1, 3, 1, 1, 1)).square().sum(1)[0][inside]
    assert lengths.mean().sqrt() == pytest.approx(pairs.RMS_MM, rel=1e-4)
    found = torch.zeros_like(pair.undo)
    before = pair.error_mm(found)
    for _ in range(30):  # the inverse by fixed points
        found = -warp(pair.undo, found)
    assert before > 3 and pair.error_mm(found) < 0.01
    assert torch.equal(pair.identical().moving, pair.fixed) and pair.identical().error_mm(found * 0) == 0


@pytest.mark.slow
def test_a_made_pair_has_the_modalities_that_are_asked_for_and_its_own_truth(model):
    codes = head_codes()
    small = replace_card(model, [32, 48, 32])
    for first in (0, 1):
        made = pairs.synthetic_head(small, anatomy_of(codes, 13))(0, first)
        assert made.modalities == (pairs.MODALITIES[first], pairs.MODALITIES[1 - first])
        assert made.fixed.shape == made.moving.shape == made.still.shape == (1, 1, 32, 48, 32)
        assert made.inside.mean() > 0.2
        found = torch.zeros_like(made.undo)
        for _ in range(30):
            found = -warp(made.undo, found)
        assert made.error_mm(found) < 0.1
        again = pairs.synthetic_head(small, anatomy_of(codes, 13))(0, first)
        assert torch.equal(made.moving, again.moving)


def head_codes() -> np.ndarray:
    z, y, x = np.meshgrid(*(np.arange(n) - n / 2 + 0.5 for n in (96, 128, 96)), indexing="ij", sparse=True)
    codes = np.zeros((96, 128, 96), np.uint16)
    for radius, code in ((1.0, 511), (0.9, 515), (0.8, 24), (0.75, 3), (0.6, 2), (0.2, 4)):
        codes[(z / 44) ** 2 + (y / 60) ** 2 + (x / 44) ** 2 < radius**2] = code
    return codes


def replace_card(model: Model, size: list[int]) -> Model:
    canvas = {"canvas": {"size": size, "spacing_mm": list(SPACING), "about": "tissue"}}
    return replace(model, card=replace(model.card, values=model.card.values | canvas))


# One pair through the network --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", list(observations.METHODS))
def test_the_maps_that_are_measured_are_those_that_explain_writes(model, pair, method):
    found = observations.observe(model.network, pair)
    there = motion_target(model.network, pair.fixed, pair.moving, "magnitude", pair.inside, pair.spacing)
    carried = warp(pair.inside[None, None], found.output.inverse, padding="zeros")[0, 0]
    back = motion_target(model.network, pair.fixed, pair.moving, "magnitude", carried, pair.spacing, inverse=True)
    for target, stages in ((there, observations.STAGES[:3]), (back, observations.STAGES[3:])):
        for one in attribution_method(method).maps(target, stages):
            mine = found.maps[method][one.stage]
            assert torch.allclose(mine, one.values, atol=1e-5 * float(mine.abs().max())), one.stage
            assert mine.abs().max() > 0


def test_an_identical_pair_has_no_maps_no_motion_and_is_consistent(model, pair):
    same = pair.identical()
    found = observations.observe(model.network, same)
    row = observations.indicators(model.network, same, found)
    assert all(m.abs().max() == 0 for maps in found.maps.values() for m in maps.values())
    assert row["moved_mm"] == row["error_mm"] == row["inverse_consistency_mm"] == 0
    assert math.isnan(row["complementarity_grad-cam"]) and math.isnan(row["symmetry_hirescam"])


def test_streams_and_directions_that_say_the_same_agree_though_their_signs_are_opposite():
    a, b = noise(0), noise(1)
    same = observations.compare_streams("m", a, -a, EVERYWHERE) | observations.compare_directions(
        "m", a, -a, EVERYWHERE
    )
    other = observations.compare_streams("m", a, b, EVERYWHERE) | observations.compare_directions("m", a, b, EVERYWHERE)
    for name in ("complementarity_m", "top_overlap_m", "symmetry_m"):
        assert same[name] == pytest.approx(1) and other[name] < 0.3
    assert same["streams_signed_m"] == same["directions_signed_m"] == pytest.approx(-1)


def test_the_moving_stream_s_map_is_carried_to_where_its_tissue_lies_in_fixed():
    there = torch.zeros(SHAPE)
    there[:, :, 10] = 1
    shift = torch.zeros(1, 3, *SHAPE)
    shift[:, 0] = 3.0  # fixed's x is found 3 voxels further in moving
    maps = {"grad-cam": {"encoder-fixed": noise(0), "encoder-moving": there}}
    of_fixed, carried = observations.encoder_maps_on_fixed(
        SimpleNamespace(maps=maps, output=SimpleNamespace(displacement=shift)), "grad-cam"
    )
    assert torch.equal(of_fixed, noise(0))
    assert torch.allclose(carried, there.roll(-3, 2), atol=1e-5)


def test_syntheses_begin_with_f_s_own_and_go_all_the_way_to_the_blur(model, pair):
    steps = homogeneity.syntheses(SimpleNamespace(network=model.network), pair, 0)
    own = steps[0][2]
    assert steps[0][:2] == ("intact", 0) and own.shape == pair.fixed.shape
    far = {
        kind: [float((image - own).abs().sum()) for k, _, image in steps if k == kind] for kind in homogeneity.SHARES
    }
    assert all(distances == sorted(distances) and distances[0] > 0 for distances in far.values())
    last = next(image for kind, n, image in steps if (kind, n) == ("blur", 4))
    assert torch.allclose(last, degradation.blur(own, homogeneity.BLUR_MM, pair.spacing), atol=1e-6)


def test_images_that_are_the_same_to_the_discriminator_do_not_diverge(model, pair):
    row = observations.compare_discriminator_maps(model.network, "T1", pair.fixed, pair.fixed, pair.inside)
    assert set(row.values()) == {0.0}
    other = observations.compare_discriminator_maps(model.network, "T1", pair.fixed, pair.fixed.flip(3), pair.inside)
    assert all(value > 0 for value in other.values())


def test_two_orders_that_undo_each_other_are_consistent(model, pair):
    found = observations.observe(model.network, pair)
    agreed = replace(found, output=replace(found.output, disagreement=torch.zeros_like(found.output.raw)))
    row, exact = observations.consistency(pair, found), observations.consistency(pair, agreed)
    assert exact["disagreement_mm"] == 0
    assert exact["two_orders_mm"] == pytest.approx(row["inverse_consistency_mm"], rel=1e-3)
    shift = torch.zeros_like(found.output.raw)
    shift[:, 0] = 0.5  # canvas voxels of 4 mm
    shifted = replace(found, output=replace(found.output, disagreement=shift))
    assert observations.consistency(pair, shifted)["disagreement_mm"] == pytest.approx(2.0, rel=1e-4)


# Made worse --------------------------------------------------------------------------------------------------------


def test_every_step_makes_more_of_one_thing_worse_and_leaves_the_rest(model, pair):
    before = {name: p.clone() for name, p in model.network.named_parameters()}
    for kind in degradation.STEPS:
        change = []
        for step in degradation.steps():
            if step.kind != kind:
                continue
            image, network = step.image(pair, 1), step.network(model.network, 1)
            assert torch.equal(image.fixed, pair.fixed)
            weights = zip(network.parameters(), model.network.parameters(), strict=True)
            moved = sum(float((a - b).abs().sum()) for a, b in weights)
            change.append(moved + float((image.moving - pair.moving).abs().sum()))
        assert change == sorted(change) and change[0] > 0, kind
    assert all(torch.equal(before[name], p) for name, p in model.network.named_parameters())


def test_the_slab_is_black_as_thick_as_said_and_in_the_tissue(pair):
    image = degradation.without_slab(pair, 16.0)
    gone = [k for k, was in enumerate(pair.moving[0, 0]) if (was > 0).any() and not (image[0, 0, k] > 0).any()]
    assert len(gone) == 4 and gone == list(range(gone[0], gone[0] + 4))


def test_the_cascade_reaches_every_weight_of_g_t_f_and_d_once(model):
    paths = [path for several in CASCADE.values() for path in several]
    inside = [name for name, _ in model.network.named_parameters() if name.startswith(tuple(f"{p}." for p in paths))]
    whole = ("encoder.", "transformation.", "synthesis.", "discriminators.")
    assert inside == [name for name, _ in model.network.named_parameters() if name.startswith(whole)]
    made = randomise_weights(model.network, CASCADE["T's answer"], 0)
    assert not torch.equal(made.transformation.part[0].weight, model.network.transformation.part[0].weight)
    assert torch.equal(made.encoder.down[0][0].weight, model.network.encoder.down[0][0].weight)


def test_a_part_of_g_is_off_only_while_it_is_said_to_be(model, pair):
    whole = model.network.encoder(pair.fixed)
    for part in complementarity.encoder_parts(model.network):
        with complementarity.switched_off(model.network, part):
            without = model.network.encoder(pair.fixed)
        assert not torch.equal(whole[-1], without[-1]), part
        assert torch.equal(whole[-1], model.network.encoder(pair.fixed)[-1]), part
    with complementarity.switched_off(model.network, "level 3"):
        assert without_descriptors(model.network.encoder(pair.fixed)[0]).abs().max() == 0
    with complementarity.switched_off(model.network, "level 1"):
        assert torch.equal(model.network.encoder(pair.fixed)[0], whole[0])  # coarser levels see all of it
    with complementarity.switched_off(model.network, "channels 1 of 4"):
        assert model.network.encoder(pair.fixed)[-1][:, :1].abs().max() == 0
    with complementarity.switched_off(model.network, "self-similarity"):
        for level, before in zip(model.network.encoder(pair.fixed), whole, strict=True):
            assert level[:, -12:].abs().max() == 0
            assert torch.equal(without_descriptors(level), without_descriptors(before))


# Faithfulness ------------------------------------------------------------------------------------------------------


def toy(fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
    """A registration that looks at one corner of the images: the more detail there, the further it moves all."""
    strength = (fixed**2 + moving**2)[..., :8, :8, :8].mean()
    return strength * torch.ones(1, 3, *fixed.shape[2:])


def toy_pair() -> pairs.Pair:
    images = [noise(seed, (1, 1, *SHAPE)).clamp(0, 1) for seed in (0, 1)]
    nothing = torch.zeros(1, 3, *SHAPE)
    return pairs.Pair("toy", "toy", ("T1", "FLAIR"), *images, EVERYWHERE, nothing, images[1], SPACING)


def areas(order: torch.Tensor, kind: str) -> float:
    points = list(faithfulness.Curves(toy, toy_pair()).points((order, order), kind))
    assert points[0]["value"] == pytest.approx(1) if kind == "deletion" else points[-1]["value"] == pytest.approx(1)
    return measures.area(faithfulness.FRACTIONS, [point["value"] for point in points])


def test_the_map_that_is_the_truth_deletes_and_inserts_best():
    cells = tuple(n // 2 for n in SHAPE)
    truth = torch.zeros(cells)
    truth[:4, :4, :4] = 1
    orders = {"truth": truth, "random": noise(3, cells), "wrong": -truth}
    deletion = {name: areas(order, "deletion") for name, order in orders.items()}
    insertion = {name: areas(order, "insertion") for name, order in orders.items()}
    assert deletion["truth"] < deletion["random"] < deletion["wrong"]
    assert insertion["truth"] > insertion["random"] > insertion["wrong"]


def test_top_cells_are_the_highest_and_whole():
    cells = torch.arange(8.0).view(2, 2, 2)
    taken = faithfulness.top_cells(cells, 0.25)
    assert taken.shape == (4, 4, 4) and taken.sum() == 16
    assert taken[2:, 2:].all() and not taken[:2].any()


def test_a_gain_is_positive_where_a_map_deletes_lower_and_inserts_higher():
    rows = [
        {"pair": str(k), "ordering": name, "deletion_value": low, "insertion_value": 1 - low}
        for k in range(6)
        for name, low in (("grad-cam", 0.2 + k / 100), ("random", 0.5 + k / 100))
    ]
    for name in ("deletion_value", "insertion_value"):
        assert faithfulness.gain(rows, "grad-cam", "random", name)[:3] == pytest.approx((0.3, 0.3, 0.3))
        assert faithfulness.gain(rows, "random", "grad-cam", name).high < 0


def test_the_bump_is_highest_where_it_says_moves_nothing_at_its_centre_and_folds_nothing(pair):
    x, y, z = (n // 2 for n in reversed(pair.inside.shape))
    centre = torch.tensor([x, y, z])
    field = pointing.bump(pair, centre)
    lengths = 4.0 * field.norm(dim=1)[0]
    assert lengths[z, y, x] == 0
    assert lengths.max() == pytest.approx(pointing.BUMP_MM, rel=0.02)
    far = pointing.distance_mm(pair, centre).flatten()[lengths.argmax()]
    assert float(far) == pytest.approx(pointing.BUMP_SD_MM, abs=2)
    assert field[0, 0, z, y, x + 2] < 0 < field[0, 0, z, y, x - 2]  # a pull-back towards the centre: an expansion
    step = field[0, 0].diff(dim=2)
    assert step.min() > -1


def test_a_map_with_its_largest_value_at_the_bump_is_a_hit_and_another_is_not(pair, monkeypatch):
    centres = iter([None, *pointing.places(pair, 0).tolist()])  # the pair without a bump is looked at first
    tissue = pair.inside.nonzero()[0].tolist()

    def planted(network, shown):
        """Both methods' maps are 0 but for one voxel: at the bump, or, still larger, where the tissue begins."""
        right, wrong = torch.zeros_like(pair.inside), torch.zeros_like(pair.inside)
        centre = next(centres)
        if centre:
            right[tuple(reversed(centre))] = wrong[tuple(reversed(centre))] = 1.0
            wrong[tuple(tissue)] = -2.0
        maps = {"grad-cam": right, "hirescam": wrong}
        output = SimpleNamespace(displacement=torch.zeros_like(pair.undo))
        return SimpleNamespace(maps={m: dict.fromkeys(observations.STAGES, v) for m, v in maps.items()}, output=output)

    monkeypatch.setattr(pointing, "observe", planted)
    rows = list(pointing.of_head(SimpleNamespace(network=None), pair, 0))
    table = {(r["method"], r["looked_at"]): r for r in pointing.rates(rows)}
    assert table["grad-cam", "difference"]["hits"] == 1 and table["grad-cam", "difference"]["to_be_trusted"] == "yes"
    assert table["hirescam", "map"]["hits"] == 0 and table["hirescam", "map"]["to_be_trusted"] == "no"
    assert 0 < table["blind guess", ""]["hits"] < 0.6


# Verdicts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Estimate(0.5, 0.1, 0.9, 20), "holds"),
        (Estimate(-0.5, -0.9, -0.1, 20), "does not hold"),
        (Estimate(0.5, -0.1, 0.9, 20), "not shown"),
        (Estimate(0.5, 0.1, 0.9, 4), "not shown"),
        (measures.NOTHING, "not shown"),
    ],
)
def test_a_verdict_is_read_off_the_interval(found, verdict):
    assert claims.verdict_above(found, 0.0) == verdict


def test_a_correlation_of_the_wrong_sign_is_a_claim_that_fails_and_says_how_strongly():
    falling = Estimate(-0.8, -0.9, -0.6, 20)
    assert claims.correlation_claim("c", "p", falling, -1).verdict == "holds (strong)"
    assert claims.correlation_claim("c", "p", falling, 1).verdict == "does not hold (strong)"
    assert claims.verdict_above(claims.below(Estimate(0.05, 0.04, 0.06, 20), 0.1), 0.0) == "holds"
    assert claims.verdict_above(claims.above(Estimate(0.95, 0.85, 0.99, 20), 0.9), 0.0) == "not shown"


def test_a_map_of_the_opposite_sign_is_still_alike_when_weights_are_random():
    rows = [
        {"step": "G downwards", **{f"kept_m {stage}": sign for stage in observations.STAGES}} for sign in (-1.0, 1.0)
    ]
    assert claims.randomisation_similarity([*rows, {"step": "T's answer"}], "m") == Estimate(1.0, 1.0, 1.0, 2)


# The whole ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name, turn in (("patient01", 0.0), ("patient02", 12.0)):
        (folder / "ms_mni" / name).mkdir(parents=True)
        for contrast in ("T1", "FLAIR"):
            image = fire_model.head(contrast, turn)[0]
            sitk.WriteImage(image, str(folder / "ms_mni" / name / f"{contrast}.nii.gz"))
    return folder


def run_study(data, output, *options):
    arguments = ["study", "multimodal", "--data", str(data), "--output", str(output), "--pairs", "3"]
    return CliRunner().invoke(main, [*arguments, "--device", "cpu", "--threads", "1", "--progress", "json", *options])


@pytest.fixture(scope="module")
def study(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    model = fire_model.write_fire_model(folder / "model")
    with pytest.MonkeyPatch.context() as patch:  # in seconds: fewer draws, pairs that are probed, and steps
        patch.setattr(measures, "RESAMPLES", 100)
        patch.setattr(run, "MIN_PAIRS", 2)
        patch.setattr(degradation, "STEPS", {"noise": (0.02, 0.1), "slab": (20.0,), "weights": (0.1,)})
        done = run_study(data, folder / "made" / "out é", "--model", str(model))
    assert done.exit_code == 0, done.output
    return folder / "made" / "out é", [json.loads(line) for line in done.stdout.splitlines()]


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.ci
def test_the_whole_study_is_written_and_what_is_absent_is_said(study):
    folder, events = study
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    files = {path.name for path in folder.iterdir()}
    assert files == {"report.html", "claims.csv", "reference.json", "study.json", "figures", "tables"}
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    assert len(warnings) == 2 and "ms_longitudinal" in warnings[0] and "brain_labels" in warnings[1]
    assert events[-1] == {"event": "finished", "result": str(folder)}
    assert len({event["stage"] for event in events if event["event"] == "progress"}) >= 8


@pytest.mark.ci
def test_every_claim_has_a_verdict_and_its_tables(study):
    folder, _ = study
    tables = {path.stem for path in (folder / "tables").iterdir()}
    found = rows(folder / "claims.csv")
    assert {claim["claim"][0] for claim in found} == set("1234")
    for claim in found:
        assert re.match("holds|does not hold|not shown", claim["verdict"]), claim
        assert set(claim["computed_from"].split(", ")) <= tables, claim
    consistent = next(claim for claim in found if "inverse consistent" in claim["claim"])
    assert consistent["verdict"] == "not shown"  # three pairs are too few to say it


@pytest.mark.ci
def test_the_rows_are_those_of_the_pairs_and_their_nulls(study):
    folder, _ = study
    found = rows(folder / "tables" / "pairs.csv")
    kinds = [row["kind"] for row in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "ordinary": 3,
        "one modality": 3,
        "identical": 2,
        "shuffled": 2,
    }
    own = [row for row in found if row["kind"] == "ordinary"]
    assert all(float(row["error_before_mm"]) > 3 and float(row["largest_map"]) > 0 for row in own)
    assert all(float(row["largest_map"]) == 0 for row in found if row["kind"] == "identical")
    worse = rows(folder / "tables" / "degraded.csv")
    assert len(worse) == 2 * (1 + 4)
    intact = [float(row["kept_hirescam"]) for row in worse if row["kind"] == "intact"]
    assert intact == pytest.approx([1.0] * 2)


@pytest.mark.ci
def test_the_reference_has_the_ranges_that_a_card_takes(study):
    folder, _ = study
    found = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    assert set(found) == {"symmetry_mm", "complementarity", "homogeneity"}
    for name, spread in found.items():
        assert spread["p5"] <= spread["median"] <= spread["p95"], name
    measured = sorted(float(row["symmetry_mm"]) for row in rows(folder / "tables" / "indicators.csv"))
    assert found["symmetry_mm"]["median"] == pytest.approx(np.median(measured))


@pytest.mark.ci
def test_the_report_is_complete_in_itself_and_names_no_place_on_this_computer(study, data):
    folder, _ = study
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(list((folder / "figures").iterdir())) > 8
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "Complementarity" in page and "Homogeneity" in page and ">nan" not in page
    for path in [folder / "report.html", *folder.glob("*.csv"), *folder.glob("*.json"), *folder.glob("tables/*.csv")]:
        text = path.read_text(encoding="utf-8")
        assert str(data) not in text and str(folder.parent) not in text, path


def test_a_study_without_data_or_with_another_kind_of_model_ends_in_one_sentence(tmp_path, data):
    (tmp_path / "empty").mkdir()
    model = fire_model.write_fire_model(tmp_path / "model")
    for done in (
        run_study(tmp_path / "nowhere", tmp_path / "out", "--model", str(model)),
        run_study(tmp_path / "empty", tmp_path / "out", "--model", str(model)),
        run_study(data, tmp_path / "out", "--model", "hippocampus"),
        run_study(data, tmp_path / "out", "--model", str(model), "--pairs", "1"),
    ):
        assert done.exit_code == 2, done.output
        assert json.loads(done.stdout.splitlines()[-1])["event"] == "error"
    assert not (tmp_path / "out").exists()


def test_nothing_is_left_where_a_study_breaks_off(tmp_path, data, monkeypatch):
    from regexplain.studies.multimodal import study as multimodal

    def broken(run):
        run.write_table("pairs", [{"pair": "a"}])
        raise KeyboardInterrupt

    monkeypatch.setattr(multimodal, "ordinary", broken)
    model = fire_model.write_fire_model(tmp_path / "model")
    done = run_study(data, tmp_path / "made" / "out", "--model", str(model))
    assert done.exit_code == 130
    assert not list((tmp_path / "made").iterdir())
