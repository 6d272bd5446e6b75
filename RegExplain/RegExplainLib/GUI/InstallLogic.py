import importlib
import importlib.metadata
import re
from pathlib import Path

from slicer.i18n import tr as _

import regexplain
import slicer
from regexplain.errors import RegExplainError

TORCH = "torch>=2.5,<3"  # as in pyproject.toml
REQUIREMENTS = Path(regexplain.__file__).with_name("requirements-slicer.txt")


class InstallLogic:
    """The packages that the worker needs and Slicer lacks: found without importing them, installed on consent.

    torch comes through Slicer's PyTorch extension, which picks the build for this computer and shares it with others.
    """

    def __init__(self, ask):
        self._ask = ask

    def missing(self):
        """The requirements that are not met, torch first."""
        importlib.invalidate_caches()
        return [requirement for requirement in [TORCH, *readRequirements(REQUIREMENTS)] if not isMet(requirement)]

    def ensure(self):
        """True once all is there; False where the user declines. Raises RegExplainError where installing fails."""
        missing = self.missing()
        if not missing:
            return True
        question = _(
            "RegExplain computes with packages that Slicer does not bring: {names}.\n\n"
            "May it download them from the internet and install them into this Slicer? With PyTorch this takes several "
            "minutes, in which Slicer does not respond, and up to a few gigabytes of disk. Your scans stay here."
        )
        if not self._ask(question.format(names=namesOf(missing))):
            return False
        self._install(missing)
        return True

    def _install(self, missing):
        others = [requirement for requirement in missing if requirement != TORCH]
        if TORCH in missing:
            self._installTorch()
        try:
            if others:
                slicer.util.pip_install(others)
        except Exception as error:
            text = _(
                "Installing {names} failed; check the internet connection and the free disk space, then try again."
            )
            raise RegExplainError(text.format(names=namesOf(others))) from error
        if still := self.missing():
            text = _("{names} could not be installed; restart Slicer and try again.")
            raise RegExplainError(text.format(names=namesOf(still)))

    def _installTorch(self):
        try:
            import PyTorchUtils
        except ImportError as error:
            text = _(
                "RegExplain needs the PyTorch extension; get it in the Extensions Manager, restart Slicer, try again."
            )
            raise RegExplainError(text) from error
        failed = _("PyTorch was not installed; try it in the module PyTorch Utils, whose log says more.")
        try:
            wanted = TORCH.removeprefix("torch")
            torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=wanted)
        except Exception as error:
            raise RegExplainError(failed) from error
        if torch is None:
            raise RegExplainError(failed)


def readRequirements(path):
    """The lines of a requirements file without their comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def namesOf(requirements):
    return ", ".join(nameOf(requirement) for requirement in requirements)


def nameOf(requirement):
    return re.match(r"[\w.-]+", requirement).group()


def isMet(requirement):
    """Whether a package in the requirement's range (`name>=a,<b`) is installed."""
    try:
        installed = numbers(importlib.metadata.version(nameOf(requirement)))
    except importlib.metadata.PackageNotFoundError:
        return False
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", requirement)
    return all((installed >= numbers(bound)) == (comparison == ">=") for comparison, bound in bounds)


def numbers(version):
    """The release of a version, as a tuple: 2.13.0+cpu is (2, 13, 0)."""
    return tuple(int(part) for part in re.match(r"[\d.]*\d", version).group().split("."))
