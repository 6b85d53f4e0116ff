"""Paths, samplers and guidance: the mathematics of diffusion. Imports no network and no widget."""
