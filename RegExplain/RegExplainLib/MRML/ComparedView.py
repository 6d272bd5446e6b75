"""One slice view with a picture of two scans over its own, and a cross where a point lies."""

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

import slicer

CROSS_PIXELS = 9, 3  # from its middle to its ends, and to its gap
CROSS_COLOR = (1.0, 1.0, 0.2)
NEAR_MM = 2.0  # from the slice: a point farther off is drawn faint
FAINT = 0.35


class ComparedView:
    """Draws over a slice view without a node, and leaves it as it was on `close`.

    The scans are cut by slice layers of its own, so that what the view itself shows is not touched. The picture is made
    anew as the view is drawn, where anything changed.

    sliceNode, window: of the view. draw: asks the view to be drawn soon.
    """

    def __init__(self, sliceNode, window, draw):
        self.sliceNode, self.draw = sliceNode, draw
        self._renderer = window.GetRenderers().GetFirstRenderer()
        self._layers, self._compose, self._composedAt = [], None, None
        self._image = vtk.vtkImageMapper()
        self._image.SetColorWindow(255)
        self._image.SetColorLevel(127.5)
        self._picture = vtk.vtkActor2D()
        self._picture.SetMapper(self._image)
        self._picture.GetProperty().SetDisplayLocationToBackground()  # under the outlines
        self._cross = _cross()
        for prop in (self._picture, self._cross):
            prop.SetVisibility(False)
            self._renderer.AddViewProp(prop)
        self._tag = self._renderer.AddObserver(vtk.vtkCommand.StartEvent, self._onDrawn)

    def show(self, volumes, compose):
        """volumes: (fixed, moving) volume nodes. compose(fixed, moving): makes their picture (ComparisonPictures)."""
        if [layer.GetVolumeNode() for layer in self._layers] != list(volumes):
            self._layers = [self._layerOf(volume) for volume in volumes]
        self._compose, self._composedAt = compose, None
        self.draw()

    def showCross(self, ras):
        """At a point (RAS mm), seen through the slice; None for none."""
        self._cross.SetVisibility(ras is not None)
        if ras is not None:
            x, y, depth = self._toXy(ras)
            self._cross.SetPosition(x, y)
            self._cross.GetProperty().SetOpacity(1.0 if depth < NEAR_MM else FAINT)
        self.draw()

    def close(self):
        """Nothing of this stays in the view."""
        self._renderer.RemoveObserver(self._tag)
        for prop in (self._picture, self._cross):
            self._renderer.RemoveViewProp(prop)
        for layer in self._layers:
            layer.SetSliceNode(None)
            layer.SetMRMLScene(None)
        self._layers = []
        self.draw()

    def _layerOf(self, volume):
        layer = slicer.vtkMRMLSliceLayerLogic()
        layer.SetMRMLScene(volume.GetScene())
        layer.SetSliceNode(self.sliceNode)
        layer.SetVolumeNode(volume)
        return layer

    def _onDrawn(self, renderer, event):
        pictures = [_pixels(layer) for layer in self._layers]
        shown = len(pictures) == 2 and all(picture is not None for picture, _ in pictures)
        self._picture.SetVisibility(shown)
        times = [time for _, time in pictures]
        if shown and times != self._composedAt:
            self._composedAt = times
            self._image.SetInputData(_vtkImage(self._compose(*(picture for picture, _ in pictures))))

    def _toXy(self, ras):
        """(x, y) in pixels from the lower left, and how far in mm a point lies from the slice."""
        rasToXy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.sliceNode.GetXYToRAS(), rasToXy)
        x, y = rasToXy.MultiplyPoint((*ras, 1))[:2]
        sliceToRas = slicer.util.arrayFromVTKMatrix(self.sliceNode.GetSliceToRAS())
        return x, y, abs(float(np.dot(sliceToRas[:3, 2], np.subtract(ras, sliceToRas[:3, 3]))))


def _pixels(layer):
    """(rows, columns, 4) uint8, the lowest row first, None where the layer has no picture of one slice; and when."""
    connection = layer.GetImageDataConnection()
    if connection is None:
        return None, 0
    producer = connection.GetProducer()
    producer.Update()
    image = producer.GetOutputDataObject(connection.GetIndex())
    columns, rows, slices = image.GetDimensions()
    if slices != 1 or min(columns, rows) < 2:
        return None, 0
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1), image.GetMTime()


def _vtkImage(picture):
    rows, columns, _ = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(picture).reshape(-1, 3), deep=True))
    return image


def _cross():
    points, lines, shape = vtk.vtkPoints(), vtk.vtkCellArray(), vtk.vtkPolyData()
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        lines.InsertNextCell(2)
        for pixels in CROSS_PIXELS:
            lines.InsertCellPoint(points.InsertNextPoint(pixels * x, pixels * y, 0))
    shape.SetPoints(points)
    shape.SetLines(lines)
    mapper, actor = vtk.vtkPolyDataMapper2D(), vtk.vtkActor2D()
    mapper.SetInputData(shape)
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*CROSS_COLOR)
    actor.GetProperty().SetLineWidth(2)
    return actor
