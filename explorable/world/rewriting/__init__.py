"""Free English rewritten as a caption of the picture world: `rewrite(text)`."""

from .rewriter import Rewritten, rewrite

__all__ = ["Rewritten", "rewrite"]
