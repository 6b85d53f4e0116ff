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
from .stochastic import integrate_ddim, make_noise_sampler, sample_field, sliced_distance
from .trajectories import (
    SOLVERS,
    EndpointErrors,
    Trajectories,
    endpoint_errors,
    integrate,
    interpolate_steps,
    velocity_arrows,
)
from .walks import SEEDS, WALKS_PER_SEED, walk_errors, with_interval

__all__ = ["CLASSES", "COUPLINGS", "DISTRIBUTIONS", "SEEDS", "SOLVERS", "WALKS_PER_SEED", "EndpointErrors", "Field",
           "GridDensity", "GuidedField", "MixtureField", "Pairs", "Trajectories", "check_drawing", "conditional_paths",
           "conditional_position", "conditional_velocity", "endpoint_errors", "exact_endpoints",
           "guided_field", "ideal_field", "integrate", "integrate_ddim", "interpolate_steps", "make_noise_sampler",
           "marginal_field", "paired_field", "sample_classes", "sample_distribution", "sample_field",
           "sample_pairs", "sharpened_density", "sliced_distance", "velocity_arrows", "walk_errors",
           "with_interval", "with_scale", "word_points"]
