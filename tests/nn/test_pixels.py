"""Bytes to numbers and back."""

from __future__ import annotations

import numpy as np
import torch

from explorable.nn.pixels import to_images, to_tensor


def test_bytes_are_restored_exactly():
    images = np.arange(256 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)
    numbers = to_tensor(images)
    assert numbers.shape == (1, 3, 16, 16) and (numbers.min(), numbers.max()) == (-1, 1)
    assert np.array_equal(to_images(numbers), images)


def test_values_out_of_range_are_clipped():
    beyond = torch.tensor([-9.0, 9.0]).view(2, 1, 1, 1).expand(-1, 3, 2, 2)
    assert to_images(beyond)[:, 0, 0, 0].tolist() == [0, 255]
