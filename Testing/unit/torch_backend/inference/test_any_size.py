"""What the model for any pair is given at the ends of what there is: it works, or a sentence says why not."""

import numpy as np
import pytest
import SimpleITK as sitk

from fire_model import write_any_contrast_model
from regexplain import register
from regexplain.cards import registry
from regexplain.errors import BadInputError


@pytest.fixture(autouse=True)
def only_the_general_model(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("models")
    write_any_contrast_model(folder / "any")
    monkeypatch.setattr(registry, "FOLDER", folder)


def scan(size=(20, 20, 20), spacing=1.0, contrast=1.0, origin=0.0) -> sitk.Image:
    """Two blobs that differ in brightness, with a little noise."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in size[::-1]], indexing="ij")
    blobs = 400 * np.exp(-((x**2 + y**2 + z**2) / 0.3)) + contrast * 300 * np.exp(
        -(((x - 0.4) ** 2 + (y - 0.2) ** 2 + z**2) / 0.05)
    )
    noise = np.random.default_rng(0).normal(0, 4, blobs.shape)
    image = sitk.GetImageFromArray((blobs + noise + 20).astype(np.float32))
    image.SetSpacing(np.broadcast_to(spacing, 3).tolist())
    image.SetOrigin([origin, 0.0, 0.0])
    return image


@pytest.mark.slow
@pytest.mark.parametrize("size", [(16, 16, 16), (20, 18, 16)])
@pytest.mark.parametrize("extent_mm", [2.0, 600.0])
def test_sixteen_voxels_two_millimetres_and_sixty_centimetres_work(size, extent_mm):
    spacing = extent_mm / max(size)
    result = register(scan(size, spacing), scan(size, spacing, -1.0), threads=1, refine=1)
    assert result.record["kind"] in ("affine", "deformable")
    assert np.isfinite(sitk.GetArrayFromImage(result.warped_moving)).all()
    assert "outside" not in " ".join(result.record["warnings"])


def test_five_slices_are_aligned_only_and_the_sentence_counts_them():
    result = register(scan((20, 20, 5), (1, 1, 4)), scan((20, 20, 5), (1, 1, 4), -1.0), threads=1)
    assert result.record["kind"] == "affine"
    assert "the fixed image has 5 voxels up-down, the model needs 16" in result.record["warnings"][0]


def test_a_mask_that_is_empty_is_refused_and_one_on_another_grid_is_laid_where_it_is():
    fixed, moving = scan(), scan(contrast=-1.0)
    with pytest.raises(BadInputError, match="moving mask is empty"):
        register(fixed, moving, moving_mask=0 * sitk.Cast(moving, sitk.sitkUInt8))
    coarse = sitk.Image([10, 10, 5], sitk.sitkUInt8) + 1
    coarse.SetSpacing([2.0, 2.0, 2.0])
    kept = register(fixed, moving, fixed_mask=coarse, threads=1).fixed_mask
    inside = sitk.GetArrayFromImage(kept) > 0
    assert kept.GetSize() == fixed.GetSize() and inside[:9, :19, :19].all() and not inside[12:].any()


def test_fields_of_view_that_hardly_meet_give_an_answer_or_a_sentence():
    fixed = scan()
    with pytest.raises(BadInputError, match="do not overlap"):
        register(fixed, scan(origin=30.0))
    result = register(fixed, scan(origin=18.0), threads=1)  # two voxels in common
    matrix = np.array(result.transform.alignment.GetMatrix()).reshape(3, 3)
    assert np.isfinite(matrix).all() and np.linalg.det(matrix) > 0.1
