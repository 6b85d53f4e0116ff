"""The tokens that stand for no word: padding, start and end of a prompt."""

SPECIAL = PAD, START, END = "<pad>", "<start>", "<end>"
