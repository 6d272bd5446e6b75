"""Slice and 3D views that draw into memory with Slicer's own displayable managers. Outside the application only.

Drawing needs a GL library, and without one VTK's first `Render` ends the process: ask `Gl.canRender()` before.
"""

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

import slicer

from .ViewFitting import fitCameras

VIEW_PIXELS = 500
TEXT_PIXELS = 20
DARK = (0.06, 0.06, 0.08)
SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLTransformsDisplayableManager3D",
    "vtkMRMLColorLegendDisplayableManager",
)
LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))  # the ends of the axes R, A and S


class _View:
    """A square render window that displayable managers draw into. It opens with the first `render`."""

    def __init__(self, factory, managers, viewNode):
        self._factory, self._managers, self.viewNode = factory.GetInstance(), managers, viewNode
        self.window, self._texts = None, []

    def _openOnce(self):
        if self.window is None:
            self._open()

    def _open(self):
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(VIEW_PIXELS, VIEW_PIXELS)
        self._renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self.window)
        for manager in self._managers:
            if not self._factory.IsDisplayableManagerRegistered(manager):
                self._factory.RegisterDisplayableManager(manager)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.Initialize(self._factory, self._renderer)
        self._group.SetMRMLDisplayableNode(self.viewNode)

    def _setTexts(self, texts):
        """texts: (text, x, y, horizontal, vertical), in pixels from the lower left, with vtkTextProperty's words."""
        for actor in self._texts:
            self._renderer.RemoveViewProp(actor)
        self._texts = [_textActor(*text) for text in texts]
        for actor in self._texts:
            self._renderer.AddViewProp(actor)

    def _pixels(self):
        return toArray(pixelsOf(self.window))


class SliceView(_View):
    """A slice view. Its slice and composite nodes are saved with the scene, and set up Slicer's view of that name.

    name: "Red", "Yellow" or "Green"; orientation: "Axial", "Sagittal" or "Coronal".
    Making one needs no GL; `render` does.
    """

    def __init__(self, headless, name, orientation):
        self.orientation = orientation
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(headless.applicationLogic)
        headless.applicationLogic.GetSliceLogics().AddItem(self._logic)
        self._logic.SetMRMLScene(headless.scene)
        self.sliceNode = self._logic.AddSliceNode(name)
        self.sliceNode.SetOrientation(orientation)
        self.compositeNode = self._logic.GetSliceCompositeNode()
        self._logic.ResizeSliceNode(VIEW_PIXELS, VIEW_PIXELS)
        super().__init__(slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS, self.sliceNode)

    @property
    def fieldOfView(self):
        """Side of the square that is seen, mm."""
        return self.sliceNode.GetFieldOfView()[0]

    def setFieldOfView(self, mm):
        self.sliceNode.SetFieldOfView(mm, mm, self.sliceNode.GetFieldOfView()[2])

    def fit(self, ras):
        """Show the whole background volume, in the slice through this point (RAS mm)."""
        self._logic.FitSliceToBackground()
        self.sliceNode.JumpSliceByOffsetting(*ras)

    def toPixel(self, ras):
        """(row, column), fractional, of a point (RAS mm) in the picture that `render` returns."""
        rasToXy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.sliceNode.GetXYToRAS(), rasToXy)
        x, y = rasToXy.MultiplyPoint((*ras, 1))[:2]
        return VIEW_PIXELS - 1 - y, x

    def render(self, title=""):
        """The view as (rows, columns, 3) uint8; with a title also the letters of the anatomical directions."""
        self._openOnce()
        self._setTexts([(title, 10, VIEW_PIXELS - 8, "Left", "Top"), *self._letters()] if title else [])
        self._image.SetInputConnection(self._logic.GetImageDataConnection())
        self._imageActor.SetVisibility(self._logic.GetImageDataConnection() is not None)
        return self._pixels()

    def _open(self):
        super()._open()
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._image = vtk.vtkImageMapper()  # of the blended volumes, which no manager draws
        self._image.SetColorWindow(255)
        self._image.SetColorLevel(127.5)
        self._imageActor = vtk.vtkActor2D()
        self._imageActor.SetMapper(self._image)
        self._imageActor.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(self._imageActor)

    def _letters(self):
        sliceToRas = slicer.util.arrayFromVTKMatrix(self.sliceNode.GetSliceToRAS())
        right, up = sliceToRas[:3, 0], sliceToRas[:3, 1]
        middle, edge = VIEW_PIXELS / 2, VIEW_PIXELS - 6
        return [
            (_letter(-right), 6, middle, "Left", "Centered"),
            (_letter(right), edge, middle, "Right", "Centered"),
            (_letter(-up), middle, 6, "Centered", "Bottom"),
            (_letter(up), middle, edge - TEXT_PIXELS, "Centered", "Top"),  # under the title
        ]


class ThreeDView(_View):
    """The 3D view, on a dark ground. Making one needs no GL."""

    def __init__(self, headless):
        self._logic = slicer.vtkMRMLViewLogic()
        self._logic.SetMRMLApplicationLogic(headless.applicationLogic)
        headless.applicationLogic.GetViewLogics().AddItem(self._logic)
        self._logic.SetMRMLScene(headless.scene)
        self._scene = headless.scene
        viewNode = self._logic.AddViewNode("1")
        viewNode.SetBoxVisible(False)
        viewNode.SetAxisLabelsVisible(False)
        super().__init__(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, THREE_D_MANAGERS, viewNode)

    def render(self, title=""):
        """The view as (rows, columns, 3) uint8."""
        self._openOnce()
        self._setTexts([(title, 10, VIEW_PIXELS - 8, "Left", "Top")])
        self._renderer.GradientBackgroundOff()
        self._renderer.SetBackground(DARK)
        return self._pixels()

    def look(self, bounds):
        """See a box of (3, 2) RAS mm from the patient's left, front and above."""
        self._openOnce()
        self.window.Render()  # the managers make the camera
        camera = self._renderer.GetActiveCamera()
        camera.SetPosition(np.add(camera.GetFocalPoint(), (-60, 90, 50)))
        camera.SetViewUp(0, 0, 1)
        fitCameras(self._scene, bounds)


def pixelsOf(window):
    """A render window, drawn anew, as a vtkImageData."""
    window.Render()
    reader = vtk.vtkWindowToImageFilter()
    reader.SetInput(window)
    reader.ReadFrontBufferOff()
    reader.ShouldRerenderOff()
    reader.Update()
    return reader.GetOutput()


def toArray(image):
    """A vtkImageData as (rows, columns, 3) uint8, the upper row first."""
    columns, rows, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1].copy()


def sideBySide(*pictures):
    return np.concatenate(pictures, axis=1)


def writePng(path, picture):
    """(rows, columns, 3) uint8 as a PNG file."""
    rows, columns, _ = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(picture[::-1]).reshape(-1, 3), deep=True))
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.Write()


def _letter(direction):
    axis = int(np.argmax(np.abs(direction)))
    return LETTERS[axis][int(direction[axis] > 0)]


def _textActor(text, x, y, horizontal, vertical):
    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    actor.SetPosition(x, y)
    style = actor.GetTextProperty()
    style.SetFontSize(TEXT_PIXELS)
    style.SetShadow(True)
    getattr(style, f"SetJustificationTo{horizontal}")()
    getattr(style, f"SetVerticalJustificationTo{vertical}")()
    return actor
