from slicer.i18n import tr as _

from regexplain.report.sentences import expected_error_sentences

from ...MRML import NodeExport
from ...MRML.Layers import DisplacementLayer, GlyphLayer
from ..Jobs.InputFiles import InputFiles
from .JobButton import JobButton


class RegisterSection:
    """Register the chosen scans, and show the result with its displacement."""

    def __init__(self, ui, session):
        self._session = session
        self._button = JobButton(ui.registerButton, session, "register", self._register)
        session.changed.connect(self.update)

    def update(self):
        self._button.update(reasonNoInputs(self._session.parameterNode))

    def _register(self):
        self._session.startJob("register", self._arguments, self._onFinished)

    def _arguments(self, scratch):
        """Steps that write the chosen nodes into `scratch` and end in the verb's arguments, which name them."""
        chosen = self._session.parameterNode
        NodeExport.checkInitialTransform(chosen.initialTransform, chosen.moving)
        options = ["--output", str(scratch / "result"), "--model", chosen.model, "--error"]
        if chosen.initialTransform is not None:
            path = NodeExport.writeLinearTransform(chosen.initialTransform, scratch / "initial.tfm")
            options += ["--initial-transform", path]
        if chosen.refine:
            options += ["--refine", str(chosen.refine)]
            options += self._landmarkOptions(chosen, scratch)
        files = yield from InputFiles.write(chosen, scratch)
        self._segmentNames = files.segmentNames
        options += files.segmentationOptions + files.maskOptions
        return ["register", files.volumes["fixed"], files.volumes["moving"], *options]

    def _landmarkOptions(self, chosen, scratch):
        """Of landmarks that are to pull on the refinement."""
        lists = {"fixed": chosen.fixedLandmarks, "moving": chosen.movingLandmarks}
        if not chosen.useLandmarks or None in lists.values():
            return []
        files = {space: NodeExport.writeLandmarks(node, scratch / f"{space}.mrk.json") for space, node in lists.items()}
        return ["--use-landmarks", *(word for space in files for word in (f"--{space}-landmarks", files[space]))]

    def _onFinished(self, path):
        self._session.addResult(path, self._segmentNames, self._onAdded)

    def _onAdded(self, result):
        yield from showDisplacement(result)
        self._session.statusMessage.emit(registrationSummary(result.record), result.record["warnings"])


def reasonNoInputs(parameters):
    """What is lacking for two volumes to be compared, in a sentence; "" where nothing is."""
    if parameters is None or parameters.fixed is None or parameters.moving is None:
        return _("Choose a fixed and a moving volume first.")
    if parameters.fixed is parameters.moving:
        return _("Choose two different volumes.")
    return ""


def showDisplacement(result):
    """Steps (StepRunner): as arrows; without outlines that tell where to look, as colours too."""
    if result.deformation is not None:
        layers = [GlyphLayer(result)] + [DisplacementLayer(result)] * (result.fixedSegmentation is None)
        for layer in layers:
            prepared = yield layer.prepare()
            layer.add(prepared)
            yield


def registrationSummary(record):
    """A registration in a few plain sentences."""
    if record.get("not_kept"):
        text = _(
            "Aligned in {seconds:.1f} s. The model {model} bent the moving scan too, but the scans were less alike "
            "after that, so only the alignment was kept. To see the bending nevertheless, choose {model} by its name "
            "under Model and register again."
        )
        sentences = [text.format(seconds=record["seconds"]["total"], model=record["not_kept"])]
    elif record["kind"] == "affine":
        text = _(
            "Aligned in {seconds:.1f} s by an affine transform only, as no installed model fits these scans: there "
            "are no displacement arrows, and there is nothing to explain."
        )
        sentences = [text.format(seconds=record["seconds"]["total"])]
    else:
        text = _("Registered in {seconds:.1f} s with the model {model}.")
        sentences = [
            text.format(seconds=record["seconds"]["total"], model=record["model"]["name"]),
            displacementText(record),
        ]
    if record["dice"]:
        sentences.append(
            _("Mean Dice of the segments: {before:.2f} before, {after:.2f} after.").format(**record["dice"])
        )
    sentences += expected_error_sentences(record)
    population = record.get("population")  # results of earlier versions have none
    if population and not any(score["atypical"] for score in population.values()):
        sentences.append(_("Both scans are like those that the model was trained on."))
    return "\n".join(sentences)


def displacementText(record):
    text = _("Displacement: {mean:.1f} mm on average, {max:.1f} mm at most.")
    return text.format(**record["displacement_mm"])
