"""What must be true of a result on show, measured in the scene itself and compared with analytic truth.

Each check raises AssertionError; test_checks_notice_mistakes.py feeds each with the mistake that it is there for.
"""

from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import vtk_to_numpy

import slicer
from regexplain.volumes.geometry import Grid
from regexplain.volumes.intensities import tissue_mask
from synthetic_result import SEGMENT_CENTRES, SEGMENT_RADII

LPS = np.array((-1.0, -1.0, 1.0))  # times this: RAS to LPS and back
NEAR_MM = 1e-3
LOW, HIGH = slice(285, 475), slice(40, 230)  # rows, in a view, of the arrows' colour bar and of a map's
RED, GOLD = (0.95, 0.15, 0.15), (1.0, 0.80, 0.10)


@contextmanager
def vtk_says_nothing():
    """VTK and MRML report no error and no warning meanwhile, such as of a filter that is run without input."""
    usual, captured = vtk.vtkOutputWindow.GetInstance(), vtk.vtkStringOutputWindow()
    vtk.vtkOutputWindow.SetInstance(captured)
    try:
        yield
    finally:
        vtk.vtkOutputWindow.SetInstance(usual)
    assert not captured.GetOutput(), captured.GetOutput()


def node_ids(scene) -> set[str]:
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def inside_points(grid: sitk.Image, count: int = 400) -> np.ndarray:
    """Scattered LPS points, (count, 3), between the outermost voxel centres of a grid."""
    continuous = np.random.default_rng(7).uniform(0, np.array(grid.GetSize()) - 1, (count, 3))
    return np.array([grid.TransformContinuousIndexToPhysicalPoint(index.tolist()) for index in continuous])


def through_nodes(points: np.ndarray, source, target) -> np.ndarray:
    """LPS points taken from the space under one transform node (None: world) to that under another, by MRML."""
    chain = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, chain)
    return np.array([chain.TransformPoint(point) for point in points * LPS]) * LPS


def check_chain(result, truth, tolerance_mm: float = NEAR_MM) -> None:
    """Fixed points go to moving points, and back, as ITK takes them with transform.h5."""
    transform = sitk.ReadTransform(str(truth.folder / "transform.h5"))
    points = inside_points(truth.fixed)
    expected = np.array([transform.TransformPoint(point.tolist()) for point in points])
    np.testing.assert_allclose(through_nodes(points, None, result.alignment), expected, atol=tolerance_mm)
    np.testing.assert_allclose(through_nodes(expected, result.alignment, None), points, atol=5 * tolerance_mm)


def check_place(node, image: sitk.Image) -> None:
    """A volume node has every voxel of the image, with its value, where the image has it."""
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), sitk.GetArrayFromImage(image))
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    for corner in np.ndindex(2, 2, 2):
        index = [int(n) for n in np.array(corner) * (np.array(image.GetSize()) - 1)]
        ras = np.array(matrix.MultiplyPoint((*index, 1)))[:3]
        np.testing.assert_allclose(ras * LPS, image.TransformIndexToPhysicalPoint(index), atol=1e-6)


def within_tissue(values: sitk.Image, scan: sitk.Image) -> sitk.Image:
    """A map as its layer has it: as it is on the tissue of its scan, 0 in air."""
    inside = tissue_mask(scan)
    assert 0.1 < inside.mean() < 0.9
    return values * sitk.Cast(Grid.of(values).image(inside.astype(np.uint8)), sitk.sitkFloat32)


def bar_title(node) -> str:
    """The words over a map's colour bar, however their lines are broken and padded."""
    return " ".join(slicer.modules.colors.logic().GetColorLegendDisplayNode(node).GetTitleText().split())


def bar_pixels(picture: np.ndarray, rows: slice) -> np.ndarray:
    """What is coloured, (N, 3), in these rows of a view's picture at the right-hand end of a colour bar."""
    strip = picture[rows, 478:494].reshape(-1, 3).astype(int)
    return strip[np.ptp(strip, axis=1) > 60]


def check_hottest_voxel(layer, truth) -> None:
    """The heatmap's largest value is at the point that it was computed for."""
    np.testing.assert_allclose(layer.hottestPoint() * LPS, truth.hottest[layer.stage][1], atol=NEAR_MM)


def check_hottest_pixel(layer, truth, view) -> None:
    """The hottest spot seen in a view is where that point projects to, to a third of a voxel."""
    hottest = truth.hottest[layer.stage][1] * LPS
    layer.setOpacity(1.0)
    view.fit(hottest)
    picture = without_bars(view.render())
    rows, columns = np.nonzero(like(picture, color_of(layer, 1.0), 12))
    assert len(rows) > 3
    seen, expected = np.array((rows.mean(), columns.mean())), np.array(view.toPixel(hottest))
    assert np.linalg.norm(seen - expected) * view.fieldOfView / len(picture) < min(layer.volume.GetSpacing()) / 3


def check_outline(segmentation, truth, space: str, label: int) -> None:
    """The surface of a segment in the fixed or the moving space is the formula's: its middle to half a voxel's shortest
    side, its half sizes to half the longest."""
    points = surface_points(segmentation, f"Segment_{label}")
    unbent = truth.fixed_to_phantom(points) if space == "fixed" else truth.moving_to_phantom(points)
    low, high = unbent.min(axis=0), unbent.max(axis=0)
    sides = getattr(truth, space).GetSpacing()
    np.testing.assert_allclose((low + high) / 2, SEGMENT_CENTRES[label], atol=min(sides) / 2)
    np.testing.assert_allclose((high - low) / 2, SEGMENT_RADII[label], atol=max(sides) / 2)


def check_arrows(layer, truth) -> None:
    """Every arrow goes from a point x of the fixed scan to x + u(x), and there are as many as there should be in 3D."""
    bases, tips = arrows_3d(layer)
    np.testing.assert_allclose((tips - bases) * LPS, truth.displacement(bases * LPS), atol=0.1)
    display, bounds = layer.displayNode3D, [0.0] * 6
    display.GetRegionNode().GetRASBounds(bounds)
    axes = [lattice(bounds[n], bounds[n + 1], display.GetGlyphSpacingMm()) for n in (0, 2, 4)]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
    moved = np.linalg.norm(truth.displacement(points * LPS), axis=1) > display.GetGlyphDisplayRangeMinMm()
    np.testing.assert_allclose(len(bases), moved.sum(), rtol=0.05)


def check_arrows_back(layer, truth) -> None:
    """Towards the fixed scan every arrow goes from x + u(x) to x."""
    bases, tips = arrows_3d(layer)
    assert len(bases) > 20
    np.testing.assert_allclose(tips * LPS + truth.displacement(tips * LPS), bases * LPS, atol=0.2)


def check_arrows_of_segment(layer, truth, label: int) -> None:
    """Those whose fixed end lies half a voxel inside are all there and true; no other one is two voxels off it."""

    def arrows():
        """(fixed ends, vectors to the other ends, whether inside, whether near)."""
        every = layer.displayNode  # those of the slices are not the longest alone
        bases, tips = (points * LPS for points in arrows_3d(layer, every))
        ends, others = (bases, tips) if layer.towards == "moving" else (tips, bases)
        voxel = max(truth.fixed.GetSpacing())
        steps = np.stack(np.meshgrid(*[np.linspace(-2, 2, 9)] * 3), axis=-1).reshape(-1, 3) * voxel
        there = np.array([truth.label_at(end + steps) == label for end in ends])
        return ends, others - ends, there[:, np.abs(steps).max(axis=1) <= voxel / 2].all(axis=1), there.any(axis=1)

    ends, vectors, inside, near = arrows()
    np.testing.assert_allclose(vectors[inside], truth.displacement(ends[inside]), atol=0.2)
    assert near.all()
    layer.setSegment(None)
    assert arrows()[2].sum() == inside.sum() > 5 and len(near) < 0.9 * len(arrows()[0])


def lattice(low: float, high: float, spacing: float) -> np.ndarray:
    """Where Slicer puts arrows along one side of a box."""
    steps = round(int(high - low) / spacing)
    return (low + low + int(high - low)) / 2 + spacing * (np.arange(steps + 1) - steps / 2)


def check_gold_outline(layer, displacement, truth, view, strength: float) -> None:
    """Gold is where D takes red: for gold pixels at x + D(x), x is on the red outline, to a voxel; and most is off it.

    displacement: D of LPS points at that strength.
    """
    layer.setStrength(strength)
    view.fit((truth.centre + truth_offset()) * LPS)
    check_gold_in(view.render(), displacement, view)


def check_gold_in(picture: np.ndarray, displacement, view) -> None:
    """The same of a picture of the view."""
    red, gold = (np.argwhere(like(picture, np.array(color) * 255, 60)) for color in (RED, GOLD))
    assert len(red) > 100 and len(gold) > 100
    pixel_mm = view.fieldOfView / len(picture)
    points = points_of(gold, view)
    origins = came_from(points, displacement)
    expected = np.array([view.toPixel(point) for point in origins * LPS])
    misses = pixel_mm * nearest(expected, red)
    assert np.percentile(misses, 90) < 1.0
    assert np.median(pixel_mm * nearest(gold, red)) > 0.25 * np.median(np.linalg.norm(origins - points, axis=1))


def came_from(points: np.ndarray, displacement) -> np.ndarray:
    """x of x + D(x), by iteration."""
    origins = points
    for _ in range(30):
        origins = points - displacement(origins)
    return origins


def truth_offset() -> np.ndarray:
    """From the structure's middle to where its outlines are round, LPS mm."""
    return np.array((0.0, -4.0, 0.0))


def points_of(pixels: np.ndarray, view) -> np.ndarray:
    """LPS points of (row, column) pixels in a view."""
    x, y = pixels[:, 1], 499 - pixels[:, 0]
    xyToRas = slicer.util.arrayFromVTKMatrix(view.sliceNode.GetXYToRAS())
    return (np.stack([x, y, 0 * x, 0 * x + 1], 1) @ xyToRas.T)[:, :3] * LPS


def nearest(pixels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance from each pixel to the nearest of the others."""
    return np.array([np.linalg.norm(others - pixel, axis=1).min() for pixel in pixels])


def like(picture: np.ndarray, color: np.ndarray, tolerance: float) -> np.ndarray:
    """Where a picture has nearly this colour (0-255)."""
    return np.abs(picture.astype(float) - color).max(axis=2) < tolerance


def read_png(path) -> np.ndarray:
    """(rows, columns, 3) uint8, the upper row first."""
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    columns, rows, _ = reader.GetOutput().GetDimensions()
    return vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1]


def without_bars(picture: np.ndarray) -> np.ndarray:
    """A picture of a slice view, black where colour bars may be, which have the colours of what is looked for."""
    picture = picture.copy()
    picture[:, int(0.78 * picture.shape[1]) :] = 0
    return picture


def color_of(layer, share: float) -> np.ndarray:
    """A heatmap's colour (0-255) of a share of its largest value."""
    color, entry = [0.0] * 3, next(e for e in layer.resultNodes.record["heatmaps"] if e["stage"] == layer.stage)
    layer.colors.GetColor(share * entry["max_abs"], color)
    return 255 * np.array(color)


def arrows_3d(layer, display=None) -> tuple[np.ndarray, np.ndarray]:
    """Bases and tips (RAS, (N, 3)) of the arrows that Slicer draws in 3D, the tips as of arrows of true length."""
    drawn, display, source = vtk.vtkPolyData(), display or layer.displayNode3D, vtk.vtkArrowSource()
    slicer.vtkSlicerTransformLogic.GetVisualization3d(drawn, display, display.GetRegionNode())
    source.SetTipLength(display.GetGlyphTipLengthPercent() * 0.01)
    source.SetTipResolution(display.GetGlyphResolution())
    source.SetShaftResolution(display.GetGlyphResolution())
    return _true(*_ends(drawn, source), layer.scale)


def arrows_2d(layer, sliceNode) -> tuple[np.ndarray, np.ndarray]:
    """The same of those in a slice view."""
    drawn, source = vtk.vtkPolyData(), vtk.vtkGlyphSource2D()
    slicer.vtkSlicerTransformLogic.GetVisualization2d(drawn, layer.displayNode, sliceNode)
    source.SetGlyphTypeToArrow()
    source.FilledOff()
    return _true(*_ends(drawn, source), layer.scale)


def _true(bases: np.ndarray, tips: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    return bases, bases + (tips - bases) / scale


def _ends(drawn: vtk.vtkPolyData, source: vtk.vtkPolyDataAlgorithm) -> tuple[np.ndarray, np.ndarray]:
    """A glyph repeats its source's points; the base of an arrow has the smallest x there, the tip the largest."""
    source.Update()
    pattern = vtk_to_numpy(source.GetOutput().GetPoints().GetData())
    if drawn.GetNumberOfPoints() == 0:
        return np.zeros((0, 3)), np.zeros((0, 3))
    points = vtk_to_numpy(drawn.GetPoints().GetData()).reshape(-1, len(pattern), 3)
    base, tip = np.isclose(pattern[:, 0], pattern[:, 0].min()), np.isclose(pattern[:, 0], pattern[:, 0].max())
    return points[:, base].mean(axis=1), points[:, tip].mean(axis=1)


def surface_points(segmentation, segment: str = "Segment_1") -> np.ndarray:
    """LPS points of the surface of a segment, which is what views draw, before any transform."""
    poly = vtk.vtkPolyData()
    segmentation.GetClosedSurfaceRepresentation(segment, poly)
    return vtk_to_numpy(poly.GetPoints().GetData()) * LPS
