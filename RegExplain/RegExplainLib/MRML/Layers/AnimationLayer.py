"""What one component of the network's latent space does, played."""

from regexplain.errors import BadInputError

from .. import Conversion
from .RecordedImage import readRecordedImage
from .WarpLayer import WarpLayer

FRAME_LIMIT_VOXELS = 40**3  # frames are smooth fields, and the scene stores every one


def loopOrder(strengths):
    """Ascending strengths as a loop without a jump: from the one nearest zero up, down to the bottom, and up again."""
    start = min(range(len(strengths)), key=lambda n: abs(strengths[n]))
    top = len(strengths) - 1
    loop = [*range(start, top), *range(top, 0, -1), *range(0, start)]
    return [strengths[n] for n in loop or [0]]


class AnimationLayer(WarpLayer):
    """What one latent component does to anatomy; strengths in standard deviations."""

    unit = "SD"
    order = staticmethod(loopOrder)

    def __init__(self, resultNodes, componentIndex):
        super().__init__(resultNodes)
        self.componentIndex = componentIndex
        self.key, self.title = f"animation {componentIndex}", f"Component {componentIndex}"

    @property
    def pictureName(self):
        return f"animation-component-{self.componentIndex:02d}"

    def _frames(self):
        result, index = self.resultNodes, self.componentIndex
        items = (result.record["components"] or {"items": []})["items"]
        item = next((item for item in items if item["index"] == index), None)
        if item is None:
            raise BadInputError(f"This result has no component {index}; run Components first.")
        return {field["strength"]: self._frame(field) for field in item["fields"]}

    def _frame(self, field):
        image = readRecordedImage(self.resultNodes, field, "field", "Components")
        return Conversion.gridTransform(image, FRAME_LIMIT_VOXELS, repeated=True)
