"""What every folder of tests shares."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

DATA = Path(__file__).parent / "data"
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before any Qt: no test needs a screen
# The models that a developer imported are none of the tests' business.
os.environ["REGEXPLAIN_HOME"] = str(Path(__file__).parent / "no-home-of-a-user")
# Before any torch: networks as small as the tests' lose most of their time to threads that wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A slow machine is no failure, and every run tries the same cases.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


def pytest_collection_modifyitems(items):
    if not SHARED_DATA.is_dir():
        for item in items:
            if "real_data" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="the real images of ../shared/data are not beside this clone"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images; tests that use it carry the marker real_data."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def fire_model(tmp_path_factory) -> Path:
    """The folder of a tiny model for two contrasts, of random weights."""
    from fire_model import write_fire_model

    return write_fire_model(tmp_path_factory.mktemp("models") / "tiny-t1-flair")


@pytest.fixture
def old_result(tmp_path) -> Path:
    """A result folder, with its scene, that an earlier RegExplain wrote (data/README.md)."""
    folder = Path(shutil.copytree(DATA / "old-result", tmp_path / "old"))
    scene = shutil.make_archive(str(folder / "scene"), "zip", folder, "scene")  # the repository holds no archive
    Path(scene).rename(folder / "scene.mrb")
    shutil.rmtree(folder / "scene")
    return folder
