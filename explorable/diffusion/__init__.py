"""Paths, samplers and guidance: the mathematics of diffusion. Knows no network and no widget."""
