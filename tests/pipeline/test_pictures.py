"""Picture files as users have them: turned, transparent, of any shape, damaged, huge, or no pictures at all."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import explorable as ex
from explorable.pipeline import pictures
from explorable.pipeline.pictures import PictureError, fit_picture, read_picture

HALVES = np.zeros((20, 40, 3), np.uint8)
HALVES[:, :20] = (200, 30, 40)
HALVES[:, 20:] = (10, 60, 220)


def file_of(image, kind: str = "PNG", **more) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "more"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}),
                                            ("GIF", {})])
def test_every_lossless_format_gives_the_same_pixels(kind, more):
    np.testing.assert_array_equal(read_picture(file_of(HALVES, kind, **more)), HALVES)


def test_a_photograph_is_near_its_pixels(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(file_of(HALVES, "JPEG", quality=95))
    assert np.abs(read_picture(tmp_path / "photo.jpg").astype(int) - HALVES).mean() < 3


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied(turn):
    """Whatever way the camera was held, the picture reads as the scene was."""
    stored = {1: HALVES, 2: HALVES[:, ::-1], 3: HALVES[::-1, ::-1], 4: HALVES[::-1], 5: HALVES.transpose(1, 0, 2),
              6: np.rot90(HALVES), 7: np.rot90(HALVES[::-1]), 8: np.rot90(HALVES, -1)}[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    np.testing.assert_array_equal(read_picture(file_of(np.ascontiguousarray(stored), exif=exif)), HALVES)


def test_transparency_is_laid_on_white():
    clear = np.dstack([HALVES, np.zeros((20, 40), np.uint8)])
    assert (read_picture(file_of(clear)) == 255).all()
    half = np.dstack([np.zeros((20, 40, 3), np.uint8), np.full((20, 40), 128, np.uint8)])
    np.testing.assert_allclose(read_picture(file_of(half)), 127, atol=1)
    palette = Image.fromarray(HALVES).convert("P", palette=Image.Palette.ADAPTIVE)
    read = read_picture(file_of(palette, "GIF", transparency=palette.getpixel((0, 0))))
    assert (read[:, :20] == 255).all() and (read[:, 20:] == HALVES[:, 20:]).all()
    grey = Image.merge("LA", [Image.new("L", (40, 20), 10), Image.new("L", (40, 20), 0)])
    assert (read_picture(file_of(grey)) == 255).all()


def test_other_modes_become_rgb():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(20, 0)
    read = read_picture(file_of(Image.fromarray(ramp)))
    assert read.shape == (20, 256, 3) and read[0, 0].tolist() == [0] * 3 and read[0, -1].tolist() == [255] * 3
    assert (np.diff(read[0, :, 0].astype(int)) == 1).all()
    assert read_picture(file_of(Image.fromarray(HALVES).convert("1"))).shape == HALVES.shape
    assert read_picture(file_of(Image.fromarray(HALVES).convert("CMYK"), "TIFF")).shape == HALVES.shape


@settings(deadline=None, max_examples=30)
@given(st.integers(8, 90), st.integers(8, 90), st.integers(8, 64), st.integers(8, 64))
def test_the_middle_is_cropped_and_resized(height, width, out_height, out_width):
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    fitted = fit_picture(image, (out_height, out_width))
    assert fitted.shape == (out_height, out_width, 3) and not fitted[..., 1:].any()
    assert abs(fitted[..., 0].mean() - image[..., 0].mean()) < 12  # the middle of a ramp has the ramp's mean


def test_what_fits_already_is_the_same():
    assert fit_picture(HALVES, (20, 40)) is HALVES
    assert read_picture(file_of(HALVES), (16, 16)).shape == (16, 16, 3)


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.4", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(999)])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(PictureError, match="is no picture that can be read: choose a PNG, JPEG"):
        read_picture(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = file_of(noise, kind)
    with pytest.raises(PictureError, match=r"is damaged|is no picture"):
        read_picture(whole[: int(len(whole) * share)])


def png_header(width: int, height: int) -> bytes:
    """A PNG file that declares a size and has next to no data."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height", "message"), [
    (60_000, 60_000, "too many pixels: choose a picture of at most 100 million"),
    (10_001, 10_000, "10001 × 10000 pixels: choose a picture of at most 100 million"),
    (4, 4, "at least 8 pixels"), (8000, 10, "at most 20 times as long")])
def test_a_size_out_of_range_is_refused_by_the_header(width, height, message):
    with pytest.raises(PictureError, match=message):
        read_picture(png_header(width, height))


def test_a_huge_or_missing_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_FILE_MB", 0.001)
    (tmp_path / "huge.png").write_bytes(b"x" * 2000)
    for source in (tmp_path / "huge.png", b"x" * 2000):
        with pytest.raises(ex.PictureError, match=r"choose a file of at most 0.001 MB"):
            ex.read_picture(source)
    with pytest.raises(FileNotFoundError, match="no picture file at"):
        read_picture(tmp_path / "none.png")
