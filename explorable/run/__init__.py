"""Run, the result of one sampling: labelled arrays, branches, files."""

from .run import Run, collect_run

__all__ = ["Run", "collect_run"]
