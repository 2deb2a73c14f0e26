import keras
import numpy as np
import pytest
from scipy import special, stats

from denselab.components import MixUp
from denselab.errors import UsageError

ROWS, CALLS = 100, 200


def mixed_identities(alpha):
    """The layer on 200 batches of unit rows: what each row keeps, and what it takes from whom."""
    layer = MixUp(alpha, seed=7)
    batch = np.eye(ROWS, dtype="float32")
    return np.stack(
        [keras.ops.convert_to_numpy(layer(batch, training=True)) for _ in range(CALLS)]
    ).astype("float64")


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_shares_that_rows_keep_follow_their_beta_distribution(alpha):
    shares = np.diagonal(mixed_identities(alpha), axis1=1, axis2=2).ravel()
    law = stats.beta(alpha + 1, alpha)
    mean, variance = law.stats("mv")
    fourth = law.expect(lambda share: (share - mean) ** 4)

    assert abs(shares.mean() - mean) < 5 * np.sqrt(variance / shares.size)
    error_of_variance = np.sqrt((fourth - variance**2) / shares.size)
    assert abs(((shares - mean) ** 2).mean() - variance) < 5 * error_of_variance
    # Dvoretzky, Kiefer and Wolfowitz: exceeded once in a million, plus the table's 1/1024. Up to
    # 0.999, because float32 rounds a few hundredths of the shares to 1.
    points = np.linspace(0, 0.999, 500)
    observed = np.searchsorted(np.sort(shares), points, side="right") / shares.size
    limit = np.sqrt(np.log(2 / 1e-6) / (2 * shares.size)) + 1 / 1024
    assert np.abs(observed - law.cdf(points)).max() < limit


def test_every_row_is_mixed_with_one_other_at_one_distance_a_batch():
    mixed = mixed_identities(1.0)
    np.testing.assert_allclose(mixed.sum(axis=2), 1, rtol=1e-6)
    assert (np.count_nonzero(mixed, axis=2) <= 2).all()

    others = mixed * (1 - np.eye(ROWS))
    distances = (others.argmax(axis=2) - np.arange(ROWS)) % ROWS
    distances = np.where(others.max(axis=2) > 1e-6, distances, distances[:, :1])
    assert (distances == distances[:, :1]).mean() > 0.999
    first = np.median(distances, axis=1)
    assert first.min() >= 1
    # Uniform on 1 to 99: mean 50, variance (99 ** 2 - 1) / 12.
    assert abs(first.mean() - ROWS / 2) < 5 * np.sqrt(((ROWS - 1) ** 2 - 1) / 12 / CALLS)


def cross_entropy(x, label):
    """Loss of a fixed softmax regression."""
    logits = x @ np.array([[1.0, -1.0, 0.5], [-0.5, 1.5, 0.0]])
    return special.logsumexp(logits, axis=-1) - logits[..., label]


def test_its_expected_loss_is_the_one_of_mixing_the_labels():
    # Rows alternate between two kinds, so a row meets the other kind at odd distances: 50 of 99.
    alpha, kinds, labels = 0.4, np.array([[2.0, 0.0], [-1.0, 1.0]]), (0, 1)
    nodes, weights = special.roots_jacobi(60, alpha - 1, alpha - 1)
    shares, weights = (nodes + 1) / 2, weights / weights.sum()
    losses = []
    for me, other in ((0, 1), (1, 0)):
        x = shares[:, None] * kinds[me] + (1 - shares[:, None]) * kinds[other]
        mine, theirs = cross_entropy(x, labels[me]), cross_entropy(x, labels[other])
        mixed = weights @ (shares * mine + (1 - shares) * theirs)
        losses.append(50 / 99 * mixed + 49 / 99 * cross_entropy(kinds[me], labels[me]))

    layer = MixUp(alpha, seed=7)
    batch = np.tile(kinds, (ROWS // 2, 1))
    draws = []
    for _ in range(400):
        x = keras.ops.convert_to_numpy(layer(batch, training=True)).astype("float64")
        kept = [cross_entropy(x[kind::2], labels[kind]).mean() for kind in (0, 1)]
        draws.append(np.mean(kept))

    assert abs(np.mean(draws) - np.mean(losses)) < 5 * np.std(draws) / np.sqrt(len(draws))


def test_it_does_nothing_in_prediction():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), MixUp(1.0)])

    np.testing.assert_array_equal(model.predict(x, verbose=0), x)


def test_a_single_row_is_left_alone():
    x = np.array([[1.0, 2.0]], "float32")
    actual = keras.ops.convert_to_numpy(MixUp(1.0)(x, training=True))

    np.testing.assert_allclose(actual, x, rtol=1e-6)


def test_whole_numbers_are_mixed_as_floats():
    x = np.array([[0], [255]], "uint8")
    actual = keras.ops.convert_to_numpy(MixUp(1.0, seed=0)(x, training=True))

    assert actual.dtype == "float32"
    assert ((actual > 0) & (actual < 255)).all()


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan"), float("inf")])
def test_a_strength_that_is_no_number_above_zero_is_refused_with_the_remedy(alpha):
    with pytest.raises(UsageError, match="give a strength above 0"):
        MixUp(alpha)
