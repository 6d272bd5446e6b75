"""One part of a decomposed registration, played from 0 to 100 %."""

from regexplain.errors import BadInputError

from .. import Conversion
from .RecordedImage import readRecordedImage
from .RegistrationAnimationLayer import scaledFrames
from .WarpLayer import WarpLayer


class PartAnimationLayer(WarpLayer):
    """What one component alone moves in this very pair; number: from 1, in the order of `regexplain decompose`."""

    unit = "%"

    def __init__(self, resultNodes, number):
        super().__init__(resultNodes)
        self.number = number
        self.key, self.title = f"animation part {number}", f"Part {number}"

    @property
    def pictureName(self):
        return f"animation-part-{self.number:02d}"

    def _frames(self):
        result = self.resultNodes
        parts = (result.record.get("decomposition") or {"parts": []})["parts"]
        if self.number > len(parts):
            raise BadInputError(f"This result has no part {self.number}; run Decompose first.")
        image = readRecordedImage(result, parts[self.number - 1], "part", "Decompose")
        return scaledFrames(*Conversion.vectorsOf(image))
