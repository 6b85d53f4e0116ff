"""The kinds of items, by groups of ideas. Importing this package registers all of them."""

from . import attention, guidance, latents, learning, paths, words

__all__ = ["attention", "guidance", "latents", "learning", "paths", "words"]
