"""What a user keeps on this computer: models of their own, and the packages whose code their cards may run.

All of it lies in one folder: `REGEXPLAIN_HOME`, or RegExplain's in the place that the system has for settings.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ..errors import BadInputError

HOME, PACKAGES = "REGEXPLAIN_HOME", "REGEXPLAIN_PACKAGES"  # environment variables; packages by commas
KNOWN_PACKAGES = ("voxelmorph", "monai", "icon_registration", "unigradicon")


def home() -> Path:
    if folder := os.environ.get(HOME):
        return Path(folder)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"), "RegExplain")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "RegExplain"
    return Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"), "RegExplain")


def user_models() -> Path:
    """The folder of imported models, one folder each."""
    return home() / "models"


def allowed_packages() -> list[str]:
    """Those whose classes a card may name: the known ones, those in REGEXPLAIN_PACKAGES, those that were agreed to."""
    named = [name.strip() for name in os.environ.get(PACKAGES, "").split(",")]
    return [*KNOWN_PACKAGES, *filter(None, named), *_agreed()]


def allow_package(name: str) -> None:
    """Keep that the user agreed to run a package's code. Raises BadInputError where that is no package's name."""
    if not name.isidentifier():
        raise BadInputError(f"{name!r} is not the name of a Python package; give what stands after import.")
    if name not in allowed_packages():
        home().mkdir(parents=True, exist_ok=True)
        _file().write_text(json.dumps({"packages": [*_agreed(), name]}, indent=1) + "\n", encoding="utf-8")


def _agreed() -> list[str]:
    try:
        return list(json.loads(_file().read_text(encoding="utf-8"))["packages"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _file() -> Path:
    return home() / "settings.json"
