"""Images one by one: what is decoded, and what is refused before it is decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from denselab.data.cifar10.images import IMAGE_LIMIT, decode_images
from denselab.errors import DataError, UnsafeFileError

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def decode(data, name="cat/1"):
    return decode_images([(name, data)], 1)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth=8, colour=2):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(bytes(height * (1 + width * 6)) if height < 100 else b"")
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_png_gives_back_the_very_pixels(encode):
    images, jpeg = decode(encode(PIXELS, "PNG"), "1.png")
    assert images.dtype == np.uint8
    assert (images[0] == PIXELS).all()
    assert not jpeg


def test_jpeg_is_told_from_its_bytes(encode):
    _, jpeg = decode(encode(PIXELS, "JPEG"))
    assert jpeg


def test_images_keep_their_order(encode):
    shades = [np.full((32, 32, 3), shade, np.uint8) for shade in range(5)]
    images, _ = decode_images([(str(i), encode(x, "PNG")) for i, x in enumerate(shades)], 5)
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def changed(mode):
    return np.asarray(Image.fromarray(PIXELS).convert(mode))


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def transparent_png():
    packed = io.BytesIO()
    Image.fromarray(PIXELS).save(packed, "PNG", transparency=(1, 2, 3))
    return packed.getvalue()


def cmyk_jpeg():
    packed = io.BytesIO()
    Image.fromarray(PIXELS).convert("CMYK").save(packed, "JPEG")
    return packed.getvalue()


def animated(kind):
    packed = io.BytesIO()
    frames = [Image.fromarray(np.roll(PIXELS, i, 0)) for i in range(3)]
    frames[0].save(packed, kind, save_all=True, append_images=frames[1:])
    return packed.getvalue()


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        pytest.param(lambda e: b"", "no readable PNG or JPEG; get it again", id="empty"),
        pytest.param(lambda e: b"junk" * 99, "no readable PNG or JPEG; get it again", id="junk"),
        pytest.param(lambda e: e(PIXELS, "PNG")[:-600], "no readable PNG or JPEG", id="cut PNG"),
        pytest.param(lambda e: e(PIXELS, "JPEG")[:-300], "no readable PNG or JPEG", id="cut JPEG"),
        pytest.param(
            lambda e: e(PIXELS[:16], "PNG"), "32 x 16 pixels, expected 32 x 32", id="flat"
        ),
        pytest.param(lambda e: e(changed("L"), "PNG"), "of kind L, expected RGB", id="grey"),
        pytest.param(lambda e: e(changed("RGBA"), "PNG"), "of kind RGBA, expected RGB", id="alpha"),
        pytest.param(lambda e: cmyk_jpeg(), "of kind CMYK, expected RGB", id="CMYK"),
        pytest.param(lambda e: transparent_png(), "without transparency", id="transparent colour"),
        pytest.param(lambda e: png(32, 32, depth=16), "16 bits a channel, expected 8", id="16 bit"),
        pytest.param(lambda e: e(PIXELS, "BMP"), "no readable PNG or JPEG", id="BMP"),
        pytest.param(lambda e: animated("GIF"), "no readable PNG or JPEG", id="animated GIF"),
        pytest.param(lambda e: animated("PNG"), "several frames, expected one", id="animated PNG"),
        pytest.param(lambda e: animated("MPO"), "several frames, expected one", id="several JPEGs"),
        pytest.param(lambda e: e(PIXELS, "JPEG", exif=turned()), "EXIF orientation", id="turned"),
    ],
)
def test_an_image_that_is_no_cifar10_image_is_refused_by_name(encode, make, remedy):
    with pytest.raises(DataError, match=f"^cat/1 .*{remedy}") as refused:
        decode(make(encode))
    assert "0x" not in str(refused.value)


@pytest.mark.parametrize(("kind", "name"), [("PNG", "1.jpg"), ("JPEG", "1.PNG")])
def test_an_image_under_another_ending_is_refused(encode, kind, name):
    with pytest.raises(
        DataError, match=f"is a {kind} under another name, expected what its ending"
    ):
        decode(encode(PIXELS, kind), name)


@pytest.mark.parametrize("side", [5_000, 12_000, 50_000])
def test_an_image_of_far_too_many_pixels_is_refused_undecoded(side):
    with pytest.raises(UnsafeFileError, match="far too many pixels"):
        decode(png(side, side))


def test_a_file_of_far_too_many_bytes_is_refused_unopened():
    with pytest.raises(UnsafeFileError, match="too many for 32 x 32 pixels"):
        decode(bytes(IMAGE_LIMIT + 1))
