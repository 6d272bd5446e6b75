import uuid
from contextlib import suppress

from slicer.i18n import tr as _

import slicer
from regexplain.errors import RegExplainError

from ..Disk import diskErrors
from ..Jobs.BackgroundTask import BackgroundTask
from ..Jobs.StepRunner import StepRunner
from ..Views import captureLayout
from .FrameStore import FrameStore
from .VideoFormats import writerFor


class MotionVideo:
    """Saves the motion of an animation layer, as Slicer's views show it, in an animated GIF or an MP4 video.

    A picture is taken at each turn of the event loop, then the file is written in the background, whole or not at all.
    """

    def __init__(self, layer, path, progress):
        """path: of the file, ending in .gif or .mp4. progress(stage, done, total) is called meanwhile.

        Raises RegExplainError where it cannot be written here, as without ffmpeg.
        """
        self.path, self._write = path, writerFor(path)
        self._partial = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
        self._layer, self._progress = layer, progress
        self._store = None
        self._taking, self._writing = StepRunner(), BackgroundTask()

    def run(self, whenDone, whenFailed):
        """`whenDone(path)` or `whenFailed(exception)` follows, unless `cancel()` comes first."""

        def finish(nothing):
            try:
                self._partial.replace(self.path)
            except OSError as error:
                self._removePartial()
                whenFailed(error)
            else:
                whenDone(self.path)

        def write(store):
            self._progress(_("Saving"), 0, 0)
            self._writing.run(self._writePartial, finish, whenFailed)

        self._taking.run(self._takePictures(), write, whenFailed)

    def cancel(self):
        """Leave nothing of it; the animation shows what it showed before."""
        self._taking.cancel()
        if self._store is not None:
            self._store.stop()
        self._writing.forget()
        self._removePartial()

    def shutDown(self):
        """As `cancel`, but its thread and its programs have ended on return."""
        self.cancel()
        self._writing.wait()

    def _takePictures(self):
        layer, temporary = self._layer, slicer.app.temporaryPath
        if not layer.visible:
            raise RegExplainError(viewsChangedMessage())
        frame, wasPlaying, amplitude = layer.browser.GetSelectedItemNumber(), layer.playing, layer.amplitude
        with diskErrors(temporary):
            self._store = store = FrameStore(temporary, layer.browser.GetPlaybackRateFps())
        try:
            layer.setPlaying(False)
            frames = len(layer.strengths)
            for number in range(frames):
                if not layer.visible or layer.amplitude != amplitude:
                    raise RegExplainError(viewsChangedMessage())
                layer.setFrame(number)
                with diskErrors(temporary):
                    store.add(self._picture())
                self._progress(_("Taking pictures"), number + 1, frames)
                yield store
        except BaseException:  # it was closed, too
            store.close()
            raise
        finally:
            if layer.added:
                layer.setFrame(frame)
            if layer.visible:
                layer.setPlaying(wasPlaying)

    def _picture(self):
        picture = captureLayout(self._layer.resultNodes)
        if picture is None:
            raise RegExplainError(_("Slicer shows no view here, so nothing can be saved; choose a layout with one."))
        rows, columns, _channels = picture.shape
        if self._store.size not in (None, (columns, rows)):
            raise RegExplainError(viewsChangedMessage())
        return picture

    def _writePartial(self):
        """In the background."""
        store, isWhole = self._store, False
        try:
            self._partial.touch()  # the disk's refusal, in its own words and before the work
            self._write(store, self._partial)
            isWhole = not store.stopped
        finally:
            store.close()
            if not isWhole:
                self._removePartial()

    def _removePartial(self):
        with suppress(OSError):
            self._partial.unlink()


def viewsChangedMessage():
    return _(
        "The motion or the views changed while their pictures were taken, so no video was saved; show the motion, "
        "leave the views as they are, and save it again."
    )
