"""What reaches users: Slicer's extension, its catalogue entry, and the Python package."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import jsonschema
import pytest
import SimpleITK as sitk

from update_cmake_lists import module_files, updated

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "RegExplain"
RAW = "https://raw.githubusercontent.com/RegExplain/SlicerRegExplain/main/"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENTRY = json.loads((ROOT / "Resources/ExtensionsIndex/RegExplain.json").read_text(encoding="utf-8"))

# Slicer/ExtensionsIndex, schemas/slicer-extension-catalog-entry-schema-v1.0.2.json, its constraints
ENTRY_SCHEMA = {
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        **{name: {"type": "string"} for name in ("$schema", "category", "scm_url", "scm_revision")},
        **{name: {"type": "string"} for name in ("dicom_support_rule", "build_subdirectory")},
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "enabled": {"type": "boolean"},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}


def test_cmake_lists_every_file_of_the_module_and_no_other():
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    assert text == updated(text, MODULE), "RegExplain/CMakeLists.txt is stale; run: python tools/update_cmake_lists.py"


def test_the_list_of_files_leaves_out_only_what_is_made(tmp_path):
    for name in (
        "M.py",
        "lib/a.py",
        "lib/data/a.json",
        "Resources/i.png",
        "CMakeLists.txt",
        "lib/__pycache__/a.pyc",
        "lib.egg-info/PKG-INFO",
        ".DS_Store",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert module_files(tmp_path) == (["M.py", "lib/a.py"], ["Resources/i.png", "lib/data/a.json"])


@pytest.fixture(scope="module")
def configured(tmp_path_factory) -> Path:
    """The extension configured against the stand-in for Slicer: its build folder."""
    if not shutil.which("cmake"):
        pytest.skip("cmake is not installed")
    if not (shutil.which("c++") or shutil.which("cl")):
        pytest.skip("no C++ compiler is installed, and CMake's project() looks for one")
    build = tmp_path_factory.mktemp("build")
    fake = Path(__file__).parent / "fake_slicer"
    command = ["cmake", "-S", ROOT, "-B", build, f"-DSlicer_DIR={fake}", "-DBUILD_TESTING=ON"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return build


@pytest.mark.ci
@pytest.mark.slow
def test_what_slicer_installs_registers_and_explains_by_itself(configured, tmp_path):
    """In the installed folder, without the packages that Slicer's own Python does not get, of .nrrd as the panel."""
    installed, result = configured / "qt-scripted-modules", tmp_path / "result"
    for role in ("fixed", "moving"):
        image = sitk.ReadImage(str(installed / "Resources" / "SampleData" / f"{role}.nii.gz"))
        sitk.WriteImage(image, str(tmp_path / f"{role}.nrrd"))
    absent = ["nibabel", "sklearn", "scipy", "tqdm", "hypothesis", "jsonschema", "pytest", "PySide6", "RegExplainLib"]
    verbs = (
        ("register", tmp_path / "fixed.nrrd", tmp_path / "moving.nrrd", "--output", result),
        ("explain", result),
        ("components", result, "--count", "1", "--strength", "1"),
    )
    code = f"import sys\nfor name in {absent}: sys.modules[name] = None\nfrom regexplain.cli import main\n"
    code += f"import regexplain; assert regexplain.__file__.startswith({str(installed)!r})\n"
    for arguments in verbs:  # in one process: loading torch takes longer than all three
        code += f"main({[*map(str, arguments), '--progress', 'json']}, standalone_mode=False)\n"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((result / "result.json").read_text(encoding="utf-8"))["kind"] == "deformable"
    assert (result / "report.html").exists() and (result / "heatmaps" / "decoder.nii.gz").exists()


def test_slicer_runs_the_self_test_and_every_test_of_its_folder(configured):
    registered = (configured / "tests.txt").read_text(encoding="utf-8").split()
    own = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("Testing/slicer/**/test_*.py")]
    assert sorted(registered) == sorted(["RegExplain/RegExplain.py", *own])


def extension_fields() -> dict[str, str]:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'set\(EXTENSION_(\w+) "(.*)"\)', text)) | {"NAME": re.search(r"project\((\w+)\)", text)[1]}


def test_every_field_that_slicer_asks_of_an_extension_is_filled_in():
    fields = extension_fields()
    for name in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS", "KEYWORDS"):
        assert fields[name].strip(), name
    for name in ("DESCRIPTION", "KEYWORDS"):
        assert ";" not in fields[name], "CMake would split the text here"


def test_the_icon_and_the_screenshots_are_files_of_the_repository():
    urls = [extension_fields()["ICONURL"], *extension_fields()["SCREENSHOTURLS"].split()]
    assert len(urls) > 1
    for url in urls:
        assert url.startswith(RAW) and (ROOT / url.removeprefix(RAW)).is_file(), url


def test_the_catalogue_entry_follows_the_schema_of_the_extensions_index():
    jsonschema.validate(ENTRY, ENTRY_SCHEMA)
    assert "schema-v1.0.2.json" in ENTRY["$schema"]


def test_the_catalogue_entry_agrees_with_cmake():
    fields = extension_fields()
    assert ENTRY["scm_url"] == fields["HOMEPAGE"]
    assert ENTRY["build_dependencies"] == fields["DEPENDS"].split()
    assert not fields["NAME"].lower().startswith("slicer")
    assert ENTRY["scm_url"].rpartition("/")[2] == "Slicer" + fields["NAME"]
    assert (ROOT / "Resources/ExtensionsIndex" / f"{fields['NAME']}.json").is_file()


@pytest.mark.parametrize("icon", ["Resources/RegExplain.png", "RegExplain/Resources/Icons/RegExplain.png"])
def test_the_icons_are_pngs_of_128_pixels(icon):
    head = (ROOT / icon).read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) == (128, 128)


REQUIREMENT = re.compile(r"[\w.-]+>=[\d.]+,<[\d.]+(; .*)?")


def test_every_dependency_has_a_range_and_its_line_a_reason():
    project = PYPROJECT["project"]
    requirements = [*PYPROJECT["build-system"]["requires"], *project["dependencies"]]
    requirements += [item for extra in project["optional-dependencies"].values() for item in extra]
    assert len(requirements) > 10
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for requirement in requirements:
        assert REQUIREMENT.fullmatch(requirement), requirement
        numbers = [n for n, line in enumerate(lines) if f'"{requirement}"' in line]
        assert numbers, requirement
        for number in numbers:
            assert "#" in lines[number].rpartition('"')[2] or lines[number - 1].lstrip().startswith("#"), requirement


def test_slicer_gets_the_ranges_of_the_python_package_each_with_its_reason():
    lines = (MODULE / "regexplain" / "requirements-slicer.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    assert lines and all("  # " in line for line in lines)
    assert {line.partition("  # ")[0] for line in lines} <= set(PYPROJECT["project"]["dependencies"])


def test_the_panel_asks_for_the_torch_of_the_python_package():
    source = (MODULE / "RegExplainLib" / "GUI" / "Install" / "InstallLogic.py").read_text(encoding="utf-8")
    [requirement] = PYPROJECT["project"]["optional-dependencies"]["torch"]
    assert f'"{requirement}"' in source


def test_the_python_package_holds_every_folder_and_every_data_file():
    package = MODULE / "regexplain"
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["regexplain"]
    scripts, resources = module_files(package)
    for folder in {(package / script).parent for script in scripts}:
        assert (folder / "__init__.py").exists(), f"{folder} would be left out of the package"
    for resource in resources:
        assert any(fnmatch(resource, pattern) for pattern in patterns), f"{resource} would be left out of the package"


def test_the_version_stands_in_one_place():
    version = re.search(r'__version__ = "(.+)"', (MODULE / "regexplain" / "__init__.py").read_text(encoding="utf-8"))[1]
    for name in ("pyproject.toml", "CMakeLists.txt", "CITATION.cff"):
        assert not re.search(rf'version\S* ?[:=] ?"?{re.escape(version)}', (ROOT / name).read_text(encoding="utf-8")), (
            name
        )


@pytest.mark.slow
@pytest.mark.real_data
def test_the_sample_pair_is_no_copy_of_a_real_case(shared_data):
    def digest(path):
        return hashlib.sha256(sitk.GetArrayFromImage(sitk.ReadImage(str(path), sitk.sitkFloat32)).tobytes()).digest()

    real = {digest(path) for path in shared_data.glob("hippocampus/images/*.nii.gz")}
    assert len(real) > 200
    samples = MODULE / "Resources" / "SampleData"
    assert real.isdisjoint(digest(samples / name) for name in ("fixed.nii.gz", "moving.nii.gz"))
