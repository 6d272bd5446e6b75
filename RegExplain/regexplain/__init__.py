"""RegExplain: registers two volumes and shows why the network moved what it moved.

The names below work on SimpleITK images; torch is imported only when a model runs.

    result = regexplain.register(fixed, moving)
    maps = regexplain.explain(result, region=1)
    motions = regexplain.components(result)
    parts = regexplain.decompose(result)
    trust = regexplain.trust(result)
    error = regexplain.expected_error(result)
    changed = regexplain.detect_changes(result)
    distances = regexplain.measure_landmarks(result, pairs)
    result = regexplain.explain_transform(transform, fixed, moving)
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = [
    "BadInputError",
    "RegExplainError",
    "RegistrationResult",
    "__version__",
    "components",
    "decompose",
    "detect_changes",
    "expected_error",
    "explain",
    "explain_transform",
    "measure_landmarks",
    "models",
    "register",
    "trust",
]

_HOME = {
    "register": "registration",
    "explain": "explanation",
    "components": "explanation",
    "decompose": "explanation",
    "trust": "explanation",
    "expected_error": "explanation",
    "explain_transform": "transform_explanation",
    "detect_changes": "changes",
    "measure_landmarks": "results.landmarks",
    "RegistrationResult": "results.registration_result",
    "BadInputError": "errors",
    "RegExplainError": "errors",
}


def models() -> list:
    """The cards of the installed models."""
    from .cards.registry import installed_cards

    return installed_cards()


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
