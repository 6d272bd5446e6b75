"""A model for any pair: its canvas fits the pair, whatever its size; what it has not is refused in words."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from fire_model import head, write_any_contrast_model
from regexplain import explain, register, trust
from regexplain.cards import registry
from regexplain.errors import BadInputError
from regexplain.progress import Progress
from regexplain.registration.log import Log
from regexplain.registration.model_choice import choose
from regexplain.registration.pair import ImagePair
from regexplain.results.registration_result import RegistrationResult
from regexplain.torch_backend.networks.fire import FireNetwork
from regexplain.volumes.geometry import Grid

STAGES = tuple(FireNetwork.stages)


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
    assert result.record["model"]["inside_domain"] and whole > 0.1
    for factor in (0.25, 6.0):
        other = register(*(scaled(scan, factor) for scan in scans), model=model, threads=1)
        assert other.record["displacement_mm"]["mean"] == pytest.approx(factor * whole, rel=1e-3)


def test_it_is_explained_on_the_canvas_on_which_it_was_registered(result, model):
    maps = {heatmap.stage: heatmap.image for heatmap in explain(result, model=model, threads=1)}
    assert set(maps) == set(STAGES) == set(registry.find_card(model).stages)
    for stage, image in maps.items():
        grid = Grid.of(result.fixed if stage.endswith(("fixed", "forward")) else result.moving)
        assert Grid.of(image).size == grid.size
        assert np.abs(sitk.GetArrayFromImage(image)).max() > 0


@pytest.mark.slow
def test_it_refines(scans, result, model):
    refined = register(*scans, model=model, refine=2, threads=1)
    assert refined.record["displacement_mm"]["mean"] != pytest.approx(
        result.record["displacement_mm"]["mean"], abs=1e-6
    )


def test_what_looks_at_two_contrasts_is_refused(result, model):
    assert not registry.find_card(model).has_indicators
    with pytest.raises(BadInputError, match="no parts for two contrasts"):
        trust(result, model=model)


def test_an_image_of_few_slices_is_outside_its_domain(scans, model):
    thin = scans[1][:, :, :12]
    reasons = registry.find_card(model).domain_violations({"fixed": Grid.of(thin), "moving": Grid.of(scans[0])})
    assert reasons == ["the fixed image has 12 voxels up-down, the model needs 16"]


def test_a_model_for_any_pair_comes_after_those_made_for_a_kind(tmp_path, monkeypatch, fire_model, scans):
    write_any_contrast_model(tmp_path / "a")
    (tmp_path / "b").symlink_to(fire_model, target_is_directory=True)
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    assert [card.name for card in registry.installed_cards()] == ["tiny-t1-flair", "tiny-any-contrast"]
    large = {role: Grid.of(scan) for role, scan in zip(("fixed", "moving"), scans, strict=True)}
    assert [bool(card.domain_violations(large)) for card in registry.installed_cards()] == [False, False]
    small = {role: Grid.of(scaled(scan, 0.2)) for role, scan in zip(("fixed", "moving"), scans, strict=True)}
    assert [bool(card.domain_violations(small)) for card in registry.installed_cards()] == [True, False]


@pytest.fixture(scope="module")
def masks(scans):
    """All but a half of the fixed image; all of the moving one but a corner."""
    made = []
    for scan, outside in zip(scans, (np.s_[:, :, 30:], np.s_[:6, :8, :8]), strict=True):
        mask = np.ones(scan.GetSize()[::-1], np.uint8)
        mask[outside] = 0
        made.append(Grid.of(scan).image(mask))
    return made


def changed_outside(scan: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """Bright implants where the mask is 0."""
    array = sitk.GetArrayFromImage(scan)
    where = (sitk.GetArrayFromImage(mask) == 0) & (np.indices(array.shape).sum(0) % 5 == 0)
    array[where] = 3 * array.max()
    return Grid.of(scan).image(array)


@pytest.mark.slow
@pytest.mark.parametrize("refine", [0, 2])
def test_what_lies_outside_the_masks_counts_for_nothing(scans, masks, model, refine):
    named = dict(zip(("fixed_mask", "moving_mask"), masks, strict=True))
    changed = [changed_outside(scan, mask) for scan, mask in zip(scans, masks, strict=True)]
    plain, other = (register(*two, model=model, refine=refine, threads=1, **named) for two in (scans, changed))
    fields = [sitk.GetArrayFromImage(one.transform.displacement) for one in (plain, other)]
    assert np.abs(fields[0]).max() > 0.1 and np.allclose(*fields, atol=1e-6)
    unmasked = register(*changed, model=model, refine=refine, threads=1)
    assert not np.allclose(fields[0], sitk.GetArrayFromImage(unmasked.transform.displacement), atol=1e-2)


@pytest.mark.ci
@pytest.mark.slow
def test_a_result_keeps_its_masks_and_is_explained_as_the_network_saw_it(scans, masks, model, tmp_path):
    result = register(*scans, model=model, fixed_mask=masks[0], threads=1)
    result.save(tmp_path / "r")
    loaded = RegistrationResult.load(tmp_path / "r")
    kept, given = (sitk.GetArrayFromImage(mask) for mask in (loaded.fixed_mask, masks[0]))
    assert loaded.moving_mask is None and (kept == given).all()
    occluded = {m.stage: m.image for m in explain(loaded, method="occlusion", stages=["fixed"], model=model, threads=1)}
    share = np.abs(sitk.GetArrayFromImage(occluded["fixed"]))
    assert share.max() > 1e-3 and share[:, :, 38:].max() < 1e-6  # far from the border between the cubes


def test_a_mask_that_is_empty_is_refused(scans, model):
    nothing = Grid.of(scans[0]).image(np.zeros(scans[0].GetSize()[::-1], np.uint8))
    with pytest.raises(BadInputError, match="fixed mask is empty"):
        register(*scans, model=model, fixed_mask=nothing)


def as_ct(scan: sitk.Image) -> sitk.Image:
    """In Hounsfield units: air where it was dark."""
    array = sitk.GetArrayFromImage(scan).astype(np.int16)
    return Grid.of(scan).image(np.where(array < 60, -1000 + array // 8, array // 4).astype(np.int16))


def test_auto_takes_it_for_what_no_model_was_made_for_but_not_for_masks(tmp_path, monkeypatch, fire_model, scans):
    write_any_contrast_model(tmp_path / "a")
    shutil.copytree(fire_model, tmp_path / "b")
    card_file = tmp_path / "b" / registry.CARD
    card_file.write_text(
        json.dumps(json.loads(card_file.read_text(encoding="utf-8")) | {"content": {}}), encoding="utf-8"
    )
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    chosen = []
    monkeypatch.setattr("regexplain.torch_backend.inference.content.content_mismatch", lambda *_: None)

    def choice(fixed, moving) -> str | None:
        card = choose("auto", ImagePair(fixed, moving), lambda card: chosen.append(card.name), Log(Progress())).card
        return card and card.name

    assert choice(*scans) == "tiny-t1-flair"
    assert choice(as_ct(scans[0]), scans[1]) == "tiny-any-contrast"
    assert choice(scans[0], scans[1] > 60) is None
    assert chosen == ["tiny-t1-flair", "tiny-any-contrast"]


@pytest.mark.slow
@pytest.mark.parametrize("helps", [True, False])
def test_auto_asks_the_general_model_where_the_special_one_makes_it_worse(
    helps, tmp_path, monkeypatch, fire_model, scans
):
    from regexplain.torch_backend.inference import prediction

    write_any_contrast_model(tmp_path / "a")
    shutil.copytree(fire_model, tmp_path / "b")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    real = prediction.predict

    def predicted(model, *rest):
        found = real(model, *rest)
        vectors = 0 * sitk.GetArrayFromImage(found.displacement)
        if not (helps and model.card.canvas_fits_pair):
            vectors[..., 0] = np.linspace(-12, 12, vectors.shape[0])[:, None, None]
        field = Grid.of(found.displacement).image(vectors, vector=True)
        return found._replace(displacement=field, inverse=field)

    monkeypatch.setattr(prediction, "predict", predicted)
    record = register(*scans, threads=1).record
    asked, rejected = (
        any(words in text for text in record["warnings"])
        for words in ("the general model tiny-any-contrast was asked", "so the result is the alignment only")
    )
    assert asked and rejected is not helps
    assert (record["model"] or {}).get("name") == ("tiny-any-contrast" if helps else None)
