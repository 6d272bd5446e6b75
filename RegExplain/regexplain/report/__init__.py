"""The report of a result: one page that says what moved, how far, how well, and what the explanations show."""

from .page import render_report, write_report

__all__ = ["render_report", "write_report"]
