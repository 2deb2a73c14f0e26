import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from denselab.uncertainty.streams import (
    ClassTotals,
    ValueTotals,
    class_probabilities,
    empty_updates,
    update,
)

random = np.random.default_rng(0)
logits = (3 * random.normal(size=(60, 5, 4))).astype("float32")
probabilities = softmax(logits.astype(np.float64), axis=2)
entropies = -(probabilities * np.log(probabilities)).sum(2)


def streamed(xp, outputs, scale="logits", size=1):
    classes = 2 if scale.startswith("binary") else outputs.shape[2]
    state = empty_updates(classes, outputs.shape[1], xp)
    for start in range(0, len(outputs), size):
        part = outputs[start : start + size]
        state = update(state, part, scale, counted=xp.ones(len(part)), xp=xp)
    return state


@pytest.mark.parametrize(
    ("xp", "size"),
    [(np, 1), (np, 4), (np, 60), (jnp, 4), (jnp, 20)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_running_statistics_are_those_of_all_draws_at_once(xp, size):
    found = streamed(xp, logits, size=size)
    np.testing.assert_allclose(found.mean.T, probabilities.mean(0), rtol=2e-6)
    np.testing.assert_allclose(found.squares.T, probabilities.var(0) * 60, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.entropy, entropies.mean(0), rtol=2e-6)
    np.testing.assert_allclose(found.entropy_squares, entropies.var(0) * 60, rtol=1e-4)
    votes = (probabilities == probabilities.max(2, keepdims=True)).sum(0)
    np.testing.assert_array_equal(found.votes.T, votes)


def test_draws_that_do_not_count_change_nothing():
    counted = jnp.array([1.0, 0.0, 1.0, 0.0])
    some = update(empty_updates(4, 5, jnp), logits[:4], "logits", counted=counted, xp=jnp)
    only = update(empty_updates(4, 5, jnp), logits[:4:2], "logits", counted=jnp.ones(2), xp=jnp)
    for left, right in zip(some, only, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)


def test_spreads_far_below_single_precision_of_the_mean_survive():
    spread = np.array([[[1e-3]], [[-1e-3]]] * 500, np.float32)
    outputs = np.concatenate([np.full_like(spread, 6.9), np.zeros_like(spread)], axis=2)
    outputs[:, :, :1] += spread
    exact = softmax(outputs.astype(np.float64), axis=2).var(0) * 1000
    found = jax.jit(lambda x: streamed(jnp, x, size=250))(outputs).squares.T
    # A probability near 1 is stored to 6e-8, which is 6 % of its deviation here.
    np.testing.assert_allclose(found, exact, rtol=0.06)


def test_entropy_of_sure_logits_is_not_clipped():
    outputs = np.array([[[40.0, 0.0]]], np.float32)
    exact = 41 * np.exp(-40.0)
    for xp in (np, jnp):
        _, entropy = class_probabilities(outputs, "logits", xp)
        assert float(entropy[0, 0]) == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize(
    ("scale", "outputs"),
    [
        ("logits", logits),
        ("probabilities", probabilities.astype("float32")),
        ("binary_logits", logits[..., :1]),
        ("binary_probabilities", 1 / (1 + np.exp(-logits[..., :1]))),
    ],
)
def test_every_scale_becomes_probabilities(scale, outputs):
    if scale.startswith("binary"):
        sigmoid = 1 / (1 + np.exp(-logits[..., 0].astype(np.float64)))
        expected = np.stack([1 - sigmoid, sigmoid], axis=2)
    else:
        expected = probabilities
    found, entropy = class_probabilities(outputs, scale, np)
    np.testing.assert_allclose(found.swapaxes(1, 2), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(entropy, -(expected * np.log(expected)).sum(2), rtol=1e-4, atol=1e-5)


def test_a_probability_of_zero_has_no_entropy():
    _, entropy = class_probabilities(np.array([[[1.0, 0.0]]], np.float32), "probabilities", np)
    assert entropy[0, 0] == 0


def test_a_tie_shares_its_vote():
    found = streamed(np, np.zeros((4, 1, 3), np.float32))
    np.testing.assert_allclose(found.votes[:, 0], [4 / 3] * 3, rtol=1e-6)


def test_totals_merge_pieces_of_any_size_and_ignore_padding():
    totals = ClassTotals(5, 4)
    for start, stop in ((0, 7), (7, 8), (8, 60)):
        padded = np.concatenate([logits[start:stop], np.ones((stop - start, 3, 4))], axis=1)
        totals.add(np.arange(5), streamed(np, padded, size=3))
    np.testing.assert_allclose(totals.mean, probabilities.mean(0), rtol=1e-6)
    errors = probabilities.std(0, ddof=1) / np.sqrt(60)
    np.testing.assert_allclose(totals.standard_errors(), errors, rtol=1e-4)
    assert totals.count.tolist() == [60] * 5


def test_totals_of_rows_that_left_stay_as_they_are():
    totals = ClassTotals(5, 4)
    totals.add(np.arange(5), streamed(np, logits[:20]))
    before = totals.mean[[0, 2, 4]].copy()
    totals.add(np.array([1, 3]), streamed(np, logits[20:, [1, 3]]))
    np.testing.assert_array_equal(totals.mean[[0, 2, 4]], before)
    np.testing.assert_allclose(totals.mean[[1, 3]], probabilities.mean(0)[[1, 3]], rtol=1e-6)
    assert totals.count.tolist() == [20, 60, 20, 60, 20]


def test_value_totals_are_mean_variance_and_noise():
    values = random.normal(1e4, 1, size=(50, 3, 2))
    noise = random.uniform(size=(50, 3, 2))
    totals = ValueTotals(3, 2)
    for start in (0, 13, 26, 39):
        stop = min(50, start + 13)
        totals.add(np.arange(3), values[start:stop], noise[start:stop])
    np.testing.assert_allclose(totals.mean, values.mean(0))
    np.testing.assert_allclose(totals.squares, values.var(0) * 50, rtol=1e-9)
    np.testing.assert_allclose(totals.noise, noise.mean(0))


def test_one_draw_has_no_standard_error():
    totals = ClassTotals(5, 4)
    totals.add(np.arange(5), streamed(np, logits[:1]))
    assert np.isnan(totals.standard_errors()).all()
