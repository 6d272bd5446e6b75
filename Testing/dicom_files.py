"""Made-up DICOM files, slice by slice, as scanners, discs and anonymisers leave them."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

SIZE = (5, 7, 6)  # slices, rows, columns
SPACING = (1.5, 2.0, 3.0)  # mm along a row, along a column, between slices
ORIGIN = np.array([10.0, -20.0, 30.0])


def values(seed: int = 0, size=SIZE) -> np.ndarray:
    """(z, y, x), uint16."""
    return np.random.default_rng(seed).integers(0, 1000, size).astype(np.uint16)


def slice_positions(count: int = SIZE[0], axes: np.ndarray | None = None, step: float = SPACING[2]) -> np.ndarray:
    """(count, 3), LPS mm: slices behind one another along the third of the axes (columns)."""
    return ORIGIN + np.arange(count)[:, None] * step * (np.eye(3) if axes is None else axes)[:, 2]


def header(kind=CTImageStorage, **elements) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = kind, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = elements.setdefault("SOPInstanceUID", generate_uid())
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.Modality, file.PatientName = kind, "CT", "DOE^JANE"
    for keyword, value in elements.items():
        setattr(file, keyword, value)
    return file


def set_pixels(file: Dataset, pixels: np.ndarray) -> None:
    """Give it the pixels, (…, y, x), of 16 bits without a sign."""
    file.Rows, file.Columns = pixels.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 0
    file.PixelData = pixels.astype("<u2").tobytes()


def decimal(number: float) -> str:
    """A decimal string holds 16 characters."""
    return f"{number:.10g}"[:16]


def write_series(
    folder: Path,
    pixels: np.ndarray,
    positions: np.ndarray,
    axes: np.ndarray | None = None,
    spacing=SPACING,
    first: int = 1,
    each=lambda n: {},
    **elements,
) -> None:
    """A file a slice, by its position (LPS mm). axes: (3, 3), a unit column along a row, a column, the slices.
    each: further elements of slice n."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = np.eye(3) if axes is None else axes
    common = {"SeriesInstanceUID": generate_uid(), "SeriesNumber": 3} | elements
    for n, (plane, position) in enumerate(zip(pixels, positions, strict=True)):
        own = {"InstanceNumber": first + n} | common | each(n)
        file = header(**own)
        file.ImagePositionPatient = [decimal(v) for v in position]
        file.ImageOrientationPatient = [decimal(v) for v in (*axes[:, 0], *axes[:, 1])]
        file.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
        set_pixels(file, plane)
        file.save_as(folder / f"{generate_uid()[-12:]}", enforce_file_format=True)


def write_frames(path: Path, pixels: np.ndarray, positions: np.ndarray, scalings=None, each=lambda n: {}) -> None:
    """One enhanced file of many frames, in the order given, each with its own position and, where given, slope and
    offset. each: further elements of the content of frame n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = header(EnhancedMRImageStorage, SeriesInstanceUID=generate_uid(), SeriesNumber=4, InstanceNumber=1)
    shared, measures, turned = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [SPACING[1], SPACING[0]]
    turned.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([turned])
    file.SharedFunctionalGroupsSequence, file.NumberOfFrames = Sequence([shared]), len(pixels)
    frames = []
    for n, position in enumerate(positions):
        frame, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [float(v) for v in position]
        for keyword, value in each(n).items():
            setattr(content, keyword, value)
        frame.PlanePositionSequence, frame.FrameContentSequence = Sequence([place]), Sequence([content])
        if scalings is not None:
            scaling = Dataset()
            scaling.RescaleSlope, scaling.RescaleIntercept = (decimal(v) for v in scalings[n])
            frame.PixelValueTransformationSequence = Sequence([scaling])
        frames.append(frame)
    file.PerFrameFunctionalGroupsSequence = Sequence(frames)
    set_pixels(file, pixels)
    file.save_as(path, enforce_file_format=True)
