"""What an offline file keeps of a recording: pictures without loss while they fit, and no more than fits."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from explorable.widgets.core import offline
from explorable.widgets.stage.layers import Axis, Heatmap, Images
from explorable.widgets.stage.stage import BYTES_PREFIX, Stage


def unpacked(kept: dict) -> np.ndarray:
    """The frames of a layer, one below the other, as a browser decodes them."""
    sheets = [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for _, text in kept["sheets"]]
    return np.concatenate(sheets)


@pytest.fixture
def stage():
    """Two rows of pictures, smooth as decoded ones are, one with a further axis; and a map."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (20, 2, 16, 16, 3)).astype(np.uint8)
    tiles = rng.integers(0, 255, (20, 2, 5, 5, 3)).astype(np.uint8)
    made = Stage()
    made.show(
        [
            Images("seen", "Seen", coarse[:, 0].repeat(8, 1).repeat(8, 2)),
            Images("tiles", "Tiles", tiles, axes=("frame", "of")),
            Heatmap("heatmap", "Map", rng.random((20, 4, 4))),
        ],
        [str(k) for k in range(20)],
        axes=[Axis("of", "of", ("a", "b"))],
    )
    yield made
    made.close()


def test_pictures_are_kept_to_the_last_bit(stage: Stage):
    found, quality = offline.pack_layers(stage)
    assert quality is None and "JPEG" not in offline.offline_page("?", stage, "", "", "", "").split("<script")[0]
    for name in ("seen", "tiles"):
        assert unpacked(found[BYTES_PREFIX + name]).tobytes() == getattr(stage, BYTES_PREFIX + name)
        assert found[BYTES_PREFIX + name]["size"] == len(getattr(stage, BYTES_PREFIX + name))
    assert isinstance(found[f"{BYTES_PREFIX}heatmap"], str)


def test_what_would_be_too_large_is_kept_with_a_little_loss_and_said(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    noise = np.random.default_rng(1).normal(0, 6, (20, 128, 128, 3))
    frames = np.frombuffer(getattr(stage, f"{BYTES_PREFIX}seen"), np.uint8).reshape(noise.shape)
    grainy = np.clip(frames + noise, 0, 255).astype(np.uint8)
    stage.show([Images("seen", "Seen", grainy), Heatmap("heatmap", "Map", np.zeros((20, 4, 4)))], stage.captions)
    exact, _ = offline.pack_layers(stage)
    monkeypatch.setattr(offline, "MAX_BYTES", sum(map(offline._size, exact.values())) * 3 // 4)
    found, quality = offline.pack_layers(stage)
    assert sum(map(offline._size, found.values())) <= offline.MAX_BYTES and quality in offline.JPEG_QUALITIES
    back = unpacked(found[f"{BYTES_PREFIX}seen"]).reshape(grainy.shape).astype(float)
    assert np.array_equal(back[-1], grainy[-1]), "the finished picture loses nothing"
    assert 0 < np.square(back - grainy).mean() ** 0.5 < 6
    assert f"stored as JPEG of quality {quality}" in offline.offline_page("?", stage, "", "", "", "")


def test_a_saved_page_says_its_settings_and_what_its_sentence_is_of(stage: Stage):
    stage.frame, stage.selection = 3, {"of": 1}
    settings = {"prompt": "a <red> car", "seed": 0, "word": None}
    page = offline.offline_page("?", stage, "", "", "", "", settings, "<svg/>")
    assert "prompt: a &lt;red&gt; car · seed: 0</p>" in page
    assert "This sentence and this score are of: 3, of b." in page
    assert f'src="data:image/svg+xml;base64,{base64.b64encode(b"<svg/>").decode()}"' in page


def test_a_saved_page_has_no_panel_that_waits_for_a_kernel(stage: Stage):
    stage.panels = [panel | {"interaction": "brush"} for panel in stage.panels]
    page = offline.offline_page("?", stage, "", "", "", "")
    assert '"interaction": ""' in page and '"interaction": "brush"' not in page
