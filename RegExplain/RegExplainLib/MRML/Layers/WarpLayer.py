"""A motion played on the fixed segmentation, and on the fixed scan."""

import json

from vtk.util.numpy_support import vtk_to_numpy

import slicer
from regexplain.errors import BadInputError

from ..Segments import WARPED_COLOR
from .Layer import Layer

FRAMES_PER_SECOND = 8
STRENGTHS, AMPLITUDE = "RegExplain.Strengths", "RegExplain.Amplitude"


class WarpLayer(Layer):
    """The fixed segmentation red as it is, gold as a motion has moved it; if asked for, the fixed scan moved with it.

    A point x of the segmentation is drawn at x + D(x): at the tip of the arrow that D draws there, so that gold moves
    as the arrows and the names of motions say. A sequence browser steps a transform through the motion's strengths.

    A subclass sets `key`, `title`, `unit` (of the strengths) and `order` (ascending strengths to those of the frames),
    and writes `_frames`.
    """

    kind = "animation"
    roles = ("sequence", "browser", "segmentation")
    unit = ""
    order = list  # as they ascend; a loop jumps from the end to the start, but there are half as many frames to keep

    @property
    def browser(self):
        """The vtkMRMLSequenceBrowserNode, None before `add()`."""
        return self.node("browser")

    @property
    def warp(self):
        """The transform node that the browser steps. Each step overwrites its attributes, so it bears no tags."""
        return self.browser.GetProxyNode(self.node("sequence"))

    @property
    def strengths(self):
        """The strength of every frame."""
        return json.loads(self.browser.GetAttribute(STRENGTHS))

    @property
    def strength(self):
        """Of the frame on show."""
        return self.strengths[self.browser.GetSelectedItemNumber()]

    @property
    def visible(self):
        return self.added and bool(self.node("segmentation").GetDisplayVisibility())

    @property
    def amplitude(self):
        """How many times as large as it is the motion is drawn."""
        return float(self.browser.GetAttribute(AMPLITUDE) or 1)

    def setAmplitude(self, factor):
        """1 is true. Only the drawing is scaled: strengths stay what they are, and no frame is made anew.

        The vectors themselves are, as scenes do not keep the displacement scale of a sequence's transforms.
        """
        ratio = factor / self.amplitude
        for field in self._fields():
            vectors = vtk_to_numpy(field.GetPointData().GetScalars())
            vectors *= ratio
            field.Modified()
        self.browser.SetAttribute(AMPLITUDE, str(factor))
        self.setFrame(self.browser.GetSelectedItemNumber())

    @property
    def caption(self):
        larger = f", drawn {self.amplitude:g} times as large," * (self.amplitude != 1)
        return f"{super().caption} at {self.strength:g} {self.unit}{larger} on the fixed segmentation (gold)"

    @property
    def playing(self):
        return self.added and bool(self.browser.GetPlaybackActive())

    @property
    def imageShown(self):
        return self.node("image") is not None

    def setFrame(self, number):
        self.browser.SetSelectedItemNumber(number)
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(self.browser)

    def setStrength(self, strength):
        """Show the frame whose strength is nearest."""
        strengths = self.strengths
        self.setFrame(min(range(len(strengths)), key=lambda frame: abs(strengths[frame] - strength)))

    def setPlaying(self, playing):
        """Start or stop; in the application the timer of the Sequences module drives it."""
        self.browser.SetPlaybackActive(playing)

    def setImageShown(self, shown):
        """Show the fixed scan moved along with the outline, or as it is."""
        if shown and not self.imageShown:
            self._addImage()
        elif not shown and self.imageShown:
            self._exchangeBackground(self.node("image"), self.resultNodes.fixed)
            self._removeNodes([self.node("image")])
        if self.visible:
            self._setVisible(True)

    def _frames(self):
        """{strength: vtkOrientedGridTransform x -> x + D(x)}. Raises BadInputError where anything is lacking."""
        raise NotImplementedError

    def _build(self):
        if self.resultNodes.fixedSegmentation is None:
            raise BadInputError(
                "An animation moves the fixed segmentation, and this result has none; "
                "register with a segmentation of the fixed scan."
            )
        frames = self._frames()
        order = self.order(sorted(frames))
        sequence = self._addSequence([frames[strength] for strength in order])
        browser = self._addNode("vtkMRMLSequenceBrowserNode", f"{self.title} player", "browser")
        browser.SetAttribute(STRENGTHS, json.dumps(order))
        browser.SetPlaybackRateFps(FRAMES_PER_SECOND)
        browser.SetPlaybackLooped(True)
        browser.SetPlaybackItemSkippingEnabled(False)
        warp = self.scene.AddNewNodeByClass("vtkMRMLTransformNode", self.scene.GenerateUniqueName(f"{self.title} warp"))
        modifying = browser.StartModify()  # or the Sequences logic makes a proxy node of its own in between
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        browser.AddProxyNode(warp, sequence, False)
        browser.SetOverwriteProxyName(sequence, False)
        browser.EndModify(modifying)
        self._addWarpedSegmentation().SetAndObserveTransformNodeID(warp.GetID())
        self.setFrame(0)

    def _fields(self):
        """The vtkImageData of all frames, each once: frames of the same strength share theirs."""
        sequence = self.node("sequence")
        nodes = [sequence.GetNthDataNode(number) for number in range(sequence.GetNumberOfDataNodes())]
        fields = [node.GetTransformToParent().GetDisplacementGrid() for node in nodes]
        return {field.GetPointData().GetScalars(): field for field in fields}.values()

    def _addSequence(self, frames):
        """Of plain transform nodes: a saved scene gives grid transform nodes back as those, and the proxy breaks."""
        sequence = self._addNode("vtkMRMLSequenceNode", f"{self.title} warps", "sequence")
        sequence.SetIndexName("frame")
        sequence.SetIndexUnit("")
        sequence.SetIndexTypeFromString("numeric")
        for frame, grid in enumerate(frames):
            node = slicer.vtkMRMLTransformNode()
            node.SetAndObserveTransformToParent(grid)
            sequence.SetDataNodeAtValue(node, str(frame))
        return sequence

    def _addWarpedSegmentation(self):
        original = self.resultNodes.fixedSegmentation
        node = self._addNode("vtkMRMLSegmentationNode", f"{self.title} warped segmentation", "segmentation")
        node.GetSegmentation().DeepCopy(original.GetSegmentation())
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().CopyContent(original.GetDisplayNode())
        for index in range(node.GetSegmentation().GetNumberOfSegments()):
            node.GetSegmentation().GetNthSegment(index).SetColor(WARPED_COLOR)
        node.SetDisplayVisibility(False)
        return node

    def _addImage(self):
        """It shares its voxels with the fixed scan."""
        fixed = self.resultNodes.fixed
        node = self._addNode("vtkMRMLScalarVolumeNode", f"{self.title} warped scan", "image")
        node.CopyOrientation(fixed)
        node.SetAndObserveImageData(fixed.GetImageData())
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().CopyContent(fixed.GetDisplayNode())
        node.SetAndObserveTransformNodeID(self.warp.GetID())

    def _setVisible(self, visible):
        """The warped moving segmentation is gold too, so only one of the two is seen."""
        if visible or self.visible:
            self.node("segmentation").SetDisplayVisibility(visible)
            if self.resultNodes.warpedSegmentation:
                self.resultNodes.warpedSegmentation.SetDisplayVisibility(not visible)
        if self.imageShown:
            scans = self.resultNodes.fixed, self.node("image")
            self._exchangeBackground(*(scans if visible else scans[::-1]))
        if not visible:
            self.setPlaying(False)

    def _exchangeBackground(self, old, new):
        for composite in self.resultNodes.sliceComposites():
            if composite.GetBackgroundVolumeID() == old.GetID():
                composite.SetBackgroundVolumeID(new.GetID())
