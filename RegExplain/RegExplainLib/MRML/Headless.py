"""The MRML half of Slicer without the application, on the package slicer-core: for the command line and for tests.

Never needed inside the application, which has all of this already.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import vtk

import slicer

# The oldest Slicer that reads all we write. Under slicer-core's own name Slicer warns: "may not load correctly".
SCENE_VERSION = "Slicer 5.10.0 0"
LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
}


class Headless:
    """A scene and its logics, put where Slicer has them: `slicer.mrmlScene`, `slicer.modules.<name>.logic()`.

    `Headless.start()` returns the one of this process.
    """

    _instance = None

    @classmethod
    def start(cls):
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="regexplain-")
        self.scene = slicer.mrmlScene = slicer.vtkMRMLScene()
        self.scene.SetVersion(SCENE_VERSION)
        self.scene.SetRootDirectory(self._subfolder("root"))
        self._startApplicationLogic()
        self._addDefaultNodes()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        for view in ("ThreeD", "Slice"):
            factory = getattr(slicer, f"vtkMRML{view}ViewDisplayableManagerFactory").GetInstance()
            factory.SetMRMLApplicationLogic(self.applicationLogic)
        self._addFileManagers()
        slicer.modules = SimpleNamespace()
        self._logics = [self._addLogic(name, className) for name, className in LOGICS.items()]

    def clear(self):
        """Remove every node, as closing the scene does in the application."""
        self.scene.Clear(False)
        self._addDefaultNodes()

    def _startApplicationLogic(self):
        self.applicationLogic = slicer.vtkSlicerApplicationLogic()
        self.applicationLogic.SetMRMLScene(self.scene)
        self.applicationLogic.SetTemporaryPath(self._subfolder("temporary"))
        self._subfolder("home/share/ColorFiles")  # empty, but without it VTK prints an error
        self.applicationLogic.SetHomeDirectory(self._subfolder("home"))
        self.applicationLogic.SetShareDirectory("share")
        self.applicationLogic.SetSliceLogics(vtk.vtkCollection())
        self.applicationLogic.SetViewLogics(vtk.vtkCollection())

    def _addDefaultNodes(self):
        self.applicationLogic.GetColorLogic().SetMRMLScene(self.scene)
        self.applicationLogic.GetColorLogic().AddDefaultColorNodes()
        slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)

    def _addFileManagers(self):
        """Without these, reading an .mrb fails."""
        self._cache, self._files = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
        self._cache.SetRemoteCacheDirectory(self._subfolder("cache"))
        self._files.SetCacheManager(self._cache)
        self.scene.SetCacheManager(self._cache)
        self.scene.SetDataIOManager(self._files)

    def _addLogic(self, name, className):
        logic = getattr(slicer, className)()
        logic.SetMRMLApplicationLogic(self.applicationLogic)
        logic.SetMRMLScene(self.scene)
        self.applicationLogic.SetModuleLogic(name, logic)
        setattr(slicer.modules, name.lower(), SimpleNamespace(logic=lambda: logic))
        return logic

    def _subfolder(self, name):
        folder = Path(self._folder.name, name)
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)
