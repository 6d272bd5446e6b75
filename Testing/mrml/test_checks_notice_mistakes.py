"""The checks of this folder fail when the output has the mistake that they are there for."""

import numpy as np
import pytest
import SimpleITK as sitk
import vtk

from mrml import checks
from regexplain.transforms.itk import read_transform
from RegExplainLib.MRML import Conversion
from RegExplainLib.MRML.ArrowField import arrowField
from RegExplainLib.MRML.Conversion import gridOf
from RegExplainLib.MRML.Layers import AnimationLayer, GlyphLayer, HeatmapLayer
from RegExplainLib.MRML.ResultNodes import ResultNodes


def negated(field):
    return sitk.Compose([-sitk.VectorIndexSelectionCast(field, axis) for axis in range(3)])


def zeroed(field):
    return sitk.Compose([0 * sitk.VectorIndexSelectionCast(field, axis) for axis in range(3)])


def flipped(image):
    """The same voxels, the i axis the other way round: what a lost sign in a header does."""
    image, direction = sitk.Image(image), np.array(image.GetDirection()).reshape(3, 3)
    direction[:, 0] *= -1
    image.SetDirection(direction.ravel().tolist())
    return image


def shifted(image):
    """All voxels one cell further along i."""
    array = np.roll(sitk.GetArrayFromImage(image), 1, axis=2)
    moved = sitk.GetImageFromArray(array)
    moved.CopyInformation(image)
    return moved


def without_alignment(transform):
    transform.alignment = sitk.AffineTransform(3)


def with_negated_displacement(transform):
    transform.displacement = negated(transform.displacement)


def with_flipped_axis(transform):
    transform.displacement = flipped(transform.displacement)


def with_x_and_y_exchanged(transform):
    parts = [sitk.VectorIndexSelectionCast(transform.displacement, axis) for axis in (1, 0, 2)]
    transform.displacement = sitk.Compose(parts)


def change_transform(folder, mistake):
    transform = read_transform(folder / "transform.h5")
    mistake(transform)
    transform.write(folder / "transform.h5")


MISTAKES = [without_alignment, with_negated_displacement, with_flipped_axis, with_x_and_y_exchanged]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_transform_is_noticed(scene, copied, truth, mistake):
    checks.check_chain(ResultNodes.load(copied), truth)
    change_transform(copied, mistake)
    with pytest.raises(AssertionError):
        checks.check_chain(ResultNodes.load(copied), truth)


@pytest.mark.parametrize("mistake", MISTAKES[1:])
def test_wrong_arrows_are_noticed(scene, copied, truth, mistake):
    change_transform(copied, mistake)
    with pytest.raises(AssertionError):
        checks.check_arrows(GlyphLayer(ResultNodes.load(copied)).add(), truth)


def test_arrows_of_the_inverse_are_noticed(result, truth):
    layer = GlyphLayer(result).add()
    layer.node("transform").SetAndObserveTransformFromParent(arrowField(*gridOf(result.deformation)))
    with pytest.raises(AssertionError):
        checks.check_arrows(layer, truth)


@pytest.mark.parametrize("mistake", [flipped, shifted])
def test_a_volume_in_the_wrong_place_is_noticed(scene, truth, mistake):
    image = sitk.ReadImage(str(truth.folder / "fixed.nii.gz"))
    with pytest.raises(AssertionError):
        checks.check_place(Conversion.addVolume(scene, mistake(image), "Volume"), image)


@pytest.mark.parametrize("stage", ["encoder-fixed", "encoder-moving"])
@pytest.mark.parametrize("mistake", [flipped, shifted])
def test_a_heatmap_in_the_wrong_place_is_noticed(scene, copied, truth, stage, mistake):
    path = str(copied / f"heatmaps/{stage}.nii.gz")
    sitk.WriteImage(mistake(sitk.ReadImage(path)), path)
    layer = HeatmapLayer(ResultNodes.load(copied), stage).add()
    with pytest.raises(AssertionError):
        checks.check_hottest_voxel(layer, truth)


@pytest.mark.parametrize("mistake", [flipped, shifted])
def test_heat_drawn_in_the_wrong_place_is_noticed(views, copied, truth, mistake):
    path = str(copied / "heatmaps/decoder.nii.gz")
    sitk.WriteImage(mistake(sitk.ReadImage(path)), path)
    layer = HeatmapLayer(ResultNodes.load(copied), "decoder").add()
    with pytest.raises(AssertionError):
        for view in views:
            checks.check_hottest_pixel(layer, truth, view)


@pytest.mark.parametrize("space", ["fixed", "moving"])
@pytest.mark.parametrize("mistake", [flipped, shifted])
def test_an_outline_in_the_wrong_place_is_noticed(scene, copied, truth, space, mistake):
    path = str(copied / f"{space}_segmentation.nii.gz")
    sitk.WriteImage(mistake(sitk.ReadImage(path)), path)
    segmentation = ResultNodes.load(copied).node(f"{space}Segmentation")
    with pytest.raises(AssertionError):
        checks.check_outline(segmentation, truth, space, 1)


def test_an_outline_of_two_segments_is_noticed(scene, copied, truth):
    path = str(copied / "fixed_segmentation.nii.gz")
    sitk.WriteImage(sitk.Cast(sitk.ReadImage(path) > 0, sitk.sitkUInt8), path)
    with pytest.raises(AssertionError):
        checks.check_outline(ResultNodes.load(copied).fixedSegmentation, truth, "fixed", 1)


@pytest.mark.parametrize("mistake", [negated, zeroed])
def test_a_gold_outline_in_the_wrong_place_is_noticed(views, copied, truth, mistake):
    path = str(copied / "components/component-01/strength+2.00.nii.gz")
    sitk.WriteImage(mistake(sitk.ReadImage(path)), path)
    layer = AnimationLayer(ResultNodes.load(copied), 1).add()
    with pytest.raises(AssertionError):
        checks.check_gold_outline(
            layer, lambda points: truth.component_displacement(1, 2.0, points), truth, views[0], 2.0
        )


def test_a_mapper_without_input_is_noticed(views):
    views[0].render()
    renderer, actor = views[0].window.GetRenderers().GetFirstRenderer(), vtk.vtkActor2D()
    actor.SetMapper(vtk.vtkPolyDataMapper2D())
    renderer.AddViewProp(actor)
    with pytest.raises(AssertionError, match="No input!"), checks.vtk_says_nothing():
        views[0].render()
    renderer.RemoveViewProp(actor)
