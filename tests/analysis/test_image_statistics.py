"""Saturation, clipping and diversity, where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.analysis.image_statistics import clipped_share, diversity, saturation
from explorable.analysis.verdict import examiner_features


def plain(*colour: int) -> np.ndarray:
    return np.full((1, 4, 4, 3), colour, np.uint8)


@pytest.mark.parametrize(("colour", "expected"), [((90, 90, 90), 0), ((0, 0, 0), 0), ((255, 255, 255), 0),
                                                  ((255, 0, 0), 1), ((0, 7, 7), 1), ((200, 100, 150), 0.5)])
def test_saturation_of_a_colour(colour, expected):
    assert saturation(plain(*colour)) == expected


def test_saturation_does_not_change_with_brightness():
    image = np.random.default_rng(0).integers(0, 64, (2, 8, 8, 3)).astype(np.uint8)
    assert saturation(image) == saturation(3 * image)


@pytest.mark.parametrize(("colour", "expected"), [((1, 254, 7), 0), ((0, 9, 9), 1), ((9, 255, 9), 1)])
def test_a_pixel_is_clipped_if_any_channel_is(colour, expected):
    assert clipped_share(plain(*colour)) == expected
    assert clipped_share(np.concatenate([plain(*colour), plain(5, 6, 7)])) == expected / 2


def test_diversity_is_the_mean_distance_of_two():
    apart = np.array([[[0.0, 0.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])  # (prompts, seeds, width)
    np.testing.assert_allclose(diversity(apart), [5, 0])
    corners = np.eye(4)[None]  # four seeds, all sqrt(2) apart
    np.testing.assert_allclose(diversity(corners), [np.sqrt(2)])


def test_identical_images_have_no_diversity(examiner):
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    same = np.stack([image, image])[None]
    assert diversity(examiner_features(same, examiner)) == 0
    assert diversity(examiner_features(np.stack([image, image[::-1]])[None], examiner)) > 0


def test_features_keep_the_leading_axes(examiner):
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 128, 128, 3)).astype(np.uint8)
    seen = examiner_features(images, examiner)
    assert seen.shape == (2, 3, examiner.config.widths[1])
    np.testing.assert_allclose(seen[1, 2], examiner_features(images[1, 2][None], examiner)[0], rtol=1e-5, atol=1e-6)
