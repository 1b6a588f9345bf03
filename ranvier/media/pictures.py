"""Drawing thumbnails, with Pillow: computes for long, so it is for threads.

Spec: client-server API, "Thumbnails". What a file claims to be is not believed: its head is read, and pictures of too many
pixels, or of a form that is not listed here, are refused before anything is decoded.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Literal

Picture = Any
"""A `PIL.Image.Image`: the library is an extra, and not there everywhere."""

Method = Literal["crop", "scale"]

TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}
"""The forms that are read."""
MAX_FRAMES: Final = 200
_ROTATED: Final = frozenset({5, 6, 7, 8})
_ORIENTATION: Final = 0x0112
_JPEG_QUALITY: Final = 80


class NoPicture(Exception):
    """It is none, or is broken."""


class TooManyPixels(Exception):
    """It would take too much memory."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the head of a file says."""

    width: int
    height: int
    content_type: str
    is_animated: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """A thumbnail."""

    content: bytes
    content_type: str


def can_draw() -> bool:
    """Whether what draws is installed."""
    return find_spec("PIL") is not None


def look_at(path: str, *, max_pixels: int) -> Seen:
    """What a picture is. Raises `NoPicture`, `TooManyPixels`."""
    with _opened(path, max_pixels) as image:
        width, height = _upright(image)
        is_animated = bool(getattr(image, "is_animated", False))
        return Seen(width, height, TYPES[image.format or ""], is_animated)


def draw(path: str, width: int, height: int, method: Method, *, animated: bool, max_pixels: int) -> Drawn:
    """A thumbnail in (`scale`) or of (`crop`) this size, never larger than the picture. Raises as `look_at`."""
    from PIL import Image, ImageOps

    with _opened(path, max_pixels) as image:
        try:
            if animated and getattr(image, "is_animated", False):
                return _moving(image, width, height, method)
            # JPEGs are decoded at a fraction of their size, if that is enough.
            turned = _upright(image) != image.size
            image.draft("RGB", (height * 2, width * 2) if turned else (width * 2, height * 2))
            upright = ImageOps.exif_transpose(image)
            has_holes = upright.has_transparency_data
            small = _fitted(upright.convert("RGBA" if has_holes else "RGB"), width, height, method)
            out = io.BytesIO()
            if has_holes or image.format == "PNG":
                small.save(out, "PNG")
                return Drawn(out.getvalue(), "image/png")
            small.save(out, "JPEG", quality=_JPEG_QUALITY, progressive=True)
            return Drawn(out.getvalue(), "image/jpeg")
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise NoPicture(str(error)) from error


def _opened(path: str, max_pixels: int) -> Picture:
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(path, formats=tuple(TYPES))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, TypeError) as error:
        raise NoPicture(str(error)) from error
    if image.width * image.height > max_pixels:
        image.close()
        raise TooManyPixels
    return image


def _upright(image: Picture) -> tuple[int, int]:
    """The size as it is to be seen."""
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except (OSError, ValueError, SyntaxError, TypeError):
        orientation = None
    width, height = image.size
    return (height, width) if orientation in _ROTATED else (width, height)


def _fitted(image: Picture, width: int, height: int, method: Method) -> Picture:
    from PIL import Image

    if method == "scale":
        factor = min(1.0, width / image.width, height / image.height)
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    # The largest part of the wanted shape, from the middle; as it is if the picture is smaller.
    shape = width / height
    part_width, part_height = min(image.width, image.height * shape), min(image.height, image.width / shape)
    left, top = (image.width - part_width) / 2, (image.height - part_height) / 2
    factor = min(1.0, width / part_width)
    size = (max(1, round(part_width * factor)), max(1, round(part_height * factor)))
    box = (left, top, left + part_width, top + part_height)
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def _moving(image: Picture, width: int, height: int, method: Method) -> Drawn:
    """All of its frames, or those at the beginning."""
    durations: list[int] = []
    loop = image.info.get("loop", 0)

    def frames() -> Iterator[Picture]:
        for number in range(min(getattr(image, "n_frames", 1), MAX_FRAMES)):
            image.seek(number)
            durations.append(int(image.info.get("duration", 100) or 100))
            yield _fitted(image.convert("RGBA"), width, height, method)

    first, *others = list(frames())
    out = io.BytesIO()
    first.save(out, "WEBP", save_all=True, append_images=others, duration=durations, loop=int(loop or 0), quality=70)
    return Drawn(out.getvalue(), "image/webp")
