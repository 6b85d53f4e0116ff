"""Read a picture file of the user's, and fit it to the images of a pipeline."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..diffusion.settings import SettingError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_FILE_MB, MAX_MEGAPIXELS = 30, 100  # of a picture file
MIN_SIDE, MAX_ASPECT = 8, 20  # pixels; longer side / shorter side
WHITE = (255, 255, 255)


class PictureError(SettingError):
    """A picture file that cannot be read, or is too large."""


def read_picture(source: str | Path | bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a picture file as an image (height, width, 3) uint8, upright as its EXIF data say, transparency on white.

        run = pipe("a red car", image=ex.read_picture("photo.jpg", pipe.image_size), strength=0.6)

    Args:
        source: a path, or the bytes of a file: PNG, JPEG, WebP, GIF (its first frame), BMP or TIFF.
        size: height and width to fit it to, as `fit_picture` does; None: its own.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: the file is no picture, damaged, or larger than 30 MB or 100 million pixels.
    """
    name, data = ("this file", source) if isinstance(source, bytes) else (Path(source).name, _read_file(Path(source)))
    if len(data) > MAX_FILE_MB * 1e6:
        raise _too_large(name, len(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which are not used; the size is checked below
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(name, *picture.size)
            image = _upright_rgb(picture)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(name, "too many pixels") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is no picture that can be read: choose a {', '.join(FORMATS[:-1])} or "
                           f"{FORMATS[-1]} file") from error
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        reason = " ".join(str(error).split())[:80]
        raise PictureError(f"{name} is damaged and cannot be read ({reason}): save it again, or choose "
                           "another") from error
    return image if size is None else fit_picture(image, size)


def fit_picture(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Crop the middle of an image (…, …, 3) uint8 to the shape of `size`, height and width, and resize it to that."""
    if image.shape[:2] == tuple(size):
        return image
    height, width = size
    return np.asarray(ImageOps.fit(Image.fromarray(image), (width, height), Image.Resampling.LANCZOS))


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"there is no picture file at {path}")
    if path.stat().st_size > MAX_FILE_MB * 1e6:
        raise _too_large(path.name, path.stat().st_size)
    return path.read_bytes()


def _too_large(name: str, size: int) -> PictureError:
    return PictureError(f"{name} has {size / 1e6:.0f} MB: choose a file of at most {MAX_FILE_MB} MB")


def _too_many_pixels(name: str, size: str) -> PictureError:
    return PictureError(f"{name} has {size}: choose a picture of at most {MAX_MEGAPIXELS} million")


def _check_size(name: str, width: int, height: int) -> None:
    """Refuse a picture by the size that its header declares, before memory is allocated for it."""
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise _too_many_pixels(name, f"{width} × {height} pixels")
    short, long = sorted((width, height))
    if short < MIN_SIDE or long > MAX_ASPECT * short:
        raise PictureError(f"{name} has {width} × {height} pixels: choose a picture of at least {MIN_SIDE} pixels a "
                           f"side, at most {MAX_ASPECT} times as long as wide")


def _upright_rgb(picture: Image.Image) -> np.ndarray:
    """Decode a picture, turn it as its EXIF data say, and lay it on white."""
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):  # 16 or 32 bits: bring what is there to 8
        values = np.asarray(picture, dtype=np.float64)
        full = 65535 if picture.mode.startswith("I") else max(float(np.nan_to_num(values).max()), 1.0)
        picture = Image.fromarray(np.clip(np.nan_to_num(values) * 255 / full, 0, 255).round().astype(np.uint8))
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    rgba = picture.convert("RGBA")
    ground = Image.new("RGBA", rgba.size, (*WHITE, 255))
    return np.asarray(Image.alpha_composite(ground, rgba).convert("RGB"))
