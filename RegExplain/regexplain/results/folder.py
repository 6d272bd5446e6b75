"""The result folder: complete or absent, and added to only by whole parts."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..errors import BadInputError, disk_errors
from ..report.verdict import verdict_record

SCHEMA_VERSION = 1
RECORD = "result.json"


class ResultPart(Protocol):
    """What a verb adds to a finished registration; it replaces its namesake."""

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        """Enter itself in `record` and write its files in `staging`, under the names that they get in `folder`."""


class ResultFolder:
    """A finished registration (its files and `result.json` are listed in docs/result-folder.md)."""

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

    def add(self, part: ResultPart) -> None:
        """Write it and enter it in the record. Its report is a step of its own (`report.write_report`)."""
        with self.staging() as staging:
            part.add_to(self.record, self.path, staging)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder to write new parts in; in the end each top-level entry replaces its namesake, `result.json` last."""
        with _staging_folder(self.path.parent, self.path.name) as staging:
            yield staging
            _write_record(staging, self.record)
            with disk_errors(self.path):
                for entry in sorted(staging.iterdir(), key=lambda e: e.name == RECORD):
                    replace(entry, self.path / entry.name)


@contextmanager
def new_result(path: str | Path, record: dict[str, Any], overwrite: bool = False) -> Iterator[Path]:
    """A folder to write a result in; it moves to `path` once the block ends well, `record` being its result.json."""
    path = Path(path)
    check_writable(path, overwrite)
    with new_folder(path) as staging:
        yield staging
        _write_record(staging, record)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write in; it moves to `path` once the block ends well."""
    with _staging_folder(path.parent, path.name) as staging:
        yield staging
        with disk_errors(path):
            replace(staging, path)


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
def _staging_folder(parent: Path, name: str) -> Iterator[Path]:
    with disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
        staging.chmod(0o755)
    try:
        with disk_errors(parent):
            yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def replace(source: Path, target: Path) -> None:
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


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    record["verdict"] = verdict_record(record)
    (folder / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
