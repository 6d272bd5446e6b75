"""The result folder: complete or absent, and added to only by whole parts."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError, RegExplainError
from ..images import write_image
from .explanations import heatmap_name

if TYPE_CHECKING:
    from ..indicators import Trust
    from ..parts import Decomposition
    from .explanations import ComponentMotion, Heatmap
    from .shown_view import ShownView

SCHEMA_VERSION = 1
RECORD = "result.json"


class ResultFolder:
    """A finished registration (its files and `result.json` are listed in docs/architecture.md)."""

    def __init__(self, path: Path, record: dict[str, Any]):
        self.path, self.record = path, record

    @classmethod
    def open(cls, path: str | Path) -> ResultFolder:
        path = Path(path)
        try:
            record = json.loads((path / RECORD).read_text(encoding="utf-8"))
            version = record["schema_version"]
        except (OSError, ValueError, KeyError, TypeError):
            raise BadInputError(
                f"{path} is not a result of `regexplain register`; give the folder that --output named."
            ) from None
        if version > SCHEMA_VERSION:
            raise BadInputError(
                f"{path} was written by a newer RegExplain (schema {version}); update RegExplain to open it."
            )
        return cls(path, record)

    def file(self, name: str) -> Path | None:
        """The file of that name (may hold a sub-folder: `heatmaps/decoder.nii.gz`), or None where there is none."""
        path = self.path / name
        return path if path.is_file() else None

    def require(self, name: str) -> Path:
        path = self.file(name)
        if path is None:
            raise BadInputError(f"The result {self.path} lacks {name}; run `regexplain register` again.")
        return path

    def add_heatmaps(self, maps: list[Heatmap]) -> None:
        """Write them; a map of the same stage, method and scalar is replaced, the others stay."""
        new = {heatmap_name(heatmap.record) for heatmap in maps}
        kept = [row for row in self.record["heatmaps"] if heatmap_name(row) not in new]
        self.record["heatmaps"] = kept + [heatmap.record for heatmap in maps]
        with self.adding() as aside:
            (aside / "heatmaps").mkdir()
            for row in kept:
                shutil.copy(self.require(row["file"]), aside / row["file"])
            for heatmap in maps:
                write_image(heatmap.image, aside / heatmap.file)

    def add_components(self, motions: list[ComponentMotion]) -> None:
        """Write them in place of any earlier ones."""
        self.record["components"] = {
            "basis": motions[0].basis,
            "explained_variance": [m.explained_variance for m in motions],
            "items": [m.record for m in motions],
        }
        with self.adding() as aside:
            for motion in motions:
                for strength, displacement in motion.displacements.items():
                    path = aside / motion.file(strength)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_image(displacement, path)

    def add_decomposition(self, decomposition: Decomposition) -> None:
        """Write it in place of any earlier one."""
        self.record["decomposition"] = decomposition.record
        with self.adding() as aside:
            (aside / "parts").mkdir()
            for number, part in enumerate(decomposition.parts, start=1):
                write_image(part.displacement, aside / decomposition.file(number))

    def add_trust(self, trust: Trust) -> None:
        """Write it in place of any earlier one."""
        self.record["trust"] = trust.record
        with self.adding() as aside:
            (aside / "trust").mkdir()
            for found in trust.maps:
                write_image(found.image, aside / found.file)

    def add_views(self, views: Sequence[ShownView]) -> None:
        """Write them in place of any earlier ones."""
        files = {f"views/{number}.png": view for number, view in enumerate(views, start=1)}
        self.record["views"] = [view.record(file) for file, view in files.items()]
        with self.adding() as aside:
            (aside / "views").mkdir()
            for file, view in files.items():
                (aside / file).write_bytes(view.png)

    @contextmanager
    def adding(self) -> Iterator[Path]:
        """A folder to write new parts in; in the end each top-level entry replaces its namesake, `result.json` last."""
        with _aside(self.path.parent, self.path.name) as aside:
            yield aside
            _write_record(aside, self.record)
            with _disk_errors(self.path):
                for entry in sorted(aside.iterdir(), key=lambda e: e.name == RECORD):
                    _replace(entry, self.path / entry.name)
                _write_report(ResultFolder(self.path, self.record))


@contextmanager
def new_result(path: str | Path, record: dict[str, Any], overwrite: bool = False) -> Iterator[Path]:
    """A folder to write a result in; it moves to `path` once the block ends well, `record` being its result.json."""
    path = Path(path)
    check_writable(path, overwrite)
    with new_folder(path) as aside:
        yield aside
        _write_record(aside, record)
        _write_report(ResultFolder(aside, record))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write in; it moves to `path` once the block ends well."""
    with _aside(path.parent, path.name) as aside:
        yield aside
        with _disk_errors(path):
            _replace(aside, path)


def check_writable(path: Path, overwrite: bool) -> None:
    """Before the work: refuse a result that would destroy something, or that cannot be written."""
    if path.exists() and not overwrite:
        raise BadInputError(f"{path} exists already; choose another --output, or pass --overwrite to replace it.")
    if path.exists() and not (path / RECORD).is_file():
        raise BadInputError(
            f"{path} is not an earlier result, so --overwrite does not replace it; choose another --output."
        )
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BadInputError(f"{parent} cannot be written to; choose another --output.")


@contextmanager
def _aside(parent: Path, name: str) -> Iterator[Path]:
    with _disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
        aside.chmod(0o755)
    try:
        with _disk_errors(parent):
            yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RegExplainError(
            f"Writing the result to {path} failed ({error.strerror or error}); free space there or "
            "choose another --output."
        ) from error


def _replace(source: Path, target: Path) -> None:
    if not target.is_dir():
        source.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.replace(old / "old")
    try:
        source.replace(target)
    except OSError:
        (old / "old").replace(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _write_report(folder: ResultFolder) -> None:
    from ..report import render_report

    partial = folder.path / ".report.html"
    partial.write_text(render_report(folder), encoding="utf-8")
    partial.replace(folder.path / "report.html")


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    (folder / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
