"""Opens one picture with limits: known formats, bounded pixels, and one line for whatever goes wrong."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING

from denselab.errors import DataError, DenselabError, UnsafeFileError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["ENDINGS", "depth", "opened"]

ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
"""Format of a file by its ending; others are not read."""

_DEPTH_BYTE = 24  # Where a PNG tells its bits a channel; Pillow cuts 16 to 8 without a word.
_SHOWN = 200


@contextmanager
def opened(
    data: bytes, name: str, *, formats: tuple[str, ...], pixels: int
) -> "Iterator[ImageFile]":
    """Opens a picture that is what its ending says and can be decoded without harm.

    Pillow is offered the formats that are wanted and no other of its dozens; the pixels are counted
    before any is decoded.

    Args:
        data: The bytes of the file.
        name: What messages call it; its ending is held against what it holds, if it is known.
        formats: Of "PNG", "JPEG" and "BMP", those that are read.
        pixels: Most pixels that are decoded.

    Yields:
        The picture, not decoded yet.

    Raises:
        DataError: If it is damaged, has several frames, or is another format than its ending says.
        UnsafeFileError: If it has more pixels.
    """
    from PIL import Image, UnidentifiedImageError

    kinds = " or ".join((", ".join(formats[:-1]), formats[-1]) if len(formats) > 1 else formats)
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check(image, name, pixels)
            yield image
    except DenselabError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnsafeFileError(f"{name} has far too many pixels ({error}); remove it") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise all kinds of errors on damaged data.
        known = isinstance(error, UnidentifiedImageError)
        reason = "" if known else f" ({' '.join(str(error).split())[:_SHOWN]})"
        raise DataError(
            f"{name} is no readable {kinds}{reason}; get it again, or convert it to PNG"
        ) from error


def depth(data: bytes, kind: str) -> int:
    """Tells the bits a channel of a picture that was opened.

    Args:
        data: The bytes of the file.
        kind: Its format.

    Returns:
        What a PNG says; 8 for the others.

    Example:
        >>> depth(b"...", "JPEG")
        8
    """
    return data[_DEPTH_BYTE] if kind == "PNG" else 8


def _check(image: "ImageFile", name: str, pixels: int) -> None:
    if image.width * image.height > pixels:
        raise UnsafeFileError(
            f"{name} has {image.width} x {image.height} pixels, far too many pixels; remove it"
        )
    if getattr(image, "is_animated", False):
        raise DataError(
            f"{name} is a {image.format} with several frames, expected one picture; keep one of them"
        )
    if ENDINGS.get(PurePath(name).suffix.lower(), image.format) != image.format:
        raise DataError(
            f"{name} is a {image.format} under another name, expected what its ending says; rename it"
        )
