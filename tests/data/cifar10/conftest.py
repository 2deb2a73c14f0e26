"""A cut-down CIFAR-10, and every layout of it written as its makers would write it."""

import io
import pickle
import struct
import tarfile

import numpy as np
import polars as pl
import pytest
from PIL import Image

from denselab.data.cifar10 import Rows

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Truth:
    """Fifty training and ten test images that are as smooth as photographs, and their labels."""

    rows = Rows(50, 20)

    def __init__(self) -> None:
        numbers = np.random.default_rng(0)
        coarse = numbers.integers(0, 256, (70, 4, 4, 3))
        smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)
        noise = numbers.integers(-9, 10, smooth.shape)
        x = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        y = np.concatenate([numbers.permutation(50) % 10, numbers.permutation(20) % 10])
        self.x_train, self.x_test = x[:50], x[50:]
        self.y_train, self.y_test = y[:50].astype(np.int64), y[50:].astype(np.int64)

    def batches(self):
        """Yields the six official file names, each with its planes and labels."""
        for number in range(5):
            part = slice(10 * number, 10 * number + 10)
            yield f"data_batch_{number + 1}", planes(self.x_train[part]), self.y_train[part]
        yield "test_batch", planes(self.x_test), self.y_test


def planes(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def python_2_pickle(data, labels):
    """Writes a batch as Python 2 wrote the official ones: protocol 2, byte strings, numpy.core."""
    raw = data.tobytes()
    items = [
        b"\x80\x02}q\x01(",
        b"U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03",
        b"U\x06labelsq\x04]q\x05(" + b"".join(b"K" + bytes([v]) for v in labels.tolist()) + b"e",
        b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
        b"K\x00\x85U\x01b\x87Rq\x09(K\x01",
        b"M" + struct.pack("<H", data.shape[0]) + b"M" + struct.pack("<H", data.shape[1]) + b"\x86",
        b"cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b",
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb",
        b"U\x09filenamesq\x0c]q\x0d(U\x05a.pngq\x0eU\x05b.pngq\x0feu.",
    ]
    return b"".join(items)


def python_3_pickle(data, labels, protocol):
    batch = {b"data": data, b"labels": labels.tolist(), b"filenames": [b"a.png"]}
    return pickle.dumps(batch, protocol=protocol)


def binary_batch(data, labels):
    return np.hstack([labels[:, None].astype(np.uint8), data]).tobytes()


def tar_gz(files):
    """Packs {name: bytes} and ready-made tarfile.TarInfo members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(content, tarfile.TarInfo) else content
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def encoded(image, kind, **options):
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, kind, **options)
    return packed.getvalue()


class Writers:
    """Writes the truth in a layout under a folder; `LAYOUTS` lists them."""

    def __init__(self, truth):
        self.truth = truth

    def __call__(self, layout, folder):
        folder.mkdir(parents=True, exist_ok=True)
        kind, _, variant = layout.partition(", ")
        getattr(self, kind.lower().replace(" ", "_"))(folder, variant)
        return folder

    def python_files(self, variant="Python 2"):
        write = python_2_pickle
        if variant.startswith("protocol"):
            protocol = int(variant.removeprefix("protocol "))

            def write(data, labels):
                return python_3_pickle(data, labels, protocol)

        return {name: write(data, labels) for name, data, labels in self.truth.batches()}

    def binary_files(self):
        return {f"{n}.bin": binary_batch(data, labels) for n, data, labels in self.truth.batches()}

    def _folder(self, folder, files):
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)

    def python_folder(self, folder, variant):
        self._folder(folder / "cifar-10-batches-py", self.python_files(variant))

    def python_archive(self, folder, variant):
        files = self.python_files(variant) | {"batches.meta": b"meta", "readme.html": b"<html>"}
        inside = {f"cifar-10-batches-py/{name}": content for name, content in files.items()}
        (folder / "cifar-10-python.tar.gz").write_bytes(tar_gz(inside))

    def binary_folder(self, folder, variant):
        self._folder(folder / "cifar-10-batches-bin", self.binary_files())

    def binary_archive(self, folder, variant):
        inside = {f"cifar-10-batches-bin/{n}": data for n, data in self.binary_files().items()}
        (folder / "cifar-10-binary.tar.gz").write_bytes(tar_gz(inside))

    def parquet(self, folder, variant):
        kind = "JPEG" if "JPEG" in variant else "PNG"
        column = "image" if "image" in variant else "img"
        shards = 2 if "shards" in variant else 1
        if "shards" in variant:
            folder = folder / "plain_text"
            folder.mkdir()
        for part in ("train", "test"):
            x, y = getattr(self.truth, f"x_{part}"), getattr(self.truth, f"y_{part}")
            images = [{"bytes": encoded(image, kind), "path": None} for image in x]
            schema = {"bytes": pl.Binary, "path": pl.String}
            frame = pl.DataFrame({column: pl.Series(images, dtype=pl.Struct(schema)), "label": y})
            size = len(x) // shards
            for shard in range(shards):
                name = f"{part}-0000{shard}-of-0000{shards}" if "shards" in variant else part
                rows = frame.slice(shard * size, size)
                rows.write_parquet(folder / f"{name}.parquet")

    def image_folder(self, folder, variant):
        kind = "JPEG" if "JPEG" in variant else "PNG"
        for part in ("train", "test"):
            x, y = getattr(self.truth, f"x_{part}"), getattr(self.truth, f"y_{part}")
            for row, (image, label) in enumerate(zip(x, y, strict=True)):
                into = folder / part / NAMES[label]
                into.mkdir(parents=True, exist_ok=True)
                name = f"{row:04}.{'jpg' if kind == 'JPEG' else 'png'}"
                (into / name).write_bytes(encoded(image, kind))
        (folder / "train" / ".DS_Store").write_bytes(b"litter")
        (folder / "train" / "cat" / "Thumbs.db").write_bytes(b"litter")

    def npz(self, folder, variant):
        arrange = {
            "colours last": lambda x: x,
            "colours first": lambda x: x.transpose(0, 3, 1, 2),
            "flat planes": planes,
            "flat colours last": lambda x: x.reshape(len(x), -1),
            "Fortran order": np.asfortranarray,
        }[variant.removesuffix(", packed")]
        save = np.savez_compressed if variant.endswith("packed") else np.savez
        truth = self.truth
        save(
            folder / "cifar10.npz",
            x_train=arrange(truth.x_train),
            y_train=truth.y_train[:, None],
            x_test=arrange(truth.x_test),
            y_test=truth.y_test.astype(">i2"),
        )


@pytest.fixture(scope="session")
def truth():
    return Truth()


@pytest.fixture(scope="session")
def write(truth):
    """Writes a layout, e.g. `write("Parquet, shards", folder)`, and returns the folder."""
    return Writers(truth)


@pytest.fixture(scope="session")
def pack():
    """Packs files into a tar.gz archive."""
    return tar_gz


@pytest.fixture(scope="session")
def encode():
    """Encodes an array of pixels as PNG, JPEG and so on."""
    return encoded
