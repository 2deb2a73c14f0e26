"""From the bytes of one picture to upright pixels of 8 bits, grey or coloured."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from denselab.data.images.opening import depth, opened
from denselab.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decoded", "resized"]

_FORMATS = ("PNG", "JPEG", "BMP")
_MOST_PIXELS = 2**26
"""A photograph of 67 megapixels; it takes 200 MB while it is decoded."""

_GREY, _COLOURED = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA")
_OPAQUE = 255


def decoded(data: bytes, name: str, *, side: int | None = None) -> UInt8[np.ndarray, "y x channel"]:
    """Decodes a picture: turned as its EXIF orientation says, without an alpha that hides nothing.

    Args:
        data: The bytes of a PNG, JPEG or BMP.
        name: What messages call it.
        side: Pixels of the square to bring it to; None leaves its size.

    Returns:
        Its pixels with one channel if it is grey, else red, green and blue.

    Raises:
        DataError: If it is damaged, animated, in CMYK or 16 bits, or partly transparent.
        UnsafeFileError: If it has so many pixels that decoding it could exhaust the memory.
    """
    from PIL import ImageOps

    with opened(data, name, formats=_FORMATS, pixels=_MOST_PIXELS) as image:
        if (bits := depth(data, str(image.format))) > 8 or image.mode not in (*_GREY, *_COLOURED):
            kind = f"{bits} bits a channel" if bits > 8 else f"colours of kind {image.mode}"
            raise DataError(
                f"{name} has {kind}; convert it to RGB or grey of 8 bits a channel, as PNG"
            )
        if side is not None and image.format == "JPEG":
            image.draft(None, (2 * side, 2 * side))  # Decodes a large photograph at a fraction.
        grey = image.mode in _GREY
        upright = _opaque(ImageOps.exif_transpose(image), name).convert("L" if grey else "RGB")
    pixels = np.asarray(upright if side is None else resized(upright, side))
    return pixels[:, :, None] if grey else pixels


def resized(image: "Image", side: int) -> "Image":
    """Cuts the largest square out of the middle of a picture and brings it to a size.

    Args:
        image: The picture.
        side: Pixels of a side.

    Returns:
        A square; made smaller by averaging, so that nothing flickers.
    """
    from PIL import Image, ImageOps

    if image.size == (side, side):
        return image
    method = Image.Resampling.BOX if min(image.size) > side else Image.Resampling.BICUBIC
    return ImageOps.fit(image, (side, side), method)


def _opaque(image: "Image", name: str) -> "Image":
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
        if alpha.min() < _OPAQUE:
            raise DataError(
                f"{name} is transparent in part; lay all pictures on one background and save them "
                "without alpha"
            )
    return image
