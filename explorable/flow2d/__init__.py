"""Point worlds: targets in the plane whose every field, score and path is known in closed form."""

from .couplings import COUPLINGS, Pairs, marginal, pairs
from .distributions import WORLDS, drawn, word, world_points
from .field import Mixture, ideal, tubes
from .flow import Path, conditional, conditional_paths, conditional_velocity, exact_flow
from .scores import Errors, detour, endpoint_errors, straightness
from .trajectories import SOLVERS, Walk, laboratory, uniform, walk

__all__ = ["COUPLINGS", "SOLVERS", "WORLDS", "Errors", "Mixture", "Pairs", "Path", "Walk", "conditional",
           "conditional_paths", "conditional_velocity", "detour", "drawn", "endpoint_errors", "exact_flow", "ideal",
           "laboratory", "marginal", "pairs", "straightness", "tubes", "uniform", "walk", "word", "world_points"]
