import uuid
from contextlib import suppress

from slicer.i18n import tr as _

import slicer
from regexplain.errors import RegExplainError

from ..Disk import diskErrors
from ..Jobs.BackgroundReading import BackgroundReading
from ..Jobs.InSteps import InSteps
from ..Views import viewsPicture
from .Film import Film
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
        self._aside = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
        self._layer, self._progress = layer, progress
        self._film = None
        self._taking, self._writing = InSteps(), BackgroundReading()

    def run(self, whenDone, whenFailed):
        """`whenDone(path)` or `whenFailed(exception)` follows, unless `cancel()` comes first."""

        def finish(nothing):
            try:
                self._aside.replace(self.path)
            except OSError as error:
                self._removeAside()
                whenFailed(error)
            else:
                whenDone(self.path)

        def write(film):
            self._progress(_("Saving"), 0, 0)
            self._writing.run(self._writeAside, finish, whenFailed)

        self._taking.run(self._takePictures(), write, whenFailed)

    def cancel(self):
        """Leave nothing of it; the animation shows what it showed before."""
        self._taking.cancel()
        if self._film is not None:
            self._film.stop()
        self._writing.forget()
        self._removeAside()

    def shutDown(self):
        """As `cancel`, but its thread and its programs have ended on return."""
        self.cancel()
        self._writing.wait()

    def _takePictures(self):
        layer, temporary = self._layer, slicer.app.temporaryPath
        if not layer.visible:
            raise RegExplainError(disturbed())
        frame, wasPlaying, amplitude = layer.browser.GetSelectedItemNumber(), layer.playing, layer.amplitude
        with diskErrors(temporary):
            self._film = film = Film(temporary, layer.browser.GetPlaybackRateFps())
        try:
            layer.setPlaying(False)
            frames = len(layer.strengths)
            for number in range(frames):
                if not layer.visible or layer.amplitude != amplitude:
                    raise RegExplainError(disturbed())
                layer.setFrame(number)
                with diskErrors(temporary):
                    film.add(self._picture())
                self._progress(_("Taking pictures"), number + 1, frames)
                yield film
        except BaseException:  # it was closed, too
            film.close()
            raise
        finally:
            if layer.added:
                layer.setFrame(frame)
            if layer.visible:
                layer.setPlaying(wasPlaying)

    def _picture(self):
        picture = viewsPicture(self._layer.resultNodes)
        if picture is None:
            raise RegExplainError(_("Slicer shows no view here, so nothing can be saved; choose a layout with one."))
        rows, columns, _channels = picture.shape
        if self._film.size not in (None, (columns, rows)):
            raise RegExplainError(disturbed())
        return picture

    def _writeAside(self):
        """In the background."""
        film, isWhole = self._film, False
        try:
            self._aside.touch()  # the disk's refusal, in its own words and before the work
            self._write(film, self._aside)
            isWhole = not film.stopped
        finally:
            film.close()
            if not isWhole:
                self._removeAside()

    def _removeAside(self):
        with suppress(OSError):
            self._aside.unlink()


def disturbed():
    return _(
        "The motion or the views changed while their pictures were taken, so no video was saved; show the motion, "
        "leave the views as they are, and save it again."
    )
