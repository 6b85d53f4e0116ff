"""Images that a pipeline's own safety checker has blocked."""

from __future__ import annotations

from collections.abc import Sequence

from ..diffusion.settings import SettingError


class BlockedImageError(SettingError):
    """The pipeline's own safety checker blocked the image: neither it nor the steps towards it are returned."""


def check_not_blocked(blocked: Sequence[bool]) -> None:
    """Refuse images of which the safety checker blocked some.

    Raises:
        BlockedImageError: says which, where there are several.
    """
    found = [str(k) for k, is_blocked in enumerate(blocked) if is_blocked]
    if found:
        which = "this image" if len(blocked) == 1 else f"of these {len(blocked)} images number {', '.join(found)}"
        raise BlockedImageError(f"the pipeline's safety checker blocked {which}, so there is nothing to show: choose "
                                "another prompt or seed. If it is mistaken, load the pipeline with "
                                "safety_checker=None, requires_safety_checker=False")
