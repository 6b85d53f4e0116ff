"""Figures: pure functions from labelled arrays to plotly figures. No state, no widget, no network."""
