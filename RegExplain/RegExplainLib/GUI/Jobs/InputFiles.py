from dataclasses import dataclass, field
from functools import partial

from ...MRML import NodeExport


@dataclass
class InputFiles:
    """The panel's chosen volumes, segmentations and masks, written for the worker; nothing in the scene is changed."""

    volumes: dict = field(default_factory=dict)  # role → path
    segmentations: dict = field(default_factory=dict)  # role → path, those that were chosen
    masks: dict = field(default_factory=dict)  # role → path, those that were chosen
    segmentNames: dict = field(default_factory=dict)  # label → name as the user gave it; the fixed one's wins

    @classmethod
    def write(cls, chosen, scratch):
        """Steps (StepRunner) that write the chosen nodes and end in (`yield from`) the files.

        A step is one volume or one segment; a file is written in a thread. After the first step the nodes may change.

        chosen: the parameter node. Raises RegExplainError where a node cannot be written.
        """
        files = cls()
        nodes = {"fixed": chosen.fixed, "moving": chosen.moving}
        copies = {role: NodeExport.hardenedCopy(volume, role) for role, volume in nodes.items()}
        segmentations = {"fixed": chosen.fixedSegmentation, "moving": chosen.movingSegmentation}
        labels = NodeExport.segmentLabels(*segmentations.values())
        files.segmentNames = {label: name for name, label in reversed(labels.items())}
        labelled = {
            role: NodeExport.labelImage(segmentation, labels, copies[role])
            for role, segmentation in segmentations.items()
            if segmentation is not None
        }
        masks = {
            role: NodeExport.maskImage(mask, copies[role])
            for role, mask in (("fixed", chosen.fixedMask), ("moving", chosen.movingMask))
            if mask is not None
        }
        for role, copy in copies.items():
            yield
            write = partial(NodeExport.writeImage, NodeExport.volumeImage(copy), scratch / f"{role}.nrrd")
            files.volumes[role] = yield write
        for role, steps in labelled.items():
            write = partial(NodeExport.writeImage, (yield from steps), scratch / f"{role}_segmentation.nrrd")
            files.segmentations[role] = yield write
        for role, steps in masks.items():
            write = partial(NodeExport.writeImage, (yield from steps), scratch / f"{role}_mask.nrrd")
            files.masks[role] = yield write
        return files

    @property
    def segmentationOptions(self):
        """The segmentations as options of a verb."""
        return [word for role, path in self.segmentations.items() for word in (f"--{role}-segmentation", path)]

    @property
    def maskOptions(self):
        """The masks as options of `register`."""
        return [word for role, path in self.masks.items() for word in (f"--{role}-mask", path)]
