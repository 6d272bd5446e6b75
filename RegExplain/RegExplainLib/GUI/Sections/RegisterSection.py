from slicer.i18n import tr as _

from regexplain import registry

from ...MRML import NodeExport
from ...MRML.Layers import GlyphLayer
from .Choices import Choices
from .JobButton import JobButton


class RegisterSection:
    """Choose two scans, register them, and show the result with its displacement arrows."""

    def __init__(self, ui, session):
        self._session = session
        self._button = JobButton(ui.registerButton, session, "register", self._register)
        self._models = Choices(ui.modelSelector, self._onModelPicked)
        self._modelTitles = {"auto": _("Automatic")}
        with session.messages.guard():
            self._modelTitles |= {card.name: card.name for card in registry.installed()}
        session.changed.connect(self.update)

    def update(self):
        self._button.update(self._whyNot())
        if self._session.parameterNode is not None:
            self._models.show(self._modelTitles, self._session.parameterNode.model)

    def _whyNot(self):
        parameters = self._session.parameterNode
        if parameters is None or parameters.fixed is None or parameters.moving is None:
            return _("Choose a fixed and a moving volume first.")
        if parameters.fixed is parameters.moving:
            return _("Choose two different volumes.")
        return ""

    def _onModelPicked(self, model):
        self._session.parameterNode.model = model

    def _register(self):
        self._session.startJob("register", self._arguments, self._onRegistered)

    def _arguments(self, scratch):
        """Write the chosen nodes into `scratch` and name them as the verb's arguments."""
        chosen = self._session.parameterNode
        NodeExport.checkInitialTransform(chosen.initialTransform, chosen.moving)
        volumes = {"fixed": chosen.fixed, "moving": chosen.moving}
        segmentations = {"fixed": chosen.fixedSegmentation, "moving": chosen.movingSegmentation}
        labels = NodeExport.segmentLabels(*segmentations.values())
        self._segmentNames = {label: name for name, label in reversed(labels.items())}  # the fixed one's name wins
        arguments = ["register"]
        for role, volume in volumes.items():
            arguments.append(NodeExport.writeVolume(volume, scratch / f"{role}.nii", role))
        arguments += ["--output", str(scratch / "result"), "--model", self._models.value]
        for role, segmentation in segmentations.items():
            if segmentation is not None:
                path = scratch / f"{role}_segmentation.nii"
                path = NodeExport.writeSegmentation(segmentation, labels, volumes[role], path, role)
                arguments += [f"--{role}-segmentation", path]
        if chosen.initialTransform is not None:
            path = NodeExport.writeLinearTransform(chosen.initialTransform, scratch / "initial.tfm")
            arguments += ["--initial-transform", path]
        return arguments

    def _onRegistered(self, path):
        result = self._session.addResult(path, self._segmentNames)
        if result.deformation is not None:
            GlyphLayer(result).add()
        self._session.said.emit(summary(result.record), result.record["warnings"])


def summary(record):
    """A registration in a few plain sentences."""
    if record["kind"] == "affine":
        text = _(
            "Aligned in {seconds:.1f} s by an affine transform only, as no installed model fits these scans: there "
            "are no displacement arrows, and there is nothing to explain."
        )
        sentences = [text.format(seconds=record["seconds"]["total"])]
    else:
        text = _("Registered in {seconds:.1f} s with the model {model}.")
        sentences = [text.format(seconds=record["seconds"]["total"], model=record["model"]["name"])]
        text = _("Displacement: {mean:.1f} mm on average, {max:.1f} mm at most.")
        sentences.append(text.format(**record["displacement_mm"]))
    if record["dice"]:
        sentences.append(
            _("Mean Dice of the segments: {before:.2f} before, {after:.2f} after.").format(**record["dice"])
        )
    population = record.get("population")  # results of earlier versions have none
    if population and not any(stand["atypical"] for stand in population.values()):
        sentences.append(_("Both scans are like those that the model was trained on."))
    return "\n".join(sentences)
