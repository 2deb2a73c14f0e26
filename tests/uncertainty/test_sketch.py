import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.uncertainty.sketch import ANCHORS, QuantileSketch

LEVELS = [0.0, 0.01, 0.05, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]


def sketch_of(draws, size=64):
    sketch = QuantileSketch(draws.shape[1], draws.shape[2])
    for start in range(0, len(draws), size):
        sketch.add(np.arange(draws.shape[1]), draws[start : start + size])
    return sketch


@pytest.mark.parametrize("number", [1, 2, 17, 100, ANCHORS])
def test_quantiles_are_exact_while_every_draw_is_kept(number):
    draws = np.random.default_rng(0).normal(size=(number, 3, 2)).astype("float32")
    expected = np.quantile(draws.astype(np.float64), LEVELS, axis=0)
    np.testing.assert_allclose(sketch_of(draws).quantiles(LEVELS), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "law",
    [
        lambda random, shape: random.normal(size=shape),
        lambda random, shape: random.lognormal(0, 2, size=shape),
        lambda random, shape: random.choice([-1, 0.5, 3], size=shape),
        lambda random, shape: random.standard_t(2, size=shape),
    ],
    ids=["normal", "lognormal", "three values", "heavy tails"],
)
def test_quantiles_of_many_draws_are_right_to_a_cell_in_probability(law):
    draws = law(np.random.default_rng(1), (10_000, 4, 1)).astype("float32")
    found = sketch_of(draws).quantiles(LEVELS)
    # A cell between two of 256 anchors holds a random share of the draws, Beta(1, 256): below
    # 5 / 256 with probability 0.993 for each. The estimate lies in the cell of the exact quantile.
    below = (draws[None] < found[:, None]).mean(1)
    up_to = (draws[None] <= found[:, None]).mean(1)
    wanted = np.array(LEVELS)[:, None, None]
    assert (below - 5 / ANCHORS <= wanted).all()
    assert (up_to + 5 / ANCHORS >= wanted).all()


def test_more_draws_than_anchors_make_quantiles_sharper():
    draws = np.random.default_rng(2).normal(size=(20_000, 40, 1)).astype("float32")
    exact = np.quantile(draws, 0.5, axis=0)
    many = np.abs(sketch_of(draws).quantiles([0.5])[0] - exact).mean()
    few = np.abs(sketch_of(draws[:ANCHORS]).quantiles([0.5])[0] - exact).mean()
    assert many < few / 5


def test_the_ends_are_the_least_and_the_greatest_draw():
    draws = np.random.default_rng(3).normal(size=(2000, 3, 1)).astype("float32")
    low, high = sketch_of(draws).quantiles([0, 1])
    np.testing.assert_array_equal(low, draws.min(0))
    np.testing.assert_array_equal(high, draws.max(0))


@pytest.mark.parametrize("size", [1, 50, 64, 300, 1000])
def test_the_size_of_the_pieces_does_not_matter(size):
    draws = np.random.default_rng(4).normal(size=(1000, 2, 2)).astype("float32")
    np.testing.assert_array_equal(
        sketch_of(draws, size).quantiles(LEVELS), sketch_of(draws, 64).quantiles(LEVELS)
    )


def test_rows_may_leave_early():
    draws = np.random.default_rng(5).normal(size=(1000, 2, 1)).astype("float32")
    sketch = sketch_of(draws[:300])
    sketch.add(np.array([1]), draws[300:, 1:])
    alone = sketch_of(draws[:, 1:])
    np.testing.assert_array_equal(sketch.quantiles(LEVELS)[:, 1], alone.quantiles(LEVELS)[:, 0])
    stayed = sketch_of(draws[:300, :1])
    np.testing.assert_array_equal(sketch.quantiles(LEVELS)[:, 0], stayed.quantiles(LEVELS)[:, 0])


@pytest.mark.parametrize("levels", [[-0.1], [1.1], [float("nan")], 0.5])
def test_levels_that_are_no_probabilities_are_refused(levels):
    with pytest.raises(UsageError, match=r"give probabilities such as"):
        QuantileSketch(1, 1).quantiles(levels)
