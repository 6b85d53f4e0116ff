"""Record and edit the value at any named point of any network while it samples. Knows names, not networks."""

from .attachments import RunPlan, attached_to, check_pipeline, dispatcher_for
from .attention_edits import MaskToken, PromptToPrompt, Reweight
from .dispatcher import Hook, HookContext, HookDispatcher
from .edits import Ablate, EditError, Edits, PatchFrom, Replace, Scale, edit, edited_points
from .patch_edits import LocalAttention, ShufflePositions
from .points import Point, PointFinder, PointTable, UnknownPointError
from .recorder import MemoryRefusedError, Recorder, record
from .recording import Recording

__all__ = ["Ablate", "EditError", "Edits", "Hook", "HookContext", "HookDispatcher", "LocalAttention", "MaskToken",
           "MemoryRefusedError", "PatchFrom", "Point", "PointFinder", "PointTable", "PromptToPrompt", "Recorder",
           "Recording", "Replace", "Reweight", "RunPlan", "Scale", "ShufflePositions", "UnknownPointError",
           "attached_to", "check_pipeline", "dispatcher_for", "edit", "edited_points", "record"]
