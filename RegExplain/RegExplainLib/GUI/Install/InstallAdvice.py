"""Messages on why packages cannot be installed and what to do; pip only reports that it failed."""

import os
import shutil
import socket
import sys
import sysconfig
from urllib.request import getproxies

from slicer.i18n import tr as _

OLDEST_PYTHON = (3, 10)  # as in pyproject.toml
TORCH_BYTES, OTHERS_BYTES = 6_000_000_000, 200_000_000  # with what pip unpacks on the way
REGISTRY = ("pypi.org", 443)
TIMEOUT_S = 3


def installProblem(withTorch):
    """The reason why nothing can be installed here, and what to do; "" where there is none."""
    folder = sysconfig.get_paths()["purelib"]
    if sys.version_info < OLDEST_PYTHON:
        text = _(
            "This Slicer has Python {version}, and RegExplain needs {oldest} or newer; install Slicer 5.10 or later."
        )
        return text.format(version="{}.{}".format(*sys.version_info), oldest="{}.{}".format(*OLDEST_PYTHON))
    if not os.access(folder, os.W_OK):
        text = _(
            "{folder} cannot be written to, so nothing can be installed into this Slicer; install Slicer into a folder "
            "of your own, or ask who looks after this computer to install the packages."
        )
        return text.format(folder=folder)
    needed, free = TORCH_BYTES if withTorch else OTHERS_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        text = _(
            "Only {free:.1f} GB are free in {folder}, and {needed:.1f} GB are needed; free disk space, then try again."
        )
        return text.format(free=free / 1e9, folder=folder, needed=needed / 1e9)
    return ""


def nextStep():
    """What to do after installing failed, judged by whether the packages' server can be reached."""
    if isReachable(*REGISTRY):
        return _(
            "The packages' server can be reached; see the Python console for the reason, restart Slicer, try again."
        )
    if getproxies():
        return _(
            "The packages' server cannot be reached, and this computer uses a proxy; ask for its address, set the "
            "environment variable HTTPS_PROXY to it, restart Slicer, try again."
        )
    return _(
        "The packages' server cannot be reached; connect to the internet and try again. In a hospital's network, ask "
        "whether pypi.org and download.pytorch.org are blocked, or for the address of a proxy."
    )


def isReachable(host, port):
    try:
        with socket.create_connection((host, port), TIMEOUT_S):
            return True
    except OSError:
        return False
