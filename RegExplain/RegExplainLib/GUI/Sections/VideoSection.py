from pathlib import Path

from slicer.i18n import tr as _

from ..Video.MotionVideo import MotionVideo
from .JobButton import JobButton
from .Motions import Motions


class VideoSection:
    """Save the motion on show as a file for a talk or a letter."""

    def __init__(self, ui, session):
        self._session = session
        self._button = JobButton(ui.saveVideoButton, session, "video", self._save)
        session.changed.connect(self.update)

    def update(self):
        self._button.update(self._disabledReason())

    @property
    def _layer(self):
        parameters = self._session.parameterNode
        return Motions(self._session.result).chosen(parameters.motion) if parameters is not None else None

    def _disabledReason(self):
        layer = self._layer
        if layer is None or not layer.visible:
            return _("Press Play first: what is saved is the motion that the views show.")
        return ""

    def _save(self):
        title = _("Save the motion: in a name with .gif as an animated picture, with .mp4 as a video")
        with self._session.messages.guard():
            path = self._session.messages.askFile(title, _("RegExplain motion.gif"), _("Videos (*.gif *.mp4)"))
            if path:
                self._session.saveVideo(MotionVideo(self._layer, Path(path), self._session.runner.progress.emit))
