"""A component's warp played on the fixed segmentation."""

import json

import SimpleITK as sitk

import slicer
from regexplain.errors import BadInputError

from .. import Conversion
from ..ResultNodes import WARPED_COLOR
from .Layer import Layer

FRAMES_PER_SECOND = 8
FRAME_LIMIT_VOXELS = 40**3  # frames are smooth fields, and the scene stores every one
STRENGTHS = "RegExplain.Strengths"


class AnimationLayer(Layer):
    """What one latent component does to anatomy: the fixed segmentation red as it is, gold under the component's warp.

    A sequence browser steps a transform through the component's strengths, ordered so that a loop plays without a jump:
    0 up to the largest, down through 0 to the smallest, and back.
    """

    roles = ("sequence", "browser", "segmentation")

    def __init__(self, resultNodes, componentIndex):
        super().__init__(resultNodes)
        self.componentIndex = componentIndex
        self.key, self.title = f"animation {componentIndex}", f"Component {componentIndex}"

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
        """The strength (standard deviations) of every frame."""
        return json.loads(self.browser.GetAttribute(STRENGTHS))

    @property
    def visible(self):
        return self.added and bool(self.node("segmentation").GetDisplayVisibility())

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

    def _build(self):
        files = self._files()
        order = backAndForth(sorted(files))
        sequence = self._addSequence([files[strength] for strength in order])
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

    def _files(self):
        """strength -> file. Raises BadInputError where anything is lacking."""
        result, index = self.resultNodes, self.componentIndex
        if result.fixedSegmentation is None:
            raise BadInputError(
                "An animation moves the fixed segmentation, and this result has none; "
                "register with a segmentation of the fixed scan."
            )
        items = (result.record["components"] or {"items": []})["items"]
        item = next((item for item in items if item["index"] == index), None)
        if item is None:
            raise BadInputError(f"This result has no component {index}; run Components first.")
        files = {field["strength"]: result.folder and result.folder.file(field["file"]) for field in item["fields"]}
        if not all(files.values()):
            raise BadInputError(
                f"Files of component {index} are missing; open the result folder again, or run Components again."
            )
        return files

    def _addSequence(self, files):
        """Of plain transform nodes: a saved scene gives grid transform nodes back as those, and the proxy breaks."""
        sequence = self._addNode("vtkMRMLSequenceNode", f"{self.title} warps", "sequence")
        sequence.SetIndexName("frame")
        sequence.SetIndexUnit("")
        sequence.SetIndexTypeFromString("numeric")
        for frame, path in enumerate(files):
            grid = Conversion.gridTransform(sitk.ReadImage(str(path)), FRAME_LIMIT_VOXELS)
            node = slicer.vtkMRMLTransformNode()
            node.SetAndObserveTransformFromParent(grid)
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

    def _setVisible(self, visible):
        """The warped moving segmentation is gold too, so only one of the two is seen."""
        if visible or self.visible:
            self.node("segmentation").SetDisplayVisibility(visible)
            if self.resultNodes.warpedSegmentation:
                self.resultNodes.warpedSegmentation.SetDisplayVisibility(not visible)
        if not visible:
            self.setPlaying(False)


def backAndForth(strengths):
    """Ascending strengths as one loop: from the one nearest zero up, down to the bottom, and up to before the start."""
    start = min(range(len(strengths)), key=lambda n: abs(strengths[n]))
    top = len(strengths) - 1
    loop = [*range(start, top), *range(top, 0, -1), *range(0, start)]
    return [strengths[n] for n in loop or [0]]
