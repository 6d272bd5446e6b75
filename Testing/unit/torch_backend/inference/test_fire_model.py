"""A model for two contrasts from its folder to the report: registered, explained at every stage, refused in words."""

import json
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import regexplain.results
from equivalent_scans import points_in, transform_points
from fire_model import WHITE, head
from regexplain import components, decompose, explain, register
from regexplain.cards import registry
from regexplain.cards.stages import STAGES
from regexplain.cli import main
from regexplain.errors import BadInputError
from regexplain.results import ResultFolder
from regexplain.results.metrics import region_table
from regexplain.torch_backend.attribution.heatmaps import heatmaps
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.inference.regions import regions
from regexplain.volumes.geometry import Grid
from regexplain.volumes.intensities import TISSUE_THRESHOLD

SCHEMA = json.loads((Path(regexplain.results.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))
POSE = {"turn": 8.0, "shift": (6.0, -4.0, 5.0)}


@pytest.fixture(scope="module")
def pair(fire_model):
    """T1 fixed, FLAIR moving, with their segmentations."""
    (fixed, fixed_labels), (moving, moving_labels) = head("T1"), head("FLAIR", **POSE)
    return register(
        fixed,
        moving,
        model=str(fire_model),
        fixed_segmentation=fixed_labels,
        moving_segmentation=moving_labels,
        threads=1,
    )


@pytest.fixture(scope="module")
def maps(pair, fire_model):
    return {heatmap.stage: heatmap for heatmap in explain(pair, model=fire_model, threads=1)}


def test_the_models_own_affine_part_aligns_and_the_result_is_whole(pair, tmp_path):
    assert pair.record["alignment"]["kind"] == "network" and pair.record["kind"] == "deformable"
    assert pair.record["alignment"]["translation_mm"] > 3  # it is not the identity that is tested here
    assert pair.record["displacement_mm"]["mean"] > 0.3 and pair.record["jacobian"]["min"] > 0
    assert pair.record["population"] is None
    pair.save(tmp_path / "r")
    jsonschema.validate(ResultFolder.open(tmp_path / "r").record, SCHEMA)
    warped = sitk.ReadImage(str(tmp_path / "r" / "warped_moving.nii.gz"))
    assert Grid.of(warped).size == Grid.of(pair.fixed).size


def test_the_canvas_holds_the_tissue_and_little_air(fire_model):
    """In whole cells of the coarsest level, and never more than the card says."""
    model = Model.load(registry.find_card(str(fire_model)), "cpu", threads=1)
    scan = head("T1")[0]
    canvas, cells = model.canvas(scan), model.card.coarsest_cell
    assert all(size % cells == 0 for size in canvas.size) and np.prod(canvas.size) < np.prod(model.card.canvas_size)
    seen = np.argwhere(sitk.GetArrayFromImage(model.scaled(scan)) > TISSUE_THRESHOLD)[:, ::-1]
    away = np.abs((Grid.of(scan).world(seen) - canvas.centre) @ canvas.axes)
    assert (away <= canvas.extent / 2).all(1).mean() > 0.995
    longest = canvas.extent / 2 - away.max(0)
    assert (longest < (cells + 2) * np.array(canvas.spacing)).all()
    coarse = replace(model.card, values=model.card.values | {"canvas": model.card.values["canvas"] | {"size": [8] * 3}})
    assert replace(model, card=coarse).canvas(scan).size == (8, 8, 8)


def test_a_network_that_names_no_widths_says_what_its_canvas_is_a_multiple_of(fire_model):
    """A network that someone adds (docs/architecture.md, "Where to add")."""
    model = Model.load(registry.find_card(str(fire_model)), "cpu", threads=1)
    values = model.card.values
    for canvas, multiple in (({}, 1), ({"multiple": 5}, 5)):
        card = replace(model.card, values=values | {"network": {"type": "mine"}, "canvas": values["canvas"] | canvas})
        size = np.array(replace(model, card=card).canvas(head("T1")[0]).size)
        assert (size % multiple == 0).all() and (size < values["canvas"]["size"]).any()


def test_what_the_network_itself_sees_is_measured_region_by_region_where_it_lies(fire_model, monkeypatch):
    """On a grid that is oblique and stored in another order; the read-out has half the canvas' resolution."""
    import torch

    card = registry.find_card(str(fire_model))
    card.values["segments"] = {"1": "left half", "2": "right half"}
    model = Model.load(card, "cpu", threads=1)
    scan = head("T1")[0]
    encoded = model.encode(scan)
    d, h, w = (n // 2 for n in encoded.volume.shape[2:])
    left = torch.where(torch.arange(w) >= w // 2, 1.0, -1.0).expand(1, 1, d, h, w)  # x of a canvas runs to the left
    below = torch.where(torch.arange(d) < d // 2, 1.0, -1.0)[:, None, None].expand(1, 1, d, h, w)
    monkeypatch.setattr(
        model.network, "segmentation_logits", lambda features: torch.cat([left, -left], 1).minimum(below)
    )
    labelled, names = regions(model, encoded)
    on = Grid.of(scan)
    labels = sitk.GetArrayFromImage(on.resample(labelled, nearest=True))
    index = np.argwhere(labels >= 0)[:, ::-1]
    away = (on.world(index) - encoded.canvas.centre) @ encoded.canvas.axes
    clear = (np.abs(away) > encoded.canvas.spacing).all(1) & (np.abs(away) < encoded.canvas.extent / 2 - 4).all(1)
    expected = np.where(away[:, 2] > 0, 0, np.where(away[:, 0] > 0, 1, 2))
    assert clear.sum() > 1000 and (labels.reshape(-1)[clear] == expected[clear]).all()
    millimetres = np.where(labels == 1, 3.0, 1.0)
    rows = region_table(on.image(labels), names, millimetres, np.where(labels == 2, 0.5, 2.0))
    assert [(r["name"], r["displacement_mm"]["mean"], r["jacobian"]["mean"]) for r in rows] == [
        ("left half", 3.0, 2.0),
        ("right half", 1.0, 0.5),
    ]
    assert rows[0]["volume_ml"] == pytest.approx((labels == 1).sum() * np.prod(scan.GetSpacing()) / 1000)


def test_a_speck_is_no_region():
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[0, 0, :6], labels[5] = 1, 2
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((4.0, 4.0, 4.0))
    rows = region_table(image, {1: "speck", 2: "slab", 3: "nothing"}, np.ones(labels.shape), np.ones(labels.shape))
    assert [(row["name"], row["volume_ml"]) for row in rows] == [("slab", pytest.approx(6.4))]


@pytest.mark.slow
def test_a_result_tells_the_regions_that_the_network_names_and_old_ones_lack(pair, fire_model, monkeypatch):
    assert "regions" not in pair.record, "this card names none"
    named = registry.find_card(str(fire_model))
    named.values["segments"] = {"1": "white matter", "2": "ventricles"}
    monkeypatch.setattr(registry, "find_card", lambda model: named)
    result = register(head("T1")[0], head("FLAIR")[0], "named", threads=1)
    found = {row["name"] for row in result.record["regions"]}
    assert found and found <= {"white matter", "ventricles"} and result.record["segments"] == []
    jsonschema.validate(result.record, SCHEMA)


def test_a_given_transform_takes_the_place_of_the_affine_part(fire_model):
    given = sitk.TranslationTransform(3, (1.0, 2.0, 3.0))
    result = register(head("T1")[0], head("FLAIR")[0], str(fire_model), initial_transform=given, threads=1)
    assert result.record["alignment"]["kind"] == "given"


@pytest.mark.slow
def test_the_swapped_pair_has_nearly_the_inverse_alignment(pair, fire_model):
    swapped = register(pair.moving, pair.fixed, str(fire_model), threads=1)
    points = points_in(pair.fixed)
    there = transform_points(pair.transform.alignment, points)
    moved = np.linalg.norm(there - points, axis=1).mean()
    assert moved > 5
    assert np.linalg.norm(transform_points(swapped.transform.alignment, there) - points, axis=1).mean() < 0.1 * moved


def test_the_swapped_pair_is_deformed_back(fire_model):
    """Nearly: the canvas lies about the tissue of the other image, so the two see voxels that are a little apart, which
    a network of random weights heeds. An answer that is not undone would end about √2 times as far off as it moved."""
    images, still = [head(contrast)[0] for contrast in ("T1", "FLAIR")], sitk.TranslationTransform(3)
    there, back = (
        register(*both, str(fire_model), initial_transform=still, threads=1).transform.itk()
        for both in (images, images[::-1])
    )
    points = points_in(images[0])
    moved = transform_points(there, points)
    assert np.linalg.norm(moved - points, axis=1).mean() > 0.5
    off = np.linalg.norm(transform_points(back, moved) - points, axis=1)
    assert off.mean() < 0.8 * np.linalg.norm(moved - points, axis=1).mean()


def test_every_stage_has_a_signed_map_on_its_own_image(pair, maps):
    assert set(maps) == set(STAGES["fire"])
    for stage, heatmap in maps.items():
        home = pair.moving if "moving" in stage or "backward" in stage else pair.fixed
        assert Grid.of(heatmap.image) == Grid.of(home), stage
        values = sitk.GetArrayViewFromImage(heatmap.image)
        assert np.isfinite(values).all() and values.any(), stage
    assert {stage for stage, heatmap in maps.items() if heatmap.scalar == "synthesis"} == {
        "synthesis-fixed",
        "synthesis-moving",
    }
    assert all((m.scalar == "realness") == stage.startswith("discriminator") for stage, m in maps.items())
    assert [heatmap.file for stage, heatmap in maps.items()] == [f"heatmaps/{stage}.nii.gz" for stage in maps]


def hooks_of(network) -> list:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [hook for module in network.modules() for kind in kinds for hook in getattr(module, kind).values()]


def test_explaining_twice_gives_the_same_maps_bit_for_bit_and_leaves_no_hook(pair, maps, fire_model):
    model = Model.load(registry.find_card(fire_model), "cpu", 1)
    again = heatmaps(model, pair, [], pair.fixed_segmentation > 0, "all segments", None)
    for heatmap in again:
        first = sitk.GetArrayViewFromImage(maps[heatmap.stage].image)
        assert np.array_equal(sitk.GetArrayViewFromImage(heatmap.image), first), heatmap.stage
    heatmaps(model, pair, ["encoder.refine.1", "affine.heat"], pair.fixed > 0, "whole image", None)
    assert hooks_of(model.network) == []
    assert all(not p.requires_grad and p.grad is None for p in model.network.parameters())


def test_one_stage_alone_is_the_same_as_among_all(pair, maps, fire_model):
    for stage in ("transformation-backward", "discriminator-moving-synthetic", "affine-moving"):
        [alone] = explain(pair, [stage], model=fire_model, threads=1)
        assert alone.stage == stage and alone.record == maps[stage].record
        assert np.array_equal(*(sitk.GetArrayViewFromImage(m.image) for m in (alone, maps[stage])))


def test_all_stages_together_take_one_pass_of_the_pair(pair, fire_model):
    """That pass is most of what a heatmap costs."""
    model, passes = Model.load(registry.find_card(fire_model), "cpu", 1), []
    for name in ("encoder", "transformation"):
        part = getattr(model.network, name)
        part.register_forward_hook(lambda *_, name=name: passes.append(name))
    assert len(heatmaps(model, pair, [], pair.fixed_segmentation > 0, "all segments", None)) == len(STAGES["fire"])
    assert passes == ["encoder", "transformation"]


@pytest.mark.slow
def test_modules_of_every_component_are_stages_by_their_paths(pair, fire_model):
    [fixed, moving] = Model.load(registry.find_card(fire_model), "cpu", 1).network.modalities
    asked = ["encoder.refine.1", "affine.heat-moving", "transformation.refine.2-backward"]
    found = explain(pair, asked, WHITE, method="hirescam", model=fire_model, threads=1)
    assert [(m.stage, m.grid) for m in found] == [
        ("encoder.refine.1-fixed", "fixed"),
        ("encoder.refine.1-moving", "moving"),
        ("transformation.refine.2-backward", "moving"),
        ("affine.heat-moving", "moving"),
    ]
    for name in ("synthesis.{}.refine.0", "discriminators.{}.down.1"):
        paths = [name.format(modality) for modality in (fixed, moving)]
        answers = [stages_or_complaint(pair, path, fire_model) for path in paths]
        assert {stage.partition("-")[2] for answer in answers for stage in answer} >= {"fixed", "moving"}


def stages_or_complaint(pair, path: str, model) -> list[str]:
    """The stages of a module's maps; of the modality that neither image is taken for there are none."""
    try:
        return [m.stage for m in explain(pair, [path], model=model, threads=1)]
    except BadInputError as error:
        assert f"no stage '{path}'" in str(error)
        return []


@pytest.mark.parametrize("stage", ["nowhere", "synthesis.CT.refine.0", "modality", "decoder"])
def test_a_stage_that_there_is_not_is_named_with_all_that_there_are(pair, fire_model, stage):
    with pytest.raises(BadInputError, match=f"no stage '{stage}'.*{', '.join(STAGES['fire'][2:4])}.*discriminator"):
        explain(pair, [stage], model=fire_model, threads=1)


def test_a_direction_is_explained_where_something_moves_and_left_out_elsewhere(pair, fire_model):
    stages = ["encoder-fixed", "transformation-backward", "affine-fixed", "synthesis-fixed"]
    found = explain(pair, stages, scalar="left", model=fire_model, threads=1)
    assert {m.stage: m.file for m in found} == {
        "encoder-fixed": "heatmaps/encoder-fixed.left.nii.gz",
        "transformation-backward": "heatmaps/transformation-backward.left.nii.gz",
        "affine-fixed": "heatmaps/affine-fixed.nii.gz",
        "synthesis-fixed": "heatmaps/synthesis-fixed.nii.gz",
    }


def test_what_takes_latent_components_is_refused_in_one_sentence(pair, fire_model):
    for ask in (components, decompose, lambda *a, **k: explain(*a, component=1, **k)):
        with pytest.raises(BadInputError, match="tiny-t1-flair has no latent components: .* stage by stage"):
            ask(pair, model=fire_model, threads=1)


@pytest.mark.slow
def test_it_all_works_from_the_command_line_and_stands_in_the_report(fire_model, tmp_path):
    for role, contrast, pose in (("fixed", "T1", {}), ("moving", "FLAIR", POSE)):
        sitk.WriteImage(head(contrast, **pose)[0], str(tmp_path / f"{role}.nii.gz"))
    folder, more = str(tmp_path / "r"), ["--model", str(fire_model), "--threads", "1"]
    inputs = [str(tmp_path / f"{role}.nii.gz") for role in ("fixed", "moving")]
    began = time.process_time()
    for words in (["register", *inputs, "--output", folder], ["explain", folder]):
        done = CliRunner().invoke(main, [*words, *more])
        assert done.exit_code == 0, done.output
    assert time.process_time() - began < 15
    record = ResultFolder.open(folder).record
    jsonschema.validate(record, SCHEMA)
    assert {row["stage"] for row in record["heatmaps"]} == set(STAGES["fire"])
    html = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    for words in (
        "Affine part on the moving image",
        "Transformation from the fixed to the moving image",
        "Synthesis of the fixed image",
        "Discriminator on the synthetic moving image",
        "the model&#39;s own affine part",
        "judges which images are real",
    ):
        assert words in html, words
    assert "Latent components" not in html
    for words in (["components", folder], ["decompose", folder], ["explain", folder, "--component", "1"]):
        done = CliRunner().invoke(main, [*words, *more])
        assert done.exit_code == 2 and "has no latent components" in done.output, done.output
