import json
from functools import partial
from pathlib import Path

from slicer.i18n import tr as _

from regexplain.cards.external import packages
from regexplain.cards.settings import allowed_packages, user_models

from ...MRML import NodeExport
from .JobButton import JobButton

FRAMEWORKS = {".json": "card", ".pt": "voxelmorph", ".pth": "voxelmorph", ".trch": "unigradicon"}
KINDS = "Networks (*.json *.pt *.pth *.trch)"
BUNDLE = "configs"  # the folder of a MONAI bundle in which its JSON files lie


class ModelImport:
    """The button that imports a network of another framework, checked on the fixed volume where one is chosen."""

    def __init__(self, ui, session, onImported):
        """`onImported(name)` follows where a model was imported."""
        self._session, self._onImported = session, onImported
        self._options = []
        self._button = JobButton(ui.importModelButton, session, "import", self._import)

    def update(self):
        self._button.update()

    def _import(self):
        path = self._session.messages.askExistingFile(_("Import a network: its card, weights or bundle"), KINDS)
        if path:
            with self._session.messages.guard():
                self._start(Path(path))

    def _start(self, path):
        framework, source = sourceOf(path)
        name, needed = nameAndPackages(framework, source)
        options = ["import-model", framework, str(source), "--check"]
        for package in needed:
            question = _(
                "This network runs the code of the Python package {package}, which may do anything on this computer. "
                "Allow it, now and later?"
            )
            if not self._session.messages.ask(question.format(package=package)):
                return
            options += ["--allow-package", package]
        if (user_models() / name).exists():
            if not self._session.messages.ask(_("You have a model {name} already. Replace it?").format(name=name)):
                return
            options.append("--overwrite")
        self._options = options
        self._session.startJob("import", self._arguments, self._onImported)

    def _arguments(self, scratch):
        fixed = self._session.parameterNode.fixed
        yield
        if fixed is None:
            return self._options
        copy = NodeExport.hardenedCopy(fixed, "fixed")
        image = yield partial(NodeExport.writeImage, NodeExport.volumeImage(copy), scratch / "fixed.nrrd")
        return [*self._options, "--image", str(image)]


def sourceOf(path):
    """(framework, what its import takes) of a file that the user chose; of a bundle any file in its configs folder."""
    if path.suffix == ".json" and path.parent.name == BUNDLE:
        return "monai", path.parent.parent
    return FRAMEWORKS.get(path.suffix, "card"), path


def nameAndPackages(framework, source):
    """What the model will be called, and the packages that its card names and nobody has allowed yet."""
    if framework != "card":
        return ("unigradicon" if framework == "unigradicon" else source.stem if source.is_file() else source.name), []
    try:
        values = dict(json.loads(source.read_text(encoding="utf-8")))
        named = packages(values.get("network", {}))
    except (OSError, ValueError, TypeError, AttributeError):  # the worker says what is wrong with it
        return source.stem, []
    return str(values.get("name", source.stem)), [package for package in named if package not in allowed_packages()]
