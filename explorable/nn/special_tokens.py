"""The tokens that stand for no word: padding, start and end of a prompt, and what a chat template puts around it."""

SPECIAL = PAD, START, END = "<pad>", "<start>", "<end>"
TEMPLATE = "<template>"  # in opened pipelines whose text encoder is a language model
NOT_WORDS = (*SPECIAL, TEMPLATE)
