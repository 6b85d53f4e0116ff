"""The networks, one file each, and the blocks they share. They know no path, no sampler and no widget."""
