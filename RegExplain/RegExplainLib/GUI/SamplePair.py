"""The made-up pair of scans that ships with the module: in the panel, and in Slicer's module Sample Data."""

import hashlib
from pathlib import Path

from slicer.i18n import tr as _

import slicer

FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "SampleData"
ICON = FOLDER.parent / "Icons" / "RegExplain.png"
COLOR = (0.5, 0.7, 0.5)
NAMES = {
    "fixed": "RegExplain sample fixed",
    "moving": "RegExplain sample moving",
    "fixed_segmentation": "RegExplain sample fixed segmentation",
    "moving_segmentation": "RegExplain sample moving segmentation",
}


def loadSamplePair(parameters):
    """Add the pair with its segmentations to the scene, show it, and choose it in the parameter node."""
    import SimpleITK as sitk

    from ..MRML import Conversion
    from ..MRML.ViewFitting import showVolume

    scene = slicer.mrmlScene
    for role in ("fixed", "moving"):
        volume = sitk.ReadImage(str(FOLDER / f"{role}.nii.gz"))
        labels = sitk.ReadImage(str(FOLDER / f"{role}_segmentation.nii.gz"))
        segmentationName = scene.GenerateUniqueName(NAMES[f"{role}_segmentation"])
        setattr(parameters, role, Conversion.addVolume(scene, volume, scene.GenerateUniqueName(NAMES[role])))
        segmentation = Conversion.addSegmentation(scene, labels, segmentationName, COLOR)
        setattr(parameters, f"{role}Segmentation", segmentation)
    showVolume(parameters.fixed)


def registerSampleData():
    """Offer the pair in Slicer's module Sample Data: from the files of this module, so without a network."""
    try:
        import SampleData
    except ImportError:  # a Slicer built without it
        return
    paths = [FOLDER / f"{name}.nii.gz" for name in NAMES]
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="RegExplain",
        sampleName=_("RegExplain sample pair"),
        thumbnailFileName=str(ICON),
        uris=[path.as_uri() for path in paths],
        fileNames=[f"RegExplain-{path.name}" for path in paths],
        nodeNames=list(NAMES.values()),
        loadFileTypes=["VolumeFile", "VolumeFile", "SegmentationFile", "SegmentationFile"],
        checksums=[f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths],
    )
