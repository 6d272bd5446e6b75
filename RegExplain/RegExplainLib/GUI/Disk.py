import itertools
import shutil
from contextlib import contextmanager

from slicer.i18n import tr as _

from regexplain.errors import RegExplainError


def copyAtomically(source, target):
    """A copy of a folder under a name of its own, whole or not at all."""
    partial = target.with_name(f".{target.name}")
    try:
        shutil.copytree(source, partial)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def uniqueName(folder, name):
    """`name` in `folder`, or with the first number that makes it new."""
    paths = (folder / (f"{name} {number}" if number > 1 else name) for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


@contextmanager
def diskErrors(folder):
    """Raises RegExplainError, with what to do, where the disk refuses."""
    try:
        yield
    except OSError as error:  # shutil.Error too
        reason = error.strerror or error.__class__.__name__
        text = _("{folder} cannot be written to ({reason}); free space there, or choose a folder that is yours.")
        raise RegExplainError(text.format(folder=folder, reason=reason)) from error
