"""Run, the result of one sampling: labelled arrays, branches, files."""

from .files import RunFileError
from .run import Run, collect_run

__all__ = ["Run", "RunFileError", "collect_run"]
