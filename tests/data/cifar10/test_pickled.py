"""Pickled batches: what they may name, and that nothing in them is ever run."""

import os
import pickle
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denselab.data.cifar10.pickled import read_pickled_batch
from denselab.errors import DataError, UnsafeFileError

PIXELS = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
LABELS = [3, 9]


def read(batch, protocol=4):
    data = batch if isinstance(batch, bytes) else pickle.dumps(batch, protocol=protocol)
    return read_pickled_batch(data, "data_batch_1")


class Gadget:
    """Runs `function(*arguments)` when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_batch_is_read_in_every_protocol(protocol):
    part = read({b"data": PIXELS, b"labels": LABELS}, protocol)
    assert part.y.tolist() == LABELS
    assert part.x[0, 0, 0].tolist() == [PIXELS[0, 0], PIXELS[0, 1024], PIXELS[0, 2048]]
    assert part.x[1, 2, 3].tolist() == [PIXELS[1, c * 1024 + 2 * 32 + 3] for c in range(3)]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_text_keys_label_arrays_and_fortran_order_are_read_too(protocol):
    pixels, labels = np.asfortranarray(PIXELS), np.array(LABELS, ">i8")
    part = read({"data": pixels, "labels": labels}, protocol)
    plain = read({b"data": PIXELS, b"labels": LABELS})
    assert part.y.tolist() == LABELS
    assert part.x.tobytes() == plain.x.tobytes()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("place", ["key", "data", "labels", "beside"])
def test_a_gadget_is_refused_and_never_runs(tmp_path, protocol, place):
    canary = tmp_path / "canary"
    gadget = Gadget(os.mkdir, str(canary))
    batch = {b"data": PIXELS, b"labels": LABELS}
    batch[{"key": gadget, "beside": b"more"}.get(place, place.encode())] = gadget
    with pytest.raises(
        UnsafeFileError, match=r"names '\w+\.mkdir'.*get the official file"
    ) as refused:
        read(batch, protocol)
    assert refused.value.exit_code == 5
    assert not canary.exists()
    pickle.loads(pickle.dumps(batch, protocol=protocol))
    assert canary.exists(), "the canary cannot sing, so the test above proves nothing"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "load"),
        ("numpy", "dtype.__class__"),
        ("_codecs", "decode"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy.testing", "ndarray"),
    ],
)
@pytest.mark.parametrize("form", ["GLOBAL", "STACK_GLOBAL", "INST"])
def test_a_name_that_no_batch_needs_is_refused(module, name, form):
    program = {
        "GLOBAL": f"\x80\x02c{module}\n{name}\n.",
        "STACK_GLOBAL": f"\x80\x04X{chr(len(module))}\0\0\0{module}"
        f"X{chr(len(name))}\0\0\0{name}\x93.",
        "INST": f"(i{module}\n{name}\n.",
    }[form]
    with pytest.raises(UnsafeFileError, match=f"names '{module}.{name}', which no CIFAR-10 batch"):
        read(program.encode("latin-1"))


def test_a_name_that_would_steer_the_terminal_is_shown_as_text():
    with pytest.raises(UnsafeFileError) as refused:
        read(b"\x80\x02X\x06\0\0\0\x1b[31m\nX\x01\0\0\0y\x93.")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(b"\x80\x02Nr" + struct.pack("<I", 2**31) + b".", id="a memo of 16 GB"),
        pytest.param(b"Np2147483648\n.", id="a memo of 16 GB in text"),
        pytest.param(b"\x80\x02" + b"N0" * 300_000 + b"N.", id="600,000 steps"),
    ],
)
def test_a_pickle_that_would_fill_the_memory_is_refused(program):
    with pytest.raises(UnsafeFileError, match="takes more than 500,000 steps"):
        read(program)


def test_a_pickle_cannot_set_anything_on_a_permitted_name():
    # BUILD with a pair sets attributes: here on what stands for numpy.dtype.
    hostile = b"\x80\x02cnumpy\ndtype\nN}X\x04\0\0\0nameX\x01\0\0\0xs\x86b."
    with pytest.raises(DataError, match="damaged pickle"):
        read(hostile)
    assert read({b"data": PIXELS, b"labels": LABELS}).y.tolist() == LABELS


@pytest.mark.parametrize(
    ("batch", "remedy"),
    [
        pytest.param([1, 2], "holds a list, expected a dictionary", id="no dictionary"),
        pytest.param({b"data": PIXELS}, "no entry 'labels'", id="no labels"),
        pytest.param({b"labels": LABELS}, "no entry 'data'", id="no data"),
        pytest.param(
            {b"data": PIXELS[:, :3071], b"labels": LABELS},
            r"shape \(2, 3071\), expected uint8 with 3,072 a row",
            id="rows of 3,071 bytes",
        ),
        pytest.param(
            {b"data": PIXELS.astype(np.int32), b"labels": LABELS}, "holds int32 pixels", id="int32"
        ),
        pytest.param(
            {b"data": PIXELS.astype(float), b"labels": LABELS}, "of another type", id="floats"
        ),
        pytest.param(
            {b"data": PIXELS.astype(object), b"labels": LABELS}, "of another type", id="objects"
        ),
        pytest.param({b"data": [1], b"labels": LABELS}, "data is no array", id="a list as data"),
        pytest.param({b"data": PIXELS, b"labels": [3]}, "one label an image", id="one label short"),
        pytest.param(
            {b"data": PIXELS, b"labels": [3, 10]}, "row 1: label 10, expected 0 to 9", id="10"
        ),
        pytest.param({b"data": PIXELS, b"labels": [-1, 3]}, "row 0: label -1", id="-1"),
        pytest.param({b"data": PIXELS, b"labels": [3, 2**70]}, "beyond 64 bits", id="2**70"),
        pytest.param({b"data": PIXELS, b"labels": [3, 0.5]}, "no list of whole", id="half a label"),
        pytest.param({b"data": PIXELS, b"labels": "39"}, "no list of whole", id="text as labels"),
    ],
)
def test_a_batch_that_is_none_is_refused_with_what_is_wrong(batch, remedy):
    with pytest.raises(DataError, match=remedy) as refused:
        read(batch)
    assert str(refused.value).startswith("data_batch_1")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_batch_cut_at_any_place_is_refused(protocol):
    whole = pickle.dumps({b"data": PIXELS[:1], b"labels": [3]}, protocol=protocol)
    for length in range(0, len(whole), 7):
        with pytest.raises(DataError, match="damaged pickle"):
            read(whole[:length])


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_bytes_changed_at_random_give_a_batch_or_one_of_two_errors(data):
    protocol = data.draw(st.sampled_from([0, 2, 4, 5]))
    program = bytearray(pickle.dumps({b"data": PIXELS[:1], b"labels": [3]}, protocol=protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        # Most of the program is pixels: aim at the head and the tail, where the opcodes are.
        place = data.draw(st.integers(-60, 160))
        program[place] = data.draw(st.integers(0, 255))
    with suppress(DataError, UnsafeFileError):
        assert read(bytes(program)).x.shape == (1, 32, 32, 3)
