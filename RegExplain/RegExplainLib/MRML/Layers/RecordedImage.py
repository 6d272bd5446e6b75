"""An image that result.json names."""

import SimpleITK as sitk

from regexplain.errors import BadInputError


def readRecordedImage(resultNodes, entry, what, verb):
    """The image of an entry of result.json. Raises BadInputError where its file is gone."""
    path = resultNodes.folder.file(entry["file"]) if resultNodes.folder else None
    if path is None:
        raise BadInputError(
            f"The {what} {entry['file']} is missing; open the result folder again, or run {verb} again."
        )
    return sitk.ReadImage(str(path))
