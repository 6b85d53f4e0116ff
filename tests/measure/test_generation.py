"""Images in batches: in the order of their prompts and seeds."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure.generation import drawn, generated_by, image_grid, images_of


def labelled(prompts: list[str], seeds: list[int]) -> np.ndarray:
    """Images that say what they are of: (length of the prompt, seed, size of the batch)."""
    return np.array([[[[len(p), s, len(prompts)]]] for p, s in zip(prompts, seeds, strict=True)], np.uint8)


def test_batches_are_joined_in_order():
    images = images_of(labelled, ["a", "bb", "ccc"], [3, 2, 1], batch_size=2)
    assert images[:, 0, 0].tolist() == [[1, 3, 2], [2, 2, 2], [3, 1, 1]]


def test_a_grid_has_every_prompt_with_every_seed():
    grid = image_grid(labelled, ["a", "bb"], (5, 6, 7))
    assert grid.shape[:2] == (2, 3) and grid[..., 0, 0, :2].tolist() == [
        [[1, 5], [1, 6], [1, 7]], [[2, 5], [2, 6], [2, 7]]]


def test_a_drawing_depends_on_its_seed():
    one, other, again = drawn(["a red car"] * 3, [0, 1, 0])
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_bad_settings_are_refused_before_the_first_image(pipe):
    with pytest.raises(ValueError, match="steps is 0"):
        generated_by(pipe, 0, 4.0)
    assert generated_by(pipe, 1, 1.0)(["a red car"], [0]).shape == (1, 128, 128, 3)
