"""What one sampling left behind: labelled arrays, branches, files."""

from .run import Run, collect_run

__all__ = ["Run", "collect_run"]
