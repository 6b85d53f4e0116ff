"""The networks, one file each, and the layers they share. They import no path, no sampler and no widget."""
