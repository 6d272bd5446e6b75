"""A result folder's Slicer scene and pictures, without the application.

    python -m RegExplainLib.MRML RESULT --scene FILE.mrb [--pictures FOLDER]

Prints progress as JSON lines (docs/worker.md). Exit codes: 0 done (also where there are no pictures for lack of a
GL library: a warning says which to install), 2 bad input, 1 anything else.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

from regexplain.errors import RegExplainError
from regexplain.progress import JsonProgress

PATH_COMMENT = b"# Color procedural file "  # in front of a path of the machine that wrote it


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m RegExplainLib.MRML", description="A result's scene and pictures.")
    parser.add_argument("result")
    parser.add_argument("--scene", type=Path, required=True, help="the .mrb file to write")
    parser.add_argument("--pictures", type=Path, help="the folder for the PNG files")
    options = parser.parse_args(arguments)
    progress = JsonProgress()
    try:
        writeScene(options.result, options.scene, options.pictures, progress)
    except RegExplainError as error:
        progress.emit("error", message=str(error))
        return error.exit_code
    except OSError as error:
        progress.emit(
            "error", message=f"Writing the scene failed ({error.strerror or error}); free space and try again."
        )
        return 1
    progress.emit("finished", result=options.result)
    return 0


def writeScene(result, scene, pictures, progress):
    """All of a result with every layer as one .mrb; PNGs too where a folder is given and this machine can draw."""
    from . import Gl
    from .Headless import Headless
    from .Pictures import Pictures
    from .ResultNodes import ResultNodes

    headless = Headless.start()
    views, drawn = Pictures(headless), pictures is not None and Gl.canRender()
    if drawn:
        views.open()
    nodes = ResultNodes.load(result)
    layers = nodes.layers()
    for number, layer in enumerate(layers):
        progress.report("Building the scene", number, len(layers))
        layer.add().hide()
    if drawn:
        _writePictures(views, nodes, pictures, progress)
    elif pictures is not None:
        progress.warn(Gl.MISSING)
    progress.report("Saving the scene", 0, 1)
    for layer in layers:
        if layer.key == "glyphs":
            layer.show()
    views.fit(nodes)
    _writeMrb(headless.scene, scene)
    progress.report("Saving the scene", 1, 1)


def _writePictures(views, nodes, folder, progress):
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pictures.", dir=folder.parent) as staging:
        names = views.write(nodes, Path(staging), lambda done, total: progress.report("Drawing", done, total))
        folder.mkdir(exist_ok=True)
        for name in names:
            Path(staging, name).replace(folder / name)


def _writeMrb(scene, path):
    """Write aside, under the final name, for that is written into the archive; then move into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scene.", dir=path.parent) as staging:
        stored, compressed = Path(staging, path.name), Path(staging, "compressed")
        if not scene.WriteToMRB(str(stored)) or not stored.is_file():
            raise RegExplainError(f"Writing {path} failed; free space there or choose another place.")
        _compress(stored, compressed)
        compressed.replace(path)


def _compress(source, target):
    """MRML stores uncompressed, and displacements, float32 written as float64, shrink to less than half."""
    with (
        zipfile.ZipFile(source) as stored,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as deflated,
    ):
        for entry in stored.infolist():
            content = stored.read(entry)
            if content.startswith(PATH_COMMENT):
                content = content.partition(b"\n")[2]
            deflated.writestr(entry.filename, content)


if __name__ == "__main__":
    sys.exit(main())
