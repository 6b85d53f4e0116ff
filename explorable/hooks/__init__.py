"""Look at any named point of any network while it samples, and change it. Knows names, not networks."""

from .attention import Louder, PromptToPrompt, Silence
from .edits import Ablate, EditError, Replace, Scale, Swap, edit
from .listening import At, Listening, Plan, attached_to
from .points import Point, PointTable, Survey, UnknownPointError
from .take import Take
from .tape import MemoryRefusedError, Tape, record

__all__ = ["Ablate", "At", "EditError", "Listening", "Louder", "MemoryRefusedError", "Plan", "Point", "PointTable",
           "PromptToPrompt", "Replace", "Scale", "Silence", "Survey", "Swap", "Take", "Tape", "UnknownPointError",
           "attached_to", "edit", "record"]
