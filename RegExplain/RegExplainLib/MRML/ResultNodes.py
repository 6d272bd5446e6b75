"""A result folder as nodes of a scene."""

import json
import uuid

import numpy as np
import SimpleITK as sitk
import vtk

import slicer
from regexplain.errors import BadInputError
from regexplain.results import ResultFolder
from regexplain.results.registration_result import RegistrationResult
from regexplain.transforms.itk import read_transform

from . import Conversion
from .Anatomy import Scan, anatomyBounds, anatomyCentre, largestDisplacement
from .OtherOutlines import hideOtherOutlines, showOtherOutlines
from .Segments import FIXED_COLOR, MOVING_COLOR, WARPED_COLOR
from .Steps import taken
from .Tags import RESULT, hasTags, removeNodes, tag, taggedNodes
from .ViewFitting import STAGE_VIEW, fitCameras, fitSlices, sliceLogics

VOLUMES = {
    "fixed": ("fixed.nii.gz", "Fixed"),
    "moving": ("moving.nii.gz", "Moving"),
    "warpedMoving": ("warped_moving.nii.gz", "Warped moving"),
}
SEGMENTATIONS = {
    "fixedSegmentation": ("fixed_segmentation.nii.gz", "Fixed segmentation", FIXED_COLOR, "fixed"),
    "movingSegmentation": ("moving_segmentation.nii.gz", "Moving segmentation", MOVING_COLOR, "moving"),
    "warpedSegmentation": (
        "warped_moving_segmentation.nii.gz",
        "Warped moving segmentation",
        WARPED_COLOR,
        "warpedMoving",
    ),
}
TRANSFORM = "transform.h5"
SURFACE_LIMIT_VOXELS = 2_000_000  # a whole head of 50 segments takes 12 s, too long to wait for unasked
OUTLINE_PIXELS = 3


class ResultNodes:
    """The nodes of one registration, kept together in a subject hierarchy folder and found again by their tags.

    `ResultNodes.load(path)` makes them; `ResultNodes.find()` returns those of every result in the scene, for example
    after opening an .mrb. The properties below look their node up each time; they are None where the result has no such
    part, or the user deleted it.

    The moving volume stays where its scanner put it. Under `alignment` it appears in fixed space, because the chain of
    `alignment` under `deformation` has FromWorld(x) = alignment(x + u(x)), u the pull-back displacement.

    `folder` is the ResultFolder, None for a result found in a scene: a scene keeps no paths. A caller that knows the
    folder may set it, and then add layers.
    """

    def __init__(self, scene, resultId, folder=None):
        self.scene, self.id, self.folder = scene, resultId, folder
        self._ids = {}  # of nodes found before, by (role, layer): looking through a large scene takes milliseconds

    @classmethod
    def load(cls, resultPath, scene=None):
        """Add a result folder's nodes to the scene and show the fixed scan with its outlines.

        Raises BadInputError where the folder is no result; the scene is then as it was.
        """
        *_, result = cls.loadInSteps(resultPath, readFiles(resultPath), scene)
        return result

    @classmethod
    def loadInSteps(cls, resultPath, files, scene=None):
        """The same of what `readFiles` gave, node by node: gives the result after each, whole after the last.

        Between two steps Slicer may do other things. Closing the generator leaves the scene as it was.
        """
        result = cls(scene or slicer.mrmlScene, uuid.uuid4().hex, ResultFolder.open(resultPath))
        try:
            for step in result._addingSteps(files):
                step()
                yield result
        except BaseException:
            result.remove()
            raise

    @classmethod
    def find(cls, scene=None):
        """Every result in the scene, oldest first."""
        scene = scene or slicer.mrmlScene
        return [cls(scene, node.GetAttribute(RESULT)) for node in taggedNodes(scene, role="record")]

    @property
    def record(self):
        """result.json as a dict; it travels with the scene."""
        return json.loads(self.node("record").GetText())

    @property
    def fixed(self):
        return self.node("fixed")

    @property
    def moving(self):
        return self.node("moving")

    @property
    def warpedMoving(self):
        return self.node("warpedMoving")

    @property
    def fixedSegmentation(self):
        return self.node("fixedSegmentation")

    @property
    def movingSegmentation(self):
        return self.node("movingSegmentation")

    @property
    def warpedSegmentation(self):
        return self.node("warpedSegmentation")

    @property
    def alignment(self):
        """vtkMRMLLinearTransformNode, under `deformation` where there is one."""
        return self.node("alignment")

    @property
    def deformation(self):
        """vtkMRMLGridTransformNode with its inverse; None for an affine-only result."""
        return self.node("deformation")

    def node(self, role, layer=""):
        """The node that plays `role` in this result (or in its layer of that key), else None."""
        node = self.scene.GetNodeByID(self._ids.get((role, layer), ""))
        if node is None or not hasTags(node, self.id, role, layer):  # deleted, or the scene was closed meanwhile
            node = next(iter(taggedNodes(self.scene, self.id, role, layer)), None)
            self._ids[role, layer] = node.GetID() if node is not None else ""
        return node

    def layers(self):
        """Layer objects, added or not, of all there is to show: arrows, heatmap stages, animated components."""
        from .Layers import availableLayers

        return availableLayers(self)

    def enterViews(self, fitted=True):
        """Take the views: they show the fixed scan, whole, where most moved, and no outlines but the result's.

        fitted: False to leave zoom, place and camera, which are the user's once a result has been fitted.
        """
        taken(self.enterViewsInSteps(fitted))

    def enterViewsInSteps(self, fitted=True):
        """The same in steps (Steps.py) that each take a while of a whole head."""
        self.showSpace("fixed")
        hideOtherOutlines(self.scene)
        if fitted and self.fixed is not None:
            yield Scan(self.fixed).tissue  # whose level takes longest, and is kept
            place = largestDisplacement(self) if self.deformation else anatomyCentre(self)
            yield
            fitSlices(sliceLogics(), place)
            yield
            fitCameras(self.scene, anatomyBounds(self))

    def leaveViews(self):
        """Leave no layer and no outline in the views, and give back the outlines that were there before."""
        for layer in self.layers():
            layer.hide()
        for node in filter(None, map(self.node, SEGMENTATIONS)):
            node.SetDisplayVisibility(False)
        showOtherOutlines(self.scene)

    def showSpace(self, space):
        """Show the "fixed" or the "moving" scan in all slice views, with the outlines that belong on it.

        Fixed segmentation red, warped gold, moving blue. Where a view showed the other scan, the same anatomy stays in
        its middle.
        """
        volume, other = self.node(space), self.node("fixed" if space == "moving" else "moving")
        for composite in self.sliceComposites():
            wasOther = other is not None and composite.GetBackgroundVolumeID() == other.GetID()
            composite.SetBackgroundVolumeID(volume.GetID() if volume else None)
            if wasOther:
                self._followAnatomy(composite, space)
        for role in SEGMENTATIONS:
            if segmentation := self.node(role):
                segmentation.SetDisplayVisibility((role == "movingSegmentation") == (space == "moving"))

    def showMovingWarpedLive(self, live):
        """Put the moving volume and its segmentation under the transforms (they appear in fixed space), or out."""
        parent = self.alignment.GetID() if live else None
        for node in filter(None, (self.moving, self.movingSegmentation)):
            node.SetAndObserveTransformNodeID(parent)

    def movingPoint(self, ras):
        """The moving-space point that the registration gives to a fixed-space point (3 numbers, RAS mm)."""
        return self._mapped(ras, None, self.alignment)

    def fixedPoint(self, ras):
        """Its inverse."""
        return self._mapped(ras, self.alignment, None)

    def pointIn(self, space, ras):
        """Where a point of the other space ("moving" for "fixed") lies in this one, RAS mm."""
        return self.movingPoint(ras) if space == "moving" else self.fixedPoint(ras)

    def remove(self):
        """Take everything of this result, layers too, out of the scene."""
        folderItem = self._folderItem()
        if self._isShown():
            showOtherOutlines(self.scene)
        removeNodes(self.scene, taggedNodes(self.scene, self.id))
        if folderItem:
            self._hierarchy.RemoveItem(folderItem, False, False)

    def sliceComposites(self):
        """The vtkMRMLSliceCompositeNode of every slice view but those of StagesLayout, each with a scan of its own."""
        every = self.nodesByClass("vtkMRMLSliceCompositeNode")
        return [composite for composite in every if not composite.GetLayoutName().startswith(STAGE_VIEW)]

    def showPoint(self, ras, space):
        """Put a point of the "fixed" or the "moving" scan (RAS mm) into the middle of every slice view.

        A view that shows the other scan goes to where that has the same tissue.
        """
        other = "fixed" if space == "moving" else "moving"
        points = {space: ras, other: self.pointIn(other, ras)}
        for composite in self.nodesByClass("vtkMRMLSliceCompositeNode"):
            shown = self.moving is not None and composite.GetBackgroundVolumeID() == self.moving.GetID()
            for view in self._viewsOf(composite):
                view.JumpSliceByCentering(*points["moving" if shown else "fixed"])

    def adopt(self, node, role, layer=""):
        """Tag a node as this result's and put it into the result's subject hierarchy folder; returns the node."""
        tag(node, self.id, role, layer)
        self._hierarchy.SetItemParent(self._itemOf(node), self._folderItem())
        return node

    def nodesByClass(self, className):
        """Every node of that class in the scene, this result's or not."""
        return [
            self.scene.GetNthNodeByClass(n, className) for n in range(self.scene.GetNumberOfNodesByClass(className))
        ]

    @property
    def _hierarchy(self):
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)

    def _itemOf(self, node):
        """The application has made one already."""
        hierarchy = self._hierarchy
        return hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def _folderItem(self):
        record = self.node("record")
        return self._hierarchy.GetItemParent(self._itemOf(record)) if record else 0

    def _mapped(self, ras, source, target):
        chain = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, chain)
        return np.array(chain.TransformPoint(ras))

    def _followAnatomy(self, composite, space):
        for view in self._viewsOf(composite):
            centre = [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
            view.JumpSliceByCentering(*self.pointIn(space, centre))

    def _isShown(self):
        return any(node.GetDisplayVisibility() for node in filter(None, map(self.node, SEGMENTATIONS))) or any(
            self.fixed is not None and composite.GetBackgroundVolumeID() == self.fixed.GetID()
            for composite in self.sliceComposites()
        )

    def _viewsOf(self, composite):
        name = composite.GetLayoutName()
        return [view for view in self.nodesByClass("vtkMRMLSliceNode") if view.GetLayoutName() == name]

    def _addingSteps(self, files):
        """Functions that add one node after the other, and at last show them."""
        yield self._addRecord
        for role, (fileName, name) in VOLUMES.items():
            if fileName in files:
                yield lambda role=role, voxels=files[fileName], name=name: self._addVolume(role, voxels, name)
        for role, (fileName, *rest) in SEGMENTATIONS.items():
            if fileName in files:
                yield lambda role=role, masks=files[fileName], rest=rest: self._addSegmentation(role, masks, *rest)
                yield lambda role=role: self._addSurfaces(role)
        yield lambda: self._addTransforms(*files[TRANSFORM])
        yield lambda: self.showSpace("fixed")

    def _addRecord(self):
        hierarchy = self._hierarchy
        folderName = hierarchy.GenerateUniqueItemName("Registration")
        folderItem = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), folderName)
        record = self.scene.AddNewNodeByClass("vtkMRMLTextNode", self._uniqueName("RegExplain record"))
        record.SetText(json.dumps(self.folder.record))
        tag(record, self.id, "record")
        hierarchy.SetItemParent(self._itemOf(record), folderItem)

    def _addVolume(self, role, voxels, name):
        self.adopt(Conversion.addVolume(self.scene, voxels, self._uniqueName(name)), role)

    def _addSegmentation(self, role, masks, name, color, volumeRole):
        names = {row["label"]: row["name"] for row in self.folder.record["segments"] if "name" in row}
        node = self.adopt(Conversion.addSegmentation(self.scene, masks, self._uniqueName(name), color, names), role)
        node.SetReferenceImageGeometryParameterFromVolumeNode(self.node(volumeRole))
        node.SetDisplayVisibility(False)  # until the last step
        node.GetDisplayNode().SetVisibility2DFill(False)
        node.GetDisplayNode().SetSliceIntersectionThickness(OUTLINE_PIXELS)

    def _addSurfaces(self, role):
        node, volume = self.node(role), self.node(SEGMENTATIONS[role][-1])
        if volume is not None and volume.GetImageData().GetNumberOfPoints() < SURFACE_LIMIT_VOXELS:
            node.CreateClosedSurfaceRepresentation()
            display = node.GetDisplayNode()
            display.SetPreferredDisplayRepresentationName2D("Closed surface")  # thick voxels cut obliquely look torn
            display.SetOpacity3D(0.3)

    def _addTransforms(self, alignment, grid):
        self.adopt(Conversion.addLinearTransform(self.scene, alignment, self._uniqueName("Alignment")), "alignment")
        if grid is not None:
            node = Conversion.addGridTransform(self.scene, grid, self._uniqueName("Deformation"))
            self.adopt(node, "deformation")
            self.alignment.SetAndObserveTransformNodeID(node.GetID())

    def _uniqueName(self, name):
        return self.scene.GenerateUniqueName(name)


def readFiles(resultPath):
    """What is in a result folder, by file name, ready to go into nodes: voxels, masks by label, (alignment, grid).

    Touches no scene, so any thread may call it: all that takes long for large scans is done here.
    Raises BadInputError where the folder is no result.
    """
    folder = ResultFolder.open(resultPath)
    path = folder.file(TRANSFORM)
    if path is None:
        raise BadInputError(f"{folder.path} lacks {TRANSFORM}, so it is no finished result; register again.")
    makers = {row[0]: Conversion.voxelsOf for row in VOLUMES.values()}
    makers |= {row[0]: Conversion.masksOf for row in SEGMENTATIONS.values()}
    nodes = {name: make(sitk.ReadImage(str(folder.file(name)))) for name, make in makers.items() if folder.file(name)}
    _makeWarped(folder, nodes)
    transform = read_transform(path)
    grid = None if transform.displacement is None else Conversion.gridTransform(transform.displacement)
    return nodes | {TRANSFORM: (transform.alignment, grid)}


def _makeWarped(folder, nodes):
    """What a result that somebody thinned out, or another program wrote, may lack."""
    (fixed, _), (moving, _), (warped, _) = VOLUMES.values()
    if warped not in nodes and fixed in nodes and moving in nodes:
        nodes[warped] = Conversion.voxelsOf(RegistrationResult.load(folder.path).warped_moving)
