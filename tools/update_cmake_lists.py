"""Write into RegExplain/CMakeLists.txt every file of the module, as Slicer installs only what is listed there."""

import re
from pathlib import Path

MODULE = Path(__file__).resolve().parents[1] / "RegExplain"


def module_files(module):
    """Paths of (scripts, resources), relative to the module's folder, sorted."""
    paths = sorted(path.relative_to(module) for path in module.rglob("*") if path.is_file())
    paths = [path for path in paths if not is_made(path) and path.name != "CMakeLists.txt"]
    is_script = [path.suffix == ".py" for path in paths]
    scripts = [path.as_posix() for path, script in zip(paths, is_script, strict=True) if script]
    return scripts, [path.as_posix() for path, script in zip(paths, is_script, strict=True) if not script]


def is_made(path):
    return any(part == "__pycache__" or part.startswith(".") or part.endswith(".egg-info") for part in path.parts)


def updated(cmake, module):
    """The text of CMakeLists.txt with both lists as they should be."""
    for name, files in zip(("SCRIPTS", "RESOURCES"), module_files(module), strict=True):
        listed = "".join(f"  {file}\n" for file in files)
        cmake = re.sub(rf"(set\(MODULE_PYTHON_{name}\n)[^)]*\)", rf"\g<1>{listed}  )", cmake)
    return cmake


if __name__ == "__main__":
    lists = MODULE / "CMakeLists.txt"
    lists.write_text(updated(lists.read_text(encoding="utf-8"), MODULE))
