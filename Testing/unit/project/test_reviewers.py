"""What the reviewers of Slicer's Extensions Index ask for, as far as a machine can tell (docs/reviewers.md has it all).

The entry and the fields of CMakeLists.txt are looked at in test_packaging.py, every import in test_import_rings.py.
"""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENTRY = ROOT / "Resources/ExtensionsIndex/RegExplain.json"
ROOM_MIB = 60  # for every file of a clone; the index allows 100 (its scripts/check_description_files.py)
PROGRAMS = {
    ".exe",
    ".dll",
    ".so",
    ".dylib",
    ".pyd",
    ".bat",
    ".jar",
    ".whl",
    ".zip",
    ".gz",
    ".tar",
    ".7z",
    ".pkl",
    ".pt",
    ".pth",
}
IMAGES = ".nii.gz"
BUNDLED = {"numpy", "SimpleITK", "vtk", "vtkmodules", "slicer", "qt", "ctk"}
OURS = {"RegExplain", "RegExplainLib", "regexplain"}
STAND_IN = {"PySide6", "shiboken6"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so nothing says which files belong to the repository")
    command = ["git", "-C", ROOT, "ls-files", "-z"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    return [path for path in map(ROOT.joinpath, names) if path.is_file()]


@pytest.mark.slow
def test_a_clone_of_what_is_published_leaves_room_for_the_next_models(tracked, tmp_path):
    """One commit is published, and the index counts all files of its clone, those of .git too."""
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), tmp_path / "clone"], check=True)
    files = [path for path in (tmp_path / "clone").rglob("*") if path.is_file()]
    assert len(files) > len(tracked)
    assert sum(path.stat().st_size for path in files) / 2**20 < ROOM_MIB


def test_no_program_no_archive_and_nothing_pickled_is_in_the_repository(tracked):
    found = [path for path in tracked if path.suffix in PROGRAMS and not path.name.endswith(IMAGES)]
    assert found == []


def test_the_entry_names_a_category_in_use_and_has_unix_line_ends():
    assert json.loads(ENTRY.read_text(encoding="utf-8"))["category"] == "Registration"
    assert b"\r" not in ENTRY.read_bytes()


def test_the_readme_says_what_the_catalogue_page_must():
    assert README.startswith("# RegExplain\n")
    assert len(re.findall(r"!\[[^\]]+\]\(Resources/Screenshots/", README)) > 0, "an image that shows what it can do"
    assert "Modules → Registration → RegExplain" in README, "where its one module is"
    assert "arXiv" in README.partition("## References")[2], "the publications"
    assert "MIT licence" in README and (ROOT / "LICENSE.txt").read_text(encoding="utf-8").startswith("MIT License")
    assert "docs/tutorial.md" in README


def texts() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("RegExplain/Resources/**/*.md")])


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", texts(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_the_documentation_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


WATCHED = ("socket.", "urllib.", "http.", "ftplib.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork")
OPEN_THE_PANEL = f"""
import json, sys
sys.path[:0] = [{str(ROOT / "Testing")!r}, {str(ROOT / "RegExplain")!r}]
from panel import host
host.start()
from panel.host.application import LoadedModule
seen, before = [], set(sys.modules)
sys.addaudithook(lambda event, values: event.startswith({WATCHED!r}) and seen.append([event, repr(values)]))
LoadedModule({str(ROOT / "RegExplain/RegExplain.py")!r}).open()
files = {{name for name, module in sys.modules.items() if getattr(module, "__spec__", None)}}
print(json.dumps([seen, sorted({{name.partition(".")[0] for name in files - before}})]))
"""


@pytest.fixture(scope="module")
def opened() -> tuple[list, set]:
    """What a fresh process does while it loads the module and opens its panel: events, and packages it loads."""
    missing = [name for name in ("PySide6", "vtkmodules") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the stand-in for Slicer needs {' and '.join(missing)}, not installed here")
    done = subprocess.run([sys.executable, "-c", OPEN_THE_PANEL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen, loaded = json.loads(done.stdout.splitlines()[-1])
    return seen, set(loaded)


@pytest.mark.slow
def test_loading_the_module_and_opening_the_panel_reaches_no_network_and_starts_no_program(opened):
    assert opened[0] == []


@pytest.mark.slow
def test_loading_the_module_and_opening_the_panel_needs_nothing_that_slicer_does_not_bring(opened):
    loaded = opened[1]
    assert loaded >= OURS
    strangers = {name for name in loaded - OURS - BUNDLED - STAND_IN if name not in sys.stdlib_module_names}
    assert {name for name in strangers if not name.startswith("_")} == set()  # _: the standard library's own
