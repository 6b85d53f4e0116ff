"""What one sampling left behind: labelled arrays, its branches, and its file."""

from .run import Run, collect

__all__ = ["Run", "collect"]
