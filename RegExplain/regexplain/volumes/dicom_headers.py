"""The headers of DICOM files, slice by slice: position, size and scaling. Read by pydicom."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PREAMBLE = 128
GROUPS = (b"\x02\x00", b"\x08\x00")  # what a file without a preamble begins with
NON_SCAN_MODALITIES = ("SEG", "RTDOSE", "REG", "PR")  # modalities that lie in space too, but show no anatomy
# Elements that distinguish images at one position, in the order in which they are tried: (keyword, name).
DIFFERENCES = (
    ("EchoNumbers", "echo"),
    ("EchoTime", "echo time"),
    ("EffectiveEchoTime", "echo time"),
    ("DiffusionBValue", "b-value"),
    ("TemporalPositionIdentifier", "time point"),
    ("TemporalPositionIndex", "time point"),
    ("ComplexImageComponent", "kind"),
    ("ImageType", "kind"),
    ("FrameType", "kind"),
    ("InversionTime", "inversion time"),
    ("FlipAngle", "flip angle"),
    ("ConvolutionKernel", "kernel"),
    ("StackID", "stack"),
    ("AcquisitionNumber", "acquisition"),
    ("NominalCardiacTriggerDelayTime", "trigger time"),
    ("TriggerTime", "trigger time"),
    ("AcquisitionTime", "time"),
)


@dataclass(frozen=True)
class Slice:
    """One plane of voxels. position: LPS mm, of its first voxel; rows, columns: unit vectors along a row and a column;
    spacing: mm along a row and along a column; scaling: slope and offset of the stored numbers.
    """

    path: Path
    frame: int | None  # None: the only one of its file
    number: int
    position: np.ndarray
    along_row: np.ndarray
    along_column: np.ndarray
    spacing: tuple[float, float]
    size: tuple[int, int]
    scaling: tuple[float, float]
    differences: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.along_row, self.along_column)

    def is_parallel_to(self, other: Slice) -> bool:
        """Whether both can belong to one volume: of one size, and turned alike but for rounding."""
        turned = max(np.abs(getattr(self, a) - getattr(other, a)).max() for a in ("along_row", "along_column"))
        return self.size == other.size and np.allclose(self.spacing, other.spacing, rtol=1e-3) and bool(turned < 2e-3)


@dataclass
class Series:
    """The slices that have one series' UID."""

    uid: str
    number: str
    description: str
    slices: list[Slice] = field(default_factory=list)


@dataclass
class SeriesIndex:
    """series: by their number; others: how many images besides lie nowhere in space; damaged: the files of images that
    break off before they say what they show.
    """

    series: list[Series] = field(default_factory=list)
    others: int = 0
    damaged: list[Path] = field(default_factory=list)


def is_dicom_file(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(PREAMBLE + 4)
    return start[PREAMBLE:] == b"DICM" or (start[:2] in GROUPS and start[2:4] in (b"\0\0", b"\1\0", b"\5\0", b"\x08\0"))


def index_series(files: list[Path]) -> SeriesIndex:
    """The series of these files. Other objects (reports, structures, plans, DICOMDIR) and duplicates are skipped."""
    series: dict[str, Series] = {}
    seen: set[tuple] = set()
    index = SeriesIndex()
    for path in files:
        header = _header(path)
        if header is None or "Rows" not in header:
            index.damaged += [path] * (header is not None and _should_be_an_image(header))
            continue
        slices = [] if _is_not_scan(header) else list(_slices(path, header))
        index.others += not slices
        entry = series.setdefault(str(header.get("SeriesInstanceUID", "")), _series(header))
        for one in slices:
            key = str(header.get("SOPInstanceUID", path)), one.frame, one.number, tuple(one.position)
            if key not in seen:
                seen.add(key)
                entry.slices.append(one)
    filled = [one for one in series.values() if one.slices]
    index.series = sorted(filled, key=lambda s: (int(s.number) if s.number.isdecimal() else 0, s.uid))
    return index


def _series(header: Any) -> Series:
    number, description = header.get("SeriesNumber") or 0, header.get("SeriesDescription", "")
    return Series(str(header.get("SeriesInstanceUID", "")), str(number), str(description).strip())


def _header(path: Path) -> Any:
    """The elements before the pixel data, as many as there are; None where the file is not DICOM."""
    import pydicom

    if path.stat().st_size < 8 or not is_dicom_file(path):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except Exception:  # pydicom raises what it likes of a damaged header
        return pydicom.Dataset()


def _should_be_an_image(header: Any) -> bool:
    """By its class, or because not even that is there."""
    sop_class = header.get("SOPClassUID") or header.get("MediaStorageSOPClassUID")
    if sop_class is None:
        return "DirectoryRecordSequence" not in header
    return "Image Storage" in sop_class.name


def _is_not_scan(header: Any) -> bool:
    coloured = int(header.get("SamplesPerPixel") or 1) > 1 or "PALETTE" in str(header.get("PhotometricInterpretation"))
    return coloured or header.get("Modality") in NON_SCAN_MODALITIES


def _slices(path: Path, header: Any) -> Iterator[Slice]:
    """None where the header has no position."""
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        one = _slice(path, None, int(header.get("InstanceNumber") or 0), [header])
        if one is not None and int(header.get("NumberOfFrames") or 1) == 1:
            yield one
        return
    for index, frame in enumerate(frames):
        one = _slice(path, index, index + 1, [_flatten_groups(frame), _flatten_groups(shared), header])
        if one is not None:
            yield one


def _flatten_groups(groups: Any) -> dict[str, Any]:
    """The elements of all functional groups of a frame, by keyword."""
    flat: dict[str, Any] = {}
    for group in groups or []:
        for item in (group.value or [])[:1] if group.VR == "SQ" else []:
            flat |= {element.keyword: element.value for element in item if element.keyword}
            for nested in item:
                if nested.VR == "SQ" and nested.value and nested.keyword.startswith("MRDiffusion"):
                    flat |= {element.keyword: element.value for element in nested.value[0] if element.keyword}
    return flat


def _slice(path: Path, frame: int | None, number: int, sources: list[Any]) -> Slice | None:
    """From the first source that has it, element by element; None where something is missing or is no number."""

    def value(keyword: str, otherwise: Any = None) -> Any:
        value = next((source[keyword] for source in sources if keyword in source), otherwise)
        return getattr(value, "value", value)

    try:
        position = np.array(value("ImagePositionPatient"), float)
        turned = np.array(value("ImageOrientationPatient"), float).reshape(2, 3)
        down, across = (float(s) for s in value("PixelSpacing"))
        scaling = float(value("RescaleSlope", 1)), float(value("RescaleIntercept", 0))
        size = int(sources[-1].Rows), int(sources[-1].Columns)
    except (TypeError, ValueError):
        return None
    lengths = np.linalg.norm(turned, axis=1)
    numbers = np.array([*position, *lengths, down, across, *scaling])
    if position.shape != (3,) or not np.isfinite(numbers).all() or min(*lengths, down, across) <= 0:
        return None
    row, column = turned / lengths[:, None]
    differences = {keyword: str(value(keyword)) for keyword, _ in DIFFERENCES if value(keyword) not in (None, "")}
    return Slice(path, frame, number, position, row, column, (across, down), size, scaling, differences)
