"""Look at any named point of any network while it samples, and change it. Knows names, not networks."""

from .attention_edits import Louder, PromptToPrompt, Silence
from .dispatcher import At, Listening, Plan, attached_to
from .edits import Ablate, EditError, Replace, Scale, Swap, edit
from .points import Point, PointTable, Survey, UnknownPointError
from .recorder import MemoryRefusedError, Tape, record
from .recording import Take

__all__ = ["Ablate", "At", "EditError", "Listening", "Louder", "MemoryRefusedError", "Plan", "Point", "PointTable",
           "PromptToPrompt", "Replace", "Scale", "Silence", "Survey", "Swap", "Take", "Tape", "UnknownPointError",
           "attached_to", "edit", "record"]
