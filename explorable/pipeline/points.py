"""Which of a pipeline's points a run passes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..hooks import Point, PointTable

GUIDANCE_POINT, CLASSIFIER_POINTS, ENCODER_POINTS = "sampler.difference", "classifier.", "vae.encoder."
OPTIONAL_POINTS = {  # how their names begin, and which runs pass them
    GUIDANCE_POINT: "only a run with a guidance scale other than 0 and 1 compares two branches",
    CLASSIFIER_POINTS: "only a run with a target uses the classifier: pipe(prompt, target=…, classifier_scale=…)",
    ENCODER_POINTS: "only pipe.inspect(image, prompt) and pipe(prompt, image=…) encode an image",
}


def point_table(points: Sequence[Point], steps: int, passed: Collection[str]) -> PointTable:
    """Return the table of a run. passed: the keys of OPTIONAL_POINTS that it passes besides the points of every run."""
    others = {prefix: reason for prefix, reason in OPTIONAL_POINTS.items() if prefix not in passed}
    reasons = {p.name: reason for p in points for prefix, reason in others.items() if p.name.startswith(prefix)}
    return PointTable((p for p in points if p.name not in reasons), steps, reasons)
