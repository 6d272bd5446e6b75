from pathlib import Path

from slicer.i18n import tr as _

from .Disk import copyAtomically, diskErrors, uniqueName
from .Jobs.BackgroundTask import BackgroundTask


class FileSaver:
    """Saves a result folder or a video as the running job."""

    def __init__(self, job, messages):
        self._job, self._messages = job, messages
        self._background = BackgroundTask()
        self._video = None  # that is being saved

    @property
    def cancellable(self):
        """Whether it is a video; copying a folder needs no scene, and continues."""
        return self._video is not None

    def copyFolder(self, source, target):
        """Copy the folder `source`, in the background, into a new folder under `target`."""
        copy = uniqueName(Path(target), _("RegExplain result"))

        self._save(
            "save", copy, lambda done, fail: self._background.run(lambda: copyAtomically(source, copy), done, fail)
        )

    def saveVideo(self, video):
        """Save a motion: let a MotionVideo take its pictures and write its file."""
        self._video = video
        self._save("video", video.path, video.run)

    def cancel(self):
        self._video.cancel()
        self._video = None
        self._job.cancelled()

    def shutDown(self):
        """Stop; no partly written video stays."""
        if self._video is not None:
            self._video.shutDown()
        self._background.forget()

    def _save(self, name, path, run):
        """Let `run(whenDone, whenFailed)` write `path`."""

        def done(nothing):
            self._video = None
            self._job.end(_("Saved as {name}.").format(name=path.name))

        def fail(error):
            self._video = None
            self._job.end()
            with self._messages.guard(), diskErrors(path.parent):
                raise error

        self._job.begin(name)
        run(done, fail)
