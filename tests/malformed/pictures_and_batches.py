"""Cases 43 to 55: image folders and copies of CIFAR-10."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

TRAIN = "train pets"
CIFAR = "data info cifar10 --data-dir cifar"

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def pets(folder: Path, part: str = ".") -> None:
    """Dark cats and light dogs, twenty of each."""
    for row in range(40):
        shade = PIXELS // 2 + (0, 128)[row % 2]
        save(
            folder / "pets" / part / ("cat", "dog")[row % 2] / f"{row:02}.png", np.roll(shade, row)
        )


def with_picture(name: str, make: Callable[[], bytes]):
    def build(folder: Path) -> None:
        pets(folder)
        (folder / "pets" / "cat" / name).write_bytes(make())

    return build


def encoded(mode: str, kind: str, **options: object) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(packed, kind, **options)
    return packed.getvalue()


def deep_png() -> bytes:
    packed = io.BytesIO()
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(packed, "PNG")
    return packed.getvalue()


def half_transparent() -> bytes:
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putalpha(128)
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def animated(kind: str) -> bytes:
    packed = io.BytesIO()
    frames = [Image.fromarray(np.roll(PIXELS, i, 0)) for i in range(3)]
    frames[0].save(packed, kind, save_all=True, append_images=frames[1:])
    return packed.getvalue()


def empty_class(folder: Path) -> None:
    pets(folder)
    (folder / "pets" / "emu").mkdir()


def mixed_sizes(folder: Path) -> None:
    pets(folder)
    save(folder / "pets" / "dog" / "99.png", PIXELS[:, :6])


def loop_of_files(folder: Path) -> None:
    pets(folder)
    (folder / "pets" / "cat" / "a.png").symlink_to("b.png")
    (folder / "pets" / "cat" / "b.png").symlink_to("a.png")


def loop_of_folders(folder: Path) -> None:
    pets(folder)
    (folder / "pets" / "cat" / "back").symlink_to("..")


def class_that_is_its_parent(folder: Path) -> None:
    pets(folder)
    (folder / "pets" / "emu").symlink_to(".")


def unseen_test_class(folder: Path) -> None:
    for part in ("train", "test"):
        pets(folder, part)
    save(folder / "pets" / "test" / "emu" / "1.png", PIXELS)


def litter(folder: Path) -> None:
    pets(folder)
    for place in (".", "cat", "dog"):
        (folder / "pets" / place / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (folder / "pets" / place / "Thumbs.db").write_bytes(b"litter")


def batches(*, missing: str = "", row: int = 3073, label: int = 0):
    """The official binary files in full size, 10,000 rows of one label each, with one fault."""

    def build(folder: Path) -> None:
        place = folder / "cifar" / "cifar-10-batches-bin"
        place.mkdir(parents=True)
        names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
        for name in names:
            if name == missing:
                continue
            bad = name == names[0]
            record = bytes([label if bad else 1]) + bytes((row if bad else 3073) - 1)
            with (place / name).open("wb") as file:
                file.write(record * 10_000)

    return build


def archive(folder: Path) -> None:
    """An archive that ends in the middle of a member."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        member.size = 30_730_000
        tar.addfile(member, io.BytesIO(np.random.default_rng(0).bytes(30_730_000)))
    (folder / "cifar").mkdir()
    whole = gzip.compress(packed.getvalue(), 0)
    (folder / "cifar" / "cifar-10-binary.tar.gz").write_bytes(whole[: len(whole) // 2])


CASES = (
    (
        14,
        "unseen test class, pictures",
        TRAIN,
        2,
        "emu is a class that no training",
        unseen_test_class,
    ),
    (
        43,
        "truncated JPEG",
        TRAIN,
        2,
        "cat/99.jpg is no readable",
        with_picture("99.jpg", lambda: encoded("RGB", "JPEG", quality=95)[:-60]),
    ),
    (
        44,
        "PNG with another extension",
        TRAIN,
        2,
        "cat/99.jpg is a PNG under another name",
        with_picture("99.jpg", lambda: encoded("RGB", "PNG")),
    ),
    (
        45,
        "CMYK",
        TRAIN,
        2,
        "cat/99.jpg has colours of kind CMYK",
        with_picture("99.jpg", lambda: encoded("CMYK", "JPEG")),
    ),
    (45, "16 bits", TRAIN, 2, "cat/99.png has 16 bits a channel", with_picture("99.png", deep_png)),
    (
        45,
        "alpha",
        TRAIN,
        2,
        "cat/99.png is transparent in part",
        with_picture("99.png", half_transparent),
    ),
    (
        47,
        "animated GIF",
        TRAIN,
        2,
        "cat/99.gif is no PNG, JPEG or BMP",
        with_picture("99.gif", lambda: animated("GIF")),
    ),
    (
        47,
        "animated GIF named PNG",
        TRAIN,
        2,
        "cat/99.png is no readable PNG",
        with_picture("99.png", lambda: animated("GIF")),
    ),
    (
        47,
        "animated PNG",
        TRAIN,
        2,
        "a PNG with several frames",
        with_picture("99.png", lambda: animated("PNG")),
    ),
    (48, "empty class folder", TRAIN, 2, "emu holds no picture", empty_class),
    (
        49,
        "mixed sizes",
        TRAIN,
        2,
        "99.png has 6 x 8 pixels and .* 8 x 8; give --image-size",
        mixed_sizes,
    ),
    (50, "symlink loop of files", TRAIN, 2, "cat/a.png .*Too many levels", loop_of_files),
    (50, "symlink loop of folders", TRAIN, 2, "cat/back is no PNG, JPEG or BMP", loop_of_folders),
    (
        50,
        "symlink to its own folder",
        TRAIN,
        2,
        "emu/cat is no PNG, JPEG or BMP",
        class_that_is_its_parent,
    ),
    (
        52,
        "CIFAR batch missing",
        CIFAR,
        2,
        "data_batch_4.bin is missing",
        batches(missing="data_batch_4.bin"),
    ),
    (53, "CIFAR row of 3,071 bytes", CIFAR, 2, "data_batch_1.bin", batches(row=3071)),
    (54, "label 10", CIFAR, 2, "label 10, expected 0 to 9", batches(label=10)),
    (55, "truncated tar.gz", CIFAR, 2, "cifar-10-binary.tar.gz", archive),
)


def turned(folder: Path) -> None:
    """Dark cats and light dogs to be turned; tests/data/images looks at every pixel of one."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for row in range(40):
        pixels = np.full((8, 8, 3), 255 * (row % 2), np.uint8)
        save(folder / "pets" / ("cat", "dog")[row % 2] / f"{row:02}.jpg", pixels, exif=exif)


WORKS = (
    (46, "EXIF rotation", "pets", turned),
    (51, ".DS_Store", "pets", litter),
)
