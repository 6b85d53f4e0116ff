"""2-D distributions with closed-form fields: velocity, score, denoiser and exact flow of any noise path."""

from .couplings import COUPLINGS, Pairs, marginal_field, sample_pairs
from .distributions import DISTRIBUTIONS, check_drawing, sample_distribution, word_points
from .field import Field, MixtureField, ideal_field, paired_field
from .flow import conditional_paths, conditional_position, conditional_velocity, exact_endpoints
from .guidance import (
    CLASSES,
    GridDensity,
    GuidedField,
    guided_field,
    sample_classes,
    sharpened_density,
    with_scale,
)
from .trajectories import SOLVERS, EndpointErrors, Trajectories, endpoint_errors, integrate

__all__ = ["CLASSES", "COUPLINGS", "DISTRIBUTIONS", "SOLVERS", "EndpointErrors", "Field", "GridDensity",
           "GuidedField", "MixtureField", "Pairs", "Trajectories", "check_drawing", "conditional_paths",
           "conditional_position", "conditional_velocity", "endpoint_errors", "exact_endpoints",
           "guided_field", "ideal_field", "integrate", "marginal_field", "paired_field",
           "sample_classes", "sample_distribution", "sample_pairs", "sharpened_density",
           "with_scale", "word_points"]
