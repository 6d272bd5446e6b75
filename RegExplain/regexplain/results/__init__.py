"""Finished registrations on disk."""

from .folder import ResultFolder

__all__ = ["ResultFolder"]
