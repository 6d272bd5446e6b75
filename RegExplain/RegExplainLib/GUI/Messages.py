import logging
import traceback
from contextlib import contextmanager

import qt
from slicer.i18n import tr as _

import slicer
from regexplain.errors import RegExplainError


class Messages:
    """The only place that shows an error or asks the user."""

    def error(self, sentence, details=""):
        """A message box; `details` are folded away in it."""
        options = {"detailedText": details} if details else {}
        slicer.util.errorDisplay(sentence, windowTitle=_("RegExplain"), **options)

    def ask(self, question):
        """True where the user says OK."""
        return slicer.util.confirmOkCancelDisplay(question, windowTitle=_("RegExplain"))

    def askFolder(self, title):
        """The folder that the user chooses, "" where none."""
        return qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title)

    def askFile(self, title, name, kinds):
        """The file to write that the user chooses, "" where none. kinds: as "Videos (*.gif *.mp4)"."""
        return qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, name, kinds)

    def askExistingFile(self, title, kinds):
        """The file to read that the user chooses, "" where none. kinds: as "Networks (*.json)"."""
        return qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, "", kinds)

    @contextmanager
    def guard(self):
        """Around what the user started: an error within is shown in one sentence, its traceback goes to the log."""
        try:
            yield
        except RegExplainError as error:
            logging.info(traceback.format_exc())
            self.error(str(error))
        except Exception as error:
            self.error(
                _("Something unexpected went wrong ({error}); save your work, restart Slicer and try again.").format(
                    error=error
                ),
                traceback.format_exc(),
            )
