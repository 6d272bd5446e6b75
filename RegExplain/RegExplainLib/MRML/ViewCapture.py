"""Screen captures of Slicer's views for the report, with a description, without text about the patient."""

from contextlib import contextmanager

import vtk
from vtk.util.numpy_support import vtk_to_numpy

from regexplain.results.view_capture import ViewCapture

from .OffscreenViews import pixelsOf
from .Tags import LAYER, RESULT, ROLE

MIN_PIXELS = 2  # what a view without a place on the screen gives
TEXT_PROPS = (  # what Slicer and its extensions write with: names of patients, volumes and landmarks
    "vtkCornerAnnotation",
    "vtkTextActor",
    "vtkTextActor3D",
    "vtkBillboardTextActor3D",
    "vtkCaptionActor2D",
    "vtkSlicerMarkupsWidgetRepresentation",
)
IMAGES = {
    "fixed": "the fixed image",
    "moving": "the moving image",
    "warpedMoving": "the registered moving image",
    "image": "the fixed image, moved",
}
OTHER = "an image that is not of this result"
OUTLINES = {
    "fixedSegmentation": "the fixed segmentation (red)",
    "warpedSegmentation": "the registered moving segmentation (gold)",
    "movingSegmentation": "the moving segmentation (blue)",
}


def captureView(resultNodes, viewNode, window):
    """A slice or 3D view as it is, None where it is too small to be seen. The window is left as it was."""
    image = captureWithoutPatientText(resultNodes, window)
    if not hasSize(image):
        return None
    isSlice = viewNode.IsA("vtkMRMLSliceNode")
    words = describeSliceView if isSlice else describe3DView
    return ViewCapture(viewName(viewNode), *words(resultNodes, viewNode), pngOf(image))


def captureWithoutPatientText(resultNodes, window):
    """A render window as a vtkImageData, without any text of the patient's. The window is left as it was."""
    with hiddenTexts(window, legendTitles(resultNodes)):
        return pixelsOf(window)


def hasSize(image):
    """Whether the vtkImageData is of a view that has a place on the screen."""
    return min(image.GetDimensions()[:2]) >= MIN_PIXELS


@contextmanager
def hiddenTexts(window, titles=()):
    """While it is open, the window shows no text but colour bars with one of these titles."""
    hidden = [prop for prop in _props(window) if prop.GetVisibility() and _showsText(prop, titles)]
    for prop in hidden:
        prop.SetVisibility(False)
    try:
        yield
    finally:
        for prop in hidden:
            prop.SetVisibility(True)


def legendTitles(resultNodes):
    """Of RegExplain's colour bars. Slicer calls any other one by its volume's name."""
    legends = resultNodes.nodesByClass("vtkMRMLColorLegendDisplayNode")
    return {legend.GetTitleText() for legend in legends if _isTagged(legend.GetDisplayableNode())}


def viewName(viewNode):
    """ "Red (axial)", or "3D view 1": never a name that the user gave."""
    if viewNode.IsA("vtkMRMLSliceNode"):
        return f"{viewNode.GetLayoutName()} ({viewNode.GetOrientation().lower()})"
    return f"3D view {viewNode.GetLayoutName()}"


def describeSliceView(resultNodes, sliceNode):
    """(image, layers) of a slice view."""
    name, scene = sliceNode.GetLayoutName(), resultNodes.scene
    composites = resultNodes.nodesByClass("vtkMRMLSliceCompositeNode")
    composite = next((c for c in composites if c.GetLayoutName() == name), None)
    if composite is None:
        return None, ()
    background = scene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
    foreground = scene.GetNodeByID(composite.GetForegroundVolumeID() or "")
    layers = [_describeMap(resultNodes, foreground)] if foreground and composite.GetForegroundOpacity() else []
    return background and _describeImage(resultNodes, background), (*layers, *_shapes(resultNodes, sliceNode))


def describe3DView(resultNodes, viewNode):
    """(image, layers) of a 3D view."""
    return None, tuple(_shapes(resultNodes, viewNode))


def pngOf(image):
    """A vtkImageData as the bytes of a PNG file."""
    writer = vtk.vtkPNGWriter()
    writer.WriteToMemoryOn()
    writer.SetInputData(image)
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()


def _props(window):
    renderers = window.GetRenderers()
    for renderer in (renderers.GetItemAsObject(n) for n in range(renderers.GetNumberOfItems())):
        props = renderer.GetViewProps()
        yield from (props.GetItemAsObject(n) for n in range(props.GetNumberOfItems()))


def _showsText(prop, titles):
    if prop.IsA("vtkScalarBarActor"):
        return prop.GetTitle() not in titles
    return any(prop.IsA(name) for name in TEXT_PROPS)


def _isTagged(node):
    return node is not None and node.GetAttribute(RESULT) is not None


def _isOf(resultNodes, node):
    return node.GetAttribute(RESULT) == resultNodes.id


def _describeImage(resultNodes, volume):
    return IMAGES.get(volume.GetAttribute(ROLE), OTHER) if _isOf(resultNodes, volume) else OTHER


def _describeMap(resultNodes, volume):
    key = volume.GetAttribute(LAYER) if _isOf(resultNodes, volume) else None
    layer = next((layer for layer in resultNodes.layers() if layer.key == key), None)
    return layer.caption if layer is not None else _describeImage(resultNodes, volume)


def _shapes(resultNodes, viewNode):
    """Outlines, arrows and animations that the view shows."""
    roles = {role: words for role, words in OUTLINES.items() if resultNodes.node(role)}
    shown = [words for role, words in roles.items() if _isVisibleIn(resultNodes.node(role).GetDisplayNode(), viewNode)]
    return shown + [layer.caption for layer in resultNodes.layers() if layer.visible and layer.kind != "map"]


def _isVisibleIn(display, viewNode):
    """Whether a segmentation's display node shows it in this view."""
    flat = viewNode.IsA("vtkMRMLSliceNode")
    visible = display is not None and display.GetVisibility() and display.IsDisplayableInView(viewNode.GetID())
    return bool(visible and (display.GetVisibility2D() if flat else display.GetVisibility3D()))
