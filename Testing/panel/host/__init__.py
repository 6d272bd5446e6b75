"""A stand-in for the Slicer application: enough of `qt`, `ctk` and `slicer` to run the real panel.

`start()` once in a process, then `LoadedModule(path).open()`. README.md says where it differs from Slicer.
"""

import os
import sys
from pathlib import Path

SLICER_SOURCE = os.environ.get("REGEXPLAIN_SLICER_SOURCE", "")
REPOSITORY = Path(__file__).parents[3]

_running = None


def start():
    """Make `import qt, ctk, slicer` work as in the application. Returns the headless scene's keeper, `Headless`."""
    global _running
    if _running is not None:
        return _running[0]
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path.insert(0, str(REPOSITORY / "RegExplain"))
    from RegExplainLib.MRML.Headless import Headless

    headless = Headless.start()
    headless.scene.AddObserver(headless.scene.EndCloseEvent, lambda *_: _addDefaultNodes(headless))
    _addDefaultNodes(headless)
    _usePythonBases()
    from . import application, ctk, events, mrmlwidgets, qt

    sys.modules["qt"], sys.modules["ctk"] = qt.makeQtModule(), ctk.makeCtkModule()
    mrmlwidgets.addMrmlWidgets()
    events.forbidRemovalInOwnEvent(headless.scene)
    _running = headless, application.startApplication()
    return headless


def _addDefaultNodes(headless):
    """As the application does at its start and after a scene was closed: colours, and the views' layers."""
    headless.applicationLogic.GetColorLogic().AddDefaultColorNodes()
    headless.scene.GetSubjectHierarchyNode()
    for name in ("Red", "Green", "Yellow"):
        if headless.scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode") is None:
            node = headless.scene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
            node.UnRegister(None)
            node.SetSingletonTag(name)
            node.SetLayoutName(name)
            headless.scene.AddNode(node)


def _usePythonBases():
    """Slicer's own Python files where a checkout is given, else the small ones in bases/."""
    import slicer

    if not SLICER_SOURCE:
        slicer.__path__.append(str(Path(__file__).with_name("bases")))
        return
    folder = Path(SLICER_SOURCE, "Base", "Python", "slicer")
    if not (folder / "ScriptedLoadableModule.py").is_file():
        raise RuntimeError(
            f"REGEXPLAIN_SLICER_SOURCE is not a checkout of Slicer: {folder} has no ScriptedLoadableModule.py."
        )
    slicer.__path__.insert(0, str(folder))
    sys.modules.pop("slicer.util", None)
    import slicer.util  # noqa: F401, PLC0415 - the checkout's, not the wheel's
