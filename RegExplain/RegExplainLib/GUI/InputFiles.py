from dataclasses import dataclass, field

from ..MRML import NodeExport


@dataclass
class InputFiles:
    """The panel's chosen volumes and segmentations, written for the worker; nothing in the scene is changed."""

    volumes: dict = field(default_factory=dict)  # role → path
    segmentations: dict = field(default_factory=dict)  # role → path, those that were chosen
    segmentNames: dict = field(default_factory=dict)  # label → name as the user gave it; the fixed one's wins

    @classmethod
    def write(cls, chosen, scratch):
        """chosen: the parameter node. Raises RegExplainError where a node cannot be written."""
        files = cls()
        nodes = {"fixed": chosen.fixed, "moving": chosen.moving}
        segmentations = {"fixed": chosen.fixedSegmentation, "moving": chosen.movingSegmentation}
        labels = NodeExport.segmentLabels(*segmentations.values())
        files.segmentNames = {label: name for name, label in reversed(labels.items())}
        for role, volume in nodes.items():
            files.volumes[role] = NodeExport.writeVolume(volume, scratch / f"{role}.nrrd", role)
        for role, segmentation in segmentations.items():
            if segmentation is not None:
                path = scratch / f"{role}_segmentation.nrrd"
                files.segmentations[role] = NodeExport.writeSegmentation(segmentation, labels, nodes[role], path, role)
        return files

    @property
    def segmentationOptions(self):
        """The segmentations as options of a verb."""
        return [word for role, path in self.segmentations.items() for word in (f"--{role}-segmentation", path)]
