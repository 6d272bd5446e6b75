"""Set up this clone: a virtual environment in .venv with RegExplain and all that its demo and tests need.

    python3 tools/bootstrap.py

`make demo` and `make test` begin with it. It needs Python 3.10 or later, downloads nothing but packages, takes torch's
CPU build only, and does nothing while pyproject.toml and itself are as they were the last time.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "bootstrap.stamp"
TORCH = "torch==2.13.0"
ICON = "icon-registration>=1.1.9,<1.2"  # the tests ask its networks, which need torch alone; the rest of it needs ITK
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_PACKAGES = ("nvidia-", "cuda-", "triton")
QUIETLY = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class SystemLibraries(NamedTuple):
    """What no Python package brings. Without it the rest works."""

    purpose: str
    probe: str  # Python that fails where they are missing
    packages: str  # Debian's
    otherwise: str


DRAWING = SystemLibraries(
    "pictures",
    "import importlib.util as u, sys; from RegExplainLib.MRML.Gl import canRender; "
    "sys.exit(u.find_spec('slicer') is not None and not canRender())",
    "libosmesa6",
    "there will be none",
)
QT = SystemLibraries(
    "the tests of the panel",
    "import PySide6.QtWidgets, PySide6.QtUiTools",
    "libgl1 libegl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0",
    "they will be skipped",
)


def main():
    if sys.version_info < (3, 10):  # noqa: UP036 (this is where an older Python is told so)
        stop(f"This is Python {sys.version.split()[0]} and RegExplain needs 3.10 or later: make PYTHON=python3.12 …")
    if is_current():
        return
    say("Setting up .venv; this takes some minutes the first time.")
    create_environment()
    install_torch()
    say("Installing RegExplain and what its demo and tests need.")
    pip("install", "--editable", f"{ROOT}[torch,attribution,train,study,cohort,scene,external,test]")
    pip("install", "--no-deps", ICON)
    install_system_libraries()
    STAMP.write_text(fingerprint())
    say("Set-up finished: .venv is ready.")


def is_current():
    return STAMP.exists() and STAMP.read_text(encoding="utf-8") == fingerprint() and runs("-c", "")


def fingerprint():
    """Changes with the requirements, with this file and with the folder of the clone."""
    sources = [ROOT / "pyproject.toml", Path(__file__)]
    return hashlib.sha256(b"".join([str(ROOT).encode(), *(path.read_bytes() for path in sources)])).hexdigest()


def create_environment():
    if not runs("-m", "pip", "--version"):
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True)
        if made.returncode:  # Debian keeps the part that brings pip in a package of its own
            run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
            install_pip()
    pip("install", "--upgrade", "pip>=24,<30")  # older ones download a wheel only to look at what it needs


def install_pip():
    """pip can install itself from its own wheel."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    with urllib.request.urlopen(index, timeout=60) as page:
        links = re.findall(r'href="([^"]+/(pip-[\d.]+-py3-none-any\.whl)#sha256=(\w+))"', page.read().decode())
    link, name, checksum = max(links, key=lambda found: [int(n) for n in re.findall(r"\d+", found[1].split("-")[1])])
    with urllib.request.urlopen(urllib.parse.urljoin(index, link), timeout=60) as wheel:
        content = wheel.read()
    if hashlib.sha256(content).hexdigest() != checksum:
        stop("pip arrived damaged from the package index; run this again.")
    path = VENV / name
    path.write_bytes(content)
    run([PYTHON, path / "pip", "install", "-qq", path])
    path.unlink()


def install_torch():
    index = ["--extra-index-url", TORCH_CPU_INDEX] if sys.platform == "linux" and answers(TORCH_CPU_INDEX) else []
    plan = json.loads(pip("install", "--dry-run", "--report", "-", TORCH, *index))
    names = [package["metadata"]["name"].lower() for package in plan["install"]]
    if any(name.startswith(CUDA_PACKAGES) for name in names):
        stop(
            f"{TORCH} would bring gigabytes of CUDA libraries here, so it was not installed: torch's CPU package "
            f"index ({TORCH_CPU_INDEX}) cannot be reached. Run this again with a connection to it, or with a CPU "
            f"wheel of {TORCH} in a folder that PIP_FIND_LINKS names."
        )
    if "torch" in names:
        say(f"Installing {TORCH} (CPU).")
        pip("install", TORCH, *index)


def answers(url):
    try:
        urllib.request.urlopen(urllib.request.Request(url + "/torch/", method="HEAD"), timeout=5).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def install_system_libraries():
    """Where this may not install them, or cannot, it says which are missing and goes on."""
    missing = [libraries for libraries in (DRAWING, QT) if sys.platform == "linux" and not runs("-c", libraries.probe)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Installing system libraries for {' and '.join(libraries.purpose for libraries in missing)}.")
        apt("update")
        missing = [libraries for libraries in missing if not installed(libraries)]
    for libraries in missing:
        say(
            f"System libraries for {libraries.purpose} are missing, so {libraries.otherwise} "
            f"(Debian: {libraries.packages})."
        )


def installed(libraries):
    """Some packages are gone from some systems, so each is tried by itself and the probe has the last word."""
    for package in libraries.packages.split():
        apt("install", "--yes", "--no-install-recommends", package)
    return runs("-c", libraries.probe)


def apt(*arguments):
    command = ["apt-get", "-qq", *arguments]
    subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **QUIETLY)


def pip(*arguments):
    """What pip prints; the second -q keeps its warnings about other indexes to itself, not its errors."""
    return run([PYTHON, "-m", "pip", "-qq", "--no-input", "--disable-pip-version-check", *arguments])


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode:
        stop(f"The set-up stopped at: {' '.join(str(part) for part in command)}")
    return done.stdout


def runs(*arguments):
    """Whether the environment's Python does this without failing."""
    if not PYTHON.exists():
        return False
    return not subprocess.run([PYTHON, *arguments], cwd=ROOT, **QUIETLY).returncode


def say(text):
    print(text, flush=True)


def stop(text):
    sys.exit(text)


if __name__ == "__main__":
    main()
