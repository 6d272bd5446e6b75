import importlib
import importlib.metadata
import re
from pathlib import Path

from slicer.i18n import tr as _

import regexplain
import slicer
from regexplain.errors import RegExplainError

from . import InstallAdvice, Licences

TORCH = "torch>=2.5,<3"  # as in pyproject.toml
REQUIREMENTS = Path(regexplain.__file__).with_name("requirements-slicer.txt")


class InstallLogic:
    """The packages that the worker needs and Slicer lacks: found without importing them, installed on consent.

    torch comes through Slicer's PyTorch extension, which picks the build for this computer and shares it with others.
    """

    def __init__(self, ask, report=lambda stage, done, total: None):
        """ask(question) is True where the user agrees; report(stage, done, total) shows the progress."""
        self._ask, self._report = ask, report

    def missing(self):
        """The requirements that are not met, torch first."""
        importlib.invalidate_caches()
        return [requirement for requirement in [TORCH, *readRequirements(REQUIREMENTS)] if not isMet(requirement)]

    def ensure(self):
        """True once all is there and agreed to; False where the user declines. RegExplainError where it fails."""
        missing, terms = self.missing(), Licences.licenceQuestion()
        if missing and (installProblem := InstallAdvice.installProblem(TORCH in missing)):
            raise RegExplainError(installProblem)
        questions = [text for text in (installQuestion(missing), terms) if text]
        if questions and not self._ask("\n\n".join(questions)):
            return False
        if terms:
            Licences.rememberConsent()
        if missing:
            self._install(missing)
        return True

    def _install(self, missing):
        others = [requirement for requirement in missing if requirement != TORCH]
        if TORCH in missing:
            self._showStage(_("Installing PyTorch"), 0)
            self._installTorch()
        try:
            if others:
                self._showStage(_("Installing {names}").format(names=namesOf(others)), len(missing) - len(others))
                slicer.util.pip_install(others)
        except Exception as error:
            raise RegExplainError(installFailed(namesOf(others))) from error
        if still := self.missing():
            raise RegExplainError(installFailed(namesOf(still)))

    def _showStage(self, stage, done):
        """Installing blocks the panel, so what it is about is shown first."""
        self._report(stage, done, 0)
        slicer.app.processEvents()

    def _installTorch(self):
        try:
            import PyTorchUtils
        except ImportError as error:
            text = _(
                "RegExplain needs the PyTorch extension; get it in the Extensions Manager, restart Slicer, try again."
            )
            raise RegExplainError(text) from error
        try:
            version = TORCH.removeprefix("torch")
            torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
                askConfirmation=False, torchVersionRequirement=version
            )
        except Exception as error:
            raise RegExplainError(installFailed("PyTorch")) from error
        if torch is None:
            raise RegExplainError(installFailed("PyTorch"))


def installQuestion(missing):
    """One question with all that the user should know before agreeing; "" where nothing is missing."""
    if not missing:
        return ""
    text = _(
        "RegExplain computes with packages that Slicer does not bring: {names}.\n\n"
        "May it download them from the internet and install them into this Slicer? With PyTorch this takes several "
        "minutes, in which Slicer does not respond, and up to a few gigabytes of disk. Your scans stay here."
    )
    question = text.format(names=namesOf(missing))
    present = versionOf("torch")
    if TORCH in missing and present:
        text = _(
            "The PyTorch that is installed, {version}, is outside of what RegExplain works with and would be replaced: "
            "other extensions that use it may have to be set up again."
        )
        question += "\n\n" + text.format(version=present)
    return question


def installFailed(names):
    return _("Installing {names} failed. {nextStep}").format(names=names, nextStep=InstallAdvice.nextStep())


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
    version = versionOf(nameOf(requirement))
    if version is None:
        return False
    installed = versionNumbers(version)
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", requirement)
    return all((installed >= versionNumbers(bound)) == (comparison == ">=") for comparison, bound in bounds)


def versionOf(name):
    """Of an installed package, None where it is not."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def versionNumbers(version):
    """The release of a version, as a tuple: 2.13.0+cpu is (2, 13, 0)."""
    return tuple(int(part) for part in re.match(r"[\d.]*\d", version).group().split("."))
