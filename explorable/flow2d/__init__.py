"""2-D distributions with closed-form fields: velocity, score, denoiser and exact flow of any noise path."""

from .couplings import COUPLINGS, Pairs, marginal_field, sample_pairs
from .distributions import DISTRIBUTIONS, normalize_drawing, sample_distribution, word_points
from .field import MixtureField, ideal_field, paired_field
from .flow import conditional_paths, conditional_position, conditional_velocity, exact_endpoints
from .trajectories import SOLVERS, EndpointErrors, Trajectories, endpoint_errors, integrate

__all__ = ["COUPLINGS", "DISTRIBUTIONS", "SOLVERS", "EndpointErrors", "MixtureField", "Pairs", "Trajectories",
           "conditional_paths", "conditional_position", "conditional_velocity", "endpoint_errors", "exact_endpoints",
           "ideal_field", "integrate", "marginal_field", "normalize_drawing", "paired_field", "sample_distribution",
           "sample_pairs", "word_points"]
