"""Maps made from a result's transforms say what the formulas of the transforms say."""

import numpy as np
import pytest
import SimpleITK as sitk
import vtk

import slicer
from mrml.checks import LPS, bar_title, like
from regexplain.errors import BadInputError
from regexplain.volumes.intensities import tissue_mask
from RegExplainLib.MRML.Layers import InverseConsistencyLayer, JacobianLayer, TransformMap
from RegExplainLib.MRML.Layers.JacobianLayer import FOLDED
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import BUMP_OFFSET, BUMP_SD_MM, grid_points, write_synthetic_result


def on_fixed(layer, truth):
    """(values, whether tissue, LPS points) of the map's voxels, (N,), (N,), (N, 3)."""
    fixed = sitk.ReadImage(str(truth.folder / "fixed.nii.gz"))
    return slicer.util.arrayFromVolume(layer.volume).ravel(), tissue_mask(fixed).ravel(), grid_points(truth.fixed)


def volume_change(truth, points, amplitude_mm=5.0):
    """det of the derivative of alignment(x + u(x)): |A| (1 + u' along the push)."""
    local = points - truth.centre - BUMP_OFFSET
    bump = np.exp(-(local**2).sum(axis=1) / (2 * BUMP_SD_MM**2))
    slope = -(local @ (amplitude_mm * np.array([0.6, 0.8, 0.0]))) / BUMP_SD_MM**2 * bump
    return np.linalg.det(np.array(truth.alignment.GetMatrix()).reshape(3, 3)) * (1 + slope)


def test_the_volume_change_is_the_determinant_of_the_formula_on_tissue_and_1_elsewhere(result, truth):
    values, inside, points = on_fixed(JacobianLayer(result).add(), truth)
    np.testing.assert_allclose(values[inside], volume_change(truth, points)[inside], atol=0.05)
    assert inside.any() and (values[~inside] == 1).all()
    assert values[inside].min() < 0.7 and values[inside].max() > 1.3


def test_a_large_scan_is_thinned_and_every_value_stays_where_it_is(result, truth, monkeypatch):
    monkeypatch.setattr(TransformMap, "VOXEL_LIMIT", 10_000)
    layer = JacobianLayer(result).add()
    values = slicer.util.arrayFromVolume(layer.volume)
    assert values.size <= 10_000
    matrix = vtk.vtkMatrix4x4()
    layer.volume.GetIJKToRASMatrix(matrix)
    k, j, i = np.nonzero(values != 1)
    points = (np.stack([i, j, k, 1 + 0 * i], 1) @ slicer.util.arrayFromVTKMatrix(matrix).T)[:, :3] * LPS
    np.testing.assert_allclose(values[k, j, i], volume_change(truth, points), atol=0.25)
    assert np.median(np.abs(values[k, j, i] - volume_change(truth, points))) < 0.02


def test_growth_is_seen_where_it_is_and_red_and_shrinking_blue(views, result, truth):
    layer = JacobianLayer(result).add()
    layer.setOpacity(1.0)
    for node in (result.fixedSegmentation, result.warpedSegmentation):
        node.SetDisplayVisibility(False)
    values, inside, points = on_fixed(layer, truth)
    grows, shrinks = points[values.argmax()], points[values.argmin()]
    assert np.allclose(layer.hottestPoint() * LPS, grows, atol=1e-3)
    for point, redder in ((grows, True), (shrinks, False)):
        views[0].fit(point * LPS)
        row, column = (round(n) for n in views[0].toPixel(point * LPS))
        red, _, blue = views[0].render()[row, column].astype(int)
        assert (red - blue > 40) if redder else (blue - red > 40)


def test_half_and_double_are_equally_strong_and_no_change_is_white_and_clear(result):
    layer = JacobianLayer(result).add()
    low, high = layer.range
    assert low == 0 and high >= 1.5
    colors, shares = layer._colorsOf(np.array([1 / high, 1.0, high]), high)
    np.testing.assert_allclose(shares, [-1, 0, 1], atol=1e-9)
    assert colors[1].min() > 0.95 and np.ptp(colors[1]) < 0.01
    table = layer.node("colors").GetLookupTable()
    alpha = {value: table.GetTableValue(round(255 * value / high))[3] for value in (0.2, 1.0, high)}
    assert alpha == {0.2: 1.0, 1.0: 0.0, high: 1.0}


def test_folded_voxels_are_marked_where_they_are(views, scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", amplitude_mm=16.0)
    layer, view = JacobianLayer(ResultNodes.load(truth.folder)).add(), views[0]
    layer.setOpacity(1.0)
    for node in (layer.resultNodes.fixedSegmentation, layer.resultNodes.warpedSegmentation):
        node.SetDisplayVisibility(False)
    values, _, points = on_fixed(layer, truth)
    assert values.min() < -0.2
    worst = points[values.argmin()]
    view.fit(worst * LPS)
    marked = np.argwhere(like(view.render(), 255 * np.array(FOLDED), 30))
    in_slice = np.abs(points[:, 2] - worst[2]) < 0.5
    folded = [view.toPixel(point) for point in points[in_slice & (values < 0)] * LPS]
    pixel_mm = view.fieldOfView / 500
    np.testing.assert_allclose(marked.mean(axis=0) * pixel_mm, np.mean(folded, axis=0) * pixel_mm, atol=0.5)
    np.testing.assert_allclose(len(marked) * pixel_mm**2, len(folded), rtol=0.25)


def test_there_and_back_is_what_itk_says_on_tissue_and_0_elsewhere(scene, copied, truth):
    inverse = sitk.ReadTransform(str(copied / "inverse_transform.h5"))
    transform = sitk.ReadTransform(str(truth.folder / "transform.h5"))
    layer = InverseConsistencyLayer(ResultNodes.load(copied)).add()
    values, inside, points = on_fixed(layer, truth)
    assert (values[~inside] == 0).all()
    for n in np.flatnonzero(inside)[::997]:
        back = inverse.TransformPoint(transform.TransformPoint(points[n].tolist()))
        np.testing.assert_allclose(values[n], np.linalg.norm(back - points[n]), atol=1e-4)
    assert values.max() > 0.02 and layer.range[1] >= values.max() > 0.1 * layer.range[1]


@pytest.mark.parametrize("kind", [JacobianLayer, InverseConsistencyLayer])
def test_a_map_says_its_unit_and_needs_the_folder_once(scene, result, kind):
    layer = kind(result).add()
    assert bar_title(layer.volume) == {"jacobian": "volume of 1 mm³, ×"}.get(layer.key, "mm from there and back")
    [found] = ResultNodes.find(scene)
    assert kind(found).add().visible
    layer.remove()
    with pytest.raises(BadInputError, match="open the result folder again"):
        kind(found).add()
