"""A foreign network from the dotted path of its class, and its weights into it; only of packages that are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...cards.settings import PACKAGES, allowed_packages
from ...errors import BadInputError


def construct(values: Mapping[str, Any]) -> nn.Module:
    """values: {"class": path, "options": {…}}, in whose options any such pair stands for a network too.

    A path runs the code of its package, so others than the allowed ones are not imported. Raises BadInputError.
    """
    path = str(values.get("class", ""))
    cls = network_class(path)
    options = {name: _construct_option(value) for name, value in values.get("options", {}).items()}
    try:
        return cls(**options)
    except Exception as error:  # whatever another program's constructor finds wrong
        raise BadInputError(
            f"The class {path} cannot be made with the card's options ({_line(error)}); give those that it was trained "
            "with."
        ) from error


def _construct_option(option: Any) -> Any:
    return construct(option) if isinstance(option, Mapping) and "class" in option else option


def network_class(path: str) -> type[nn.Module]:
    """Raises BadInputError for a package that is not allowed or not there, and for what is no network's class."""
    package, _, name = path.partition(".")[0], *path.rpartition(".")[1:]
    if package not in allowed_packages():
        raise BadInputError(
            f"The card names the class {path!r}, and the package {package!r} is not among those that may be run "
            f"({', '.join(allowed_packages())}); where you trust it, allow it with import-model --allow-package, or in "
            f"{PACKAGES}."
        )
    try:
        cls = getattr(import_module(path.rpartition(".")[0]), name, None)
    except ImportError as error:
        missing = (getattr(error, "name", None) or package).partition(".")[0]
        if missing == package and _installed(package):
            raise BadInputError(f"There is no class {path} in the installed version of {package}.") from error
        raise BadInputError(
            f"This network needs the Python package {missing}, which is not installed; install it with pip (in Slicer: "
            f"slicer.util.pip_install({missing!r}) in the Python console)."
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise BadInputError(f"There is no class {path} in the installed version of {package}.")
    return cls


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def fill(network: nn.Module, weights: Mapping[str, Tensor], name: str) -> None:
    """Raises BadInputError for weights of another network."""
    try:
        missing, unexpected = network.load_state_dict(dict(weights), strict=False)
        reason = f"{len(missing)} of its tensors are missing and {len(unexpected)} unknown" * bool(missing + unexpected)
    except RuntimeError as error:
        reason = _line(error, 1)
    if reason:
        raise BadInputError(
            f"The weights of {name} are not those of the network on its card ({reason}); check its class and options."
        )


def read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(str(path))


def _line(error: BaseException, number: int = 0) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[min(number, len(lines) - 1)].rstrip(".")
