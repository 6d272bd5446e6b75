import shutil
import uuid
from pathlib import Path

import slicer
from regexplain.errors import BadInputError
from regexplain.results import ResultFolder


class ResultFolders:
    """The result folders that the panel keeps until it is closed, by the id of their result.

    They lie in Slicer's temporary folder; a scene never keeps a path.
    """

    def __init__(self):
        self._folders = {}

    def moveHere(self, path):
        """The path that a finished result folder has from now on."""
        folder = Path(slicer.app.temporaryPath, f"RegExplain-{uuid.uuid4().hex[:8]}")
        shutil.move(path, folder)
        return folder

    def keep(self, resultId, folder):
        self._folders[resultId] = folder

    def open(self, resultId):
        """ResultFolder; None where there is none, or it is no longer readable."""
        try:
            return ResultFolder.open(self._folders[resultId])
        except (KeyError, BadInputError):
            return None

    def removeLeftovers(self):
        """What a worker that was ended by force had begun to write beside a result."""
        for folder in self._folders.values():
            for partial in folder.parent.glob(f".{folder.name}.*"):
                shutil.rmtree(partial, ignore_errors=True)

    def removeAll(self):
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)
