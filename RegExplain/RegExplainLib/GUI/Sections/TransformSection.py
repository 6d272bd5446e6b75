from slicer.i18n import tr as _

from regexplain.report.sentences import expected_error_sentences

from ...MRML.TransformExport import writeTransform
from ..Jobs.InputFiles import InputFiles
from .JobButton import JobButton
from .RegisterSection import displacementText, reasonNoInputs, showDisplacement


class TransformSection:
    """Explain a transform that something else made, by the same figures and layers as a registration."""

    def __init__(self, ui, session):
        self._session = session
        self._button = JobButton(ui.explainTransformButton, session, "transform", self._explain)
        session.changed.connect(self.update)

    def update(self):
        self._button.update(self._disabledReason())

    def _disabledReason(self):
        parameters = self._session.parameterNode
        if parameters is not None and parameters.transform is None:
            return _("Choose a transform, and under Inputs the two volumes that it aligns.")
        return reasonNoInputs(parameters)

    def _explain(self):
        self._session.startJob("transform", self._arguments, self._onFinished)

    def _arguments(self, scratch):
        chosen = self._session.parameterNode
        path = writeTransform(chosen.transform, chosen.fixed, scratch / "transform")
        files = yield from InputFiles.write(chosen, scratch)
        self._segmentNames = files.segmentNames
        arguments = ["explain-transform", path, "--output", str(scratch / "result"), "--error"]
        for role, volume in files.volumes.items():
            arguments += [f"--{role}", volume]
        return arguments + files.segmentationOptions

    def _onFinished(self, path):
        self._session.addResult(path, self._segmentNames, self._onAdded)

    def _onAdded(self, result):
        yield from showDisplacement(result)
        record = result.record
        affine = _("It is affine: it moves the scan as a whole.")
        beyond = affine if record["kind"] == "affine" else displacementText(record)
        sentences = [record["transform"]["words"], beyond, *expected_error_sentences(record)]
        self._session.statusMessage.emit("\n".join(sentences), record["warnings"])
