import numpy as np
import qt

import slicer

from ..MRML.OffscreenViews import toArray
from ..MRML.ViewCapture import captureView, captureWithoutPatientText, hasSize


def captureViews(result):
    """The slice and 3D views of Slicer's layout as they are now; none where Slicer runs without its main window."""
    taken = []
    for node, view in views():
        view.forceRender()  # what changed in this turn of the event loop is not drawn yet
        taken.append(captureView(result, node, view.renderWindow()))
        view.scheduleRender()
    return [view for view in taken if view is not None]


def captureLayout(result):
    """What the layout's views show now, at their places on the screen, without the patient's text: one picture.

    (rows, columns, 3) uint8, both even as videos need them, the upper row first, black between the views; None where
    there are no views.
    """
    taken = []
    for _node, view in views():
        view.forceRender()  # what changed in this turn of the event loop is not drawn yet
        image = captureWithoutPatientText(result, view.renderWindow())
        view.scheduleRender()
        if hasSize(image):
            picture, corner = toArray(image), view.mapToGlobal(qt.QPoint(0, 0))
            pixels = picture.shape[1] / view.width  # a screen may have several for one of Qt's
            taken.append((round(corner.y() * pixels), round(corner.x() * pixels), picture))
    return composePictures(taken) if taken else None


def composePictures(pictures):
    """One picture of several, each with its upper row and its left column."""
    top, left = (min(picture[side] for picture in pictures) for side in (0, 1))
    rows = max(row + len(picture) for row, _column, picture in pictures) - top
    columns = max(column + picture.shape[1] for _row, column, picture in pictures) - left
    whole = np.zeros((rows + rows % 2, columns + columns % 2, 3), np.uint8)
    for row, column, picture in pictures:
        target = whole[row - top :, column - left :]
        target[: len(picture), : picture.shape[1]] = picture
    return whole


def sliceViews():
    """(slice node, render window, function that asks for drawing) of each slice view that the layout shows."""
    flat = [(node, view) for node, view in views() if node.IsA("vtkMRMLSliceNode")]
    return [(node, view.renderWindow(), view.scheduleRender) for node, view in flat]


def views():
    """(view node, view widget) of each view that the layout shows."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return []
    slices = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    spaces = [manager.threeDWidget(number).threeDView() for number in range(manager.threeDViewCount)]
    viewNodes = [(view.mrmlSliceNode(), view) for view in slices] + [(view.mrmlViewNode(), view) for view in spaces]
    return [(node, view) for node, view in viewNodes if node is not None and node.IsMappedInLayout()]
