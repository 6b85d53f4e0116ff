"""What Learning gives away of a result, whatever its mode: labelled arrays, a table and code."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from . import real_run, view
from .compute import Result
from .microscope import ImageResult, StepResult
from .real_run import RealRunResult

AnyResult = Result | StepResult | ImageResult | RealRunResult


def data_of(result: AnyResult) -> xr.Dataset:
    """Return what is on the screen."""
    if isinstance(result, Result):
        return view.training_dataset(result)
    if isinstance(result, RealRunResult):
        return real_run.dataset(result)
    return result.arrays if isinstance(result, StepResult) else result.step


def table_of(result: AnyResult) -> pd.DataFrame:
    """Return the numbers of a training by checkpoint, of a step by t, or the verdicts on a real run."""
    if isinstance(result, Result):
        return view.training_table(result)
    if isinstance(result, RealRunResult):
        return real_run.table(result)
    return view.step_table(result) if isinstance(result, StepResult) else view.image_table(result)


def code_of(result: AnyResult, pipe_code: str) -> str:
    """Return code that computes the result without the explorable. pipe_code: a line that loads its pipeline."""
    if isinstance(result, Result):
        return view.training_code(result.request.data, result.request.settings, result.steps_taken)
    if isinstance(result, RealRunResult):
        return real_run.code(result)
    return view.step_code(result) if isinstance(result, StepResult) else view.image_code(result, pipe_code)
