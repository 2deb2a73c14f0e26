import jax
import jax.numpy as jnp
import numpy as np
import pytest

from denselab.uncertainty.counters import block_words, draw_field, threefry


def word(value):
    return np.array([value], np.uint32)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
    ids=["zeros", "ones", "digits of pi"],
)
def test_threefry_gives_the_published_answers(key, counter, expected):
    found = threefry(tuple(map(word, key)), tuple(map(word, counter)))
    assert tuple(int(part[0]) for part in found) == expected


def test_threefry_is_the_generator_of_jax():
    from jax.extend.random import threefry_2x32

    key, counter = np.array([5, 7], np.uint32), np.array([11, 13], np.uint32)
    ours = threefry((word(5), word(7)), (word(11), word(13)))
    assert np.concatenate(ours).tolist() == threefry_2x32(key, counter).tolist()


def make(xp, *, rows=range(5), units=3, bits=16, block=2, site=1):
    address = (word(site), word(block))
    positions = np.array(rows, np.uint32)
    return block_words((word(1), word(2)), address, positions, units=units, bits=bits, xp=xp)


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_words_are_the_same_in_numpy_and_under_jit(bits):
    in_jax = jax.jit(lambda: make(jnp, bits=bits))()
    in_numpy = make(np, bits=bits)
    assert len(in_numpy) == bits // 8
    for left, right in zip(in_jax, in_numpy, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_row_has_the_same_words_whatever_rows_are_beside_it():
    alone = make(np, rows=[3])[0]
    np.testing.assert_array_equal(alone[0], make(np, rows=range(5))[0][3])


@pytest.mark.parametrize(
    "change",
    [{"block": 3}, {"site": 2}, {"rows": range(5, 10)}],
    ids=["block", "site", "rows"],
)
def test_words_differ_between(change):
    assert not np.intersect1d(make(np)[0], make(np, **change)[0]).size


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_the_four_draws_of_a_block_have_fields_of_their_own(bits):
    words = make(np, rows=range(50), units=20, bits=bits)
    fields = [draw_field(words, np.uint32(j), bits, lambda w, i: w[int(i)], np) for j in range(4)]
    shape = (50, 20, 2) if bits == 64 else (50, 20)
    assert all(field.shape == shape for field in fields)
    flat = np.stack([field.reshape(-1).astype(float) for field in fields])
    correlations = np.corrcoef(flat)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(flat.shape[1])


def test_sixteen_bit_fields_are_uniform():
    words = make(np, rows=range(400), units=100)
    field = draw_field(words, np.uint32(3), 16, lambda w, i: w[int(i)], np).ravel()
    counts = np.bincount(field >> 12, minlength=16)
    expected = field.size / 16
    assert field.max() < 2**16
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected * 15 / 16)
