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
    """Steps (StepRunner) that add the pair with its segmentations to the scene, show it, and choose it in the parameter
    node."""
    from ..MRML import Conversion
    from ..MRML.ViewFitting import showVolume

    files = yield _readSamplePair
    scene, nodes = slicer.mrmlScene, {}
    for role in ("fixed", "moving"):
        name, ofSegmentation = (scene.GenerateUniqueName(NAMES[what]) for what in (role, f"{role}_segmentation"))
        nodes[role] = Conversion.addVolume(scene, files[role], name)
        yield
        segmentation = Conversion.addSegmentation(scene, files[f"{role}_segmentation"], ofSegmentation, COLOR)
        nodes[f"{role}Segmentation"] = segmentation
        yield
    showVolume(nodes["fixed"])
    yield
    for parameter, node in nodes.items():
        setattr(parameters, parameter, node)


def _readSamplePair():
    """Voxels and masks, by NAMES, ready to go into nodes; touches no scene."""
    import SimpleITK as sitk

    from ..MRML import Conversion

    images = {name: sitk.ReadImage(str(FOLDER / f"{name}.nii.gz")) for name in NAMES}
    makers = {name: Conversion.masksOf if "segmentation" in name else Conversion.voxelsOf for name in NAMES}
    return {name: makers[name](image) for name, image in images.items()}


def registerSampleData():
    """Offer both pairs in Slicer's module Sample Data: from the files of this module, so without a network."""
    try:
        import SampleData
    except ImportError:  # a Slicer built without it
        return
    _registerSource(SampleData, _("RegExplain sample pair"), FOLDER, "RegExplain-", NAMES.values())
    chest = [name.replace("sample", "chest") for name in NAMES.values()]
    _registerSource(SampleData, _("RegExplain chest pair"), FOLDER / "chest", "RegExplain-chest-", chest)


def _registerSource(SampleData, title, folder, prefix, nodeNames):
    paths = [folder / f"{name}.nii.gz" for name in NAMES]
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="RegExplain",
        sampleName=title,
        thumbnailFileName=str(ICON),
        uris=[path.as_uri() for path in paths],
        fileNames=[f"{prefix}{path.name}" for path in paths],
        nodeNames=list(nodeNames),
        loadFileTypes=["VolumeFile", "VolumeFile", "SegmentationFile", "SegmentationFile"],
        checksums=[f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths],
    )
