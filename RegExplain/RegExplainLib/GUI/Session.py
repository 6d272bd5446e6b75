import json

from slicer.i18n import tr as _

from regexplain.results import ResultFolder

from ..Signal import Signal
from .FileSaver import FileSaver
from .Jobs.ResultAdder import ResultAdder
from .Jobs.ResultLoader import ResultLoader
from .Jobs.RunningJob import RunningJob
from .Jobs.VerbJob import VerbJob
from .ParameterSelection import ParameterSelection
from .ResultFolders import ResultFolders
from .ResultSelection import ResultSelection


class Session:
    """What the panel's sections share: the parameters, the one running job, the registration on show. No widgets.

    `changed` tells that any of these did, `added` that a registration ended and is on show, `left` that views are to
    be as without the panel; `statusMessage(text, warnings)` is for the status line.
    """

    def __init__(self, runner, installLogic, messages):
        self.runner, self.messages = runner, messages
        self.changed, self.statusMessage = Signal(), Signal()
        self.added, self.left = Signal(), Signal()
        self._folders, loading = ResultFolders(), ResultLoader()
        self._parameters = parameters = ParameterSelection(self.changed)
        self.selection = ResultSelection(parameters, self._folders, loading, messages, self.changed)
        self._job = job = RunningJob(parameters, self.changed, self.statusMessage)
        self._verb = VerbJob(job, runner, installLogic, parameters, loading, messages)
        self._adding = ResultAdder(job, loading, self._folders, self.selection, messages, runner.progress, self.added)
        self._saving = FileSaver(job, messages)
        job.ended.connect(self._folders.removeLeftovers)

    @property
    def parameterNode(self):
        """The parameter set on show; None while there is no scene to work on."""
        return self._parameters.node

    def setParameterNode(self, parameterNode):
        self._parameters.show(parameterNode)
        self.selection.find()

    @property
    def result(self):
        """The registration on show (ResultNodes), None where there is none any more."""
        return self.selection.result

    @property
    def results(self):
        """Every registration of the scene, oldest first, but one that is being loaded."""
        return self.selection.all

    def choose(self, resultId):
        """Show another registration of the scene."""
        self.selection.choose(resultId)

    @property
    def job(self):
        """The name of the running job; "" while none runs."""
        return self._job.name

    def startJob(self, name, prepare, whenFinished):
        """Run a verb; refused in words while a job runs; nothing happens where the user declines to install.

        `prepare(scratch folder)` gives the steps (StepRunner) that write the inputs there and return the arguments.
        `whenFinished(result path)` follows where the job succeeds, and the steps that it may give.
        """
        self._verb.start(name, prepare, whenFinished)

    def addResult(self, path, segmentNames, whenAdded):
        """Keep a finished result folder and show it, its segments named (label: name) as the user's were.

        It is loaded in the background; the steps (StepRunner) of `whenAdded(result)` follow. Where the user went to
        another parameter set meanwhile, it is kept with its own and leaves the views as they were.
        """
        self._adding.run(path, segmentNames, whenAdded)

    def extendResult(self, name, verb, options, whenExtended):
        """Let a verb add to the registration on show; `whenExtended()` follows where that is still on show then, and
        the steps (StepRunner) that it may give.

        options: a list, or a function of the scratch folder, which writes there what they name.
        """
        result = self.result

        def whenFinished(path):
            if result.node("record") is None:
                return None
            result.folder = ResultFolder.open(path)
            result.node("record").SetText(json.dumps(result.folder.record))
            if self._job.startedFromShown and self.selection.replace(result):
                return whenExtended()
            self.statusMessage.emit(_("Finished, but for another registration or parameter set than that on show."), [])
            return None

        def arguments(scratch):
            if callable(options):  # in a turn of its own, as all that writes
                yield
            return [verb, str(result.folder.path), *(options(scratch) if callable(options) else options)]

        self.startJob(name, arguments, whenFinished)

    def copyFolder(self, target):
        """Copy the files of the registration on show, in the background, into a new folder under `target`."""
        self._saving.copyFolder(self.result.folder.path, target)

    def saveVideo(self, video):
        """Save a motion: let a MotionVideo take its pictures and write its file."""
        self._saving.saveVideo(video)

    def cancel(self):
        """End the running job; scene and disk stay as they were."""
        if self._verb.running:
            self._verb.cancel()
        elif self._adding.running:
            self._adding.cancel()
        elif self._saving.cancellable:
            self._saving.cancel()

    def shutDown(self):
        """No worker, no reading and none of this session's files stays."""
        self._saving.shutDown()
        self.cancel()
        self._verb.shutDown()
        self.selection.shutDown()
        self._adding.shutDown()
        self.runner.shutDown()
        self._job.name = ""
        self._folders.removeAll()
