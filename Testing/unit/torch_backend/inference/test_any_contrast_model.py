"""A model for any pair: its canvas fits the pair, whatever its size; what it has not is refused in words."""

import numpy as np
import pytest
import SimpleITK as sitk

from fire_model import head, write_any_contrast_model
from regexplain import explain, register, trust
from regexplain.cards import registry
from regexplain.errors import BadInputError
from regexplain.torch_backend.networks.fire import FireNetwork
from regexplain.volumes.geometry import Grid

STAGES = tuple(FireNetwork.STAGES)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_any_contrast_model(tmp_path_factory.mktemp("any") / "model"))


def scaled(image: sitk.Image, factor: float) -> sitk.Image:
    copy = sitk.Image(image)
    copy.SetSpacing([factor * s for s in image.GetSpacing()])
    copy.SetOrigin([factor * o for o in image.GetOrigin()])
    return copy


@pytest.fixture(scope="module")
def scans():
    return head("T1")[0], head("FLAIR", turn=3.0, shift=(2.0, -1.0, 2.0))[0]


@pytest.fixture(scope="module")
def result(scans, model):
    return register(*scans, model=model, threads=1)


def test_a_pair_of_any_size_is_moved_in_proportion(scans, result, model):
    whole = result.record["displacement_mm"]["mean"]
    assert result.record["model"]["inside_domain"] and not result.record["warnings"] and whole > 0.1
    for factor in (0.25, 6.0):
        other = register(*(scaled(scan, factor) for scan in scans), model=model, threads=1)
        assert other.record["displacement_mm"]["mean"] == pytest.approx(factor * whole, rel=1e-3)


def test_it_is_explained_on_the_canvas_on_which_it_was_registered(result, model):
    maps = {heatmap.stage: heatmap.image for heatmap in explain(result, model=model, threads=1)}
    assert set(maps) == set(STAGES) == set(registry.card(model).stages)
    for stage, image in maps.items():
        grid = Grid.of(result.fixed if stage.endswith(("fixed", "forward")) else result.moving)
        assert Grid.of(image).size == grid.size
        assert np.abs(sitk.GetArrayFromImage(image)).max() > 0


def test_it_refines(scans, result, model):
    refined = register(*scans, model=model, refine=2, threads=1)
    assert refined.record["displacement_mm"]["mean"] != pytest.approx(
        result.record["displacement_mm"]["mean"], abs=1e-6
    )


def test_what_looks_at_two_contrasts_is_refused(result, model):
    assert not registry.card(model).has_indicators
    with pytest.raises(BadInputError, match="no parts for two contrasts"):
        trust(result, model=model)


def test_an_image_of_few_slices_is_outside_its_domain(scans, model):
    thin = scans[1][:, :, :12]
    reasons = registry.card(model).outside_domain({"fixed": Grid.of(thin), "moving": Grid.of(scans[0])})
    assert reasons == ["the fixed image has 12 voxels up-down, the model needs 16"]


def test_a_model_for_any_pair_comes_after_those_made_for_a_kind(tmp_path, monkeypatch, fire_model, scans):
    write_any_contrast_model(tmp_path / "a")
    (tmp_path / "b").symlink_to(fire_model, target_is_directory=True)
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    assert [card.name for card in registry.installed()] == ["tiny-t1-flair", "tiny-any-contrast"]
    grids = {"fixed": Grid.of(scans[0]), "moving": Grid.of(scans[1])}
    assert registry.fitting(grids).name == "tiny-t1-flair"
    small = {role: Grid.of(scaled(scan, 0.2)) for role, scan in zip(grids, scans, strict=True)}
    assert registry.fitting(small).name == "tiny-any-contrast"
