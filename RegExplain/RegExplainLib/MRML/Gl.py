"""Whether this machine can draw. Without a GL library VTK's first render ends the process, so a child tries it."""

import os
import subprocess
import sys

TRIAL = "import vtk; window = vtk.vtkRenderWindow(); window.SetOffScreenRendering(1); window.Render()"
VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
SCREENLESS, SOFTWARE = "vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow"
MISSING = (
    "There are no pictures, because no GL library was found here: install libegl1 and libgl1, or libosmesa6 "
    "(names of Debian and Ubuntu), and run again."
)


def canRender():
    """Find a kind of render window that works and have this process use it; False where there is none."""
    for window in _windows():
        environment = os.environ | {VARIABLE: window} if window else None
        trial = subprocess.run([sys.executable, "-c", TRIAL], env=environment, capture_output=True, check=False)
        if trial.returncode == 0:
            if window:
                os.environ[VARIABLE] = window
            return True
    return False


def _windows():
    """Names of VTK window classes to try; "" is VTK's own choice."""
    if chosen := os.environ.get(VARIABLE):
        return (chosen,)
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        return (SCREENLESS, SOFTWARE)
    return ("", SOFTWARE)
