"""What all charts share: explicit ticks on logarithmic axes, the free width, and no mode bar over their legends."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.core.chart import Chart
from explorable.widgets.core.theme import figure, log_ticks
from explorable.widgets.flow_paths.figure import error_curves, image_curves
from explorable.widgets.unet_xray.figure import spectra


@pytest.mark.parametrize(("low", "high", "texts"), [
    (0.04, 0.6, ["0.05", "0.1", "0.2", "0.5"]), (1, 100, ["1", "2", "5", "10", "20", "50", "100"]),
    (2e-5, 3, ["10⁻⁴", "0.001", "0.01", "0.1", "1"]), (3, 4, ["3", "4"]), (0.5, 0.5, ["0.5"])])
def test_ticks_of_a_logarithmic_axis_are_written_in_full(low, high, texts):
    ticks = log_ticks(low, high)
    values = [float(t.replace("10⁻⁴", "1e-4")) for t in texts]
    assert ticks["ticktext"] == texts and values == ticks["tickvals"]


def test_every_logarithmic_axis_has_its_ticks():
    axes, counts = ("solver", "steps", "particle"), [[1, 2, 4], [1, 3, 7]]
    errors = xr.Dataset({"distance": (axes, np.random.default_rng(0).random((2, 3, 5))),
                         "evaluations": (axes[:2], counts)}, coords={"solver": ["euler", "heun"]})
    distance = xr.DataArray([[0.5, 0.25, 0.0]], dims=("model", "steps"), coords={"model": ["a"], "steps": [1, 4, 50]})
    power = xr.DataArray([[9.0, 2.0, 0.0]], dims=("run", "frequency"),
                         coords={"run": ["edited"], "frequency": [1, 2, 3]})
    for fig in (error_curves(errors), image_curves(distance), spectra(power, 2)):
        for axis in (fig.layout.xaxis, fig.layout.yaxis):
            assert axis.type != "log" or len(axis.tickvals) >= 2


def test_a_chart_has_the_free_width_and_no_bar_over_its_legend():
    chart = Chart()
    assert chart.spec == {} and Chart(figure("x", "y")).spec["layout"]["xaxis"]["title"]["text"] == "x"
    chart.draw(figure("x", "y"))
    assert "width" not in chart.spec["layout"] and chart.spec["layout"]["template"]["layout"]["autosize"] is True
    assert "displayModeBar: false, responsive: true" in chart._esm
    chart.close()


def test_no_figure_places_a_legend_over_its_plot():
    """legend.js puts the legend above the plot, so a figure neither places its own nor leaves room for it."""
    chart = Chart(figure("x", "y"))
    assert "legend" not in chart.spec["layout"] and "legend" not in chart.spec["layout"]["template"]["layout"]
    assert "showlegend: false" in chart._esm and "buildLegend" in chart._esm
    chart.close()


def test_the_page_gets_plotly_once_it_asks_for_it():
    chart, sent = Chart(), []
    chart.send = lambda content, buffers: sent.append((content, buffers))
    chart.draw(figure("x", "y"))
    assert chart.spec["data"] == [] and sent == []
    chart._handle_custom_msg({"need": "plotly"}, [])
    (content, (script,)), = sent
    assert content == {"plotly": True} and script.endswith(b"export default module.exports;") and len(script) > 1e6
    chart.close()


def test_explorables_do_not_import_plotlys_own_widget():
    code = ("import sys, explorable as ex\nex.NoiseTrajectory\n"
            "print('nbformat' in sys.modules, 'plotly.basewidget' in sys.modules)")
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "False"], "importing it takes 3 seconds"
