from itertools import pairwise

import keras
import numpy as np
import pytest

from denselab.components import OneCycle, OneCycleMomentum
from denselab.errors import UsageError

# Steps are counted in float32, so a rate near the end is known to a few units in the last place of
# the peak's share that one step covers.
RELATIVE = 1e-5


def rates(schedule, steps):
    return keras.ops.convert_to_numpy(schedule(np.asarray(steps)))


def one_cycle_loop(peak, total):
    """The published rule, step by step."""
    last = total // 10 + 1
    half = (total - last) // 2
    result = []
    for step in range(total + 1):
        if step < half:
            rate = peak / 10 + (peak - peak / 10) * step / half
        elif step < 2 * half:
            rate = peak + (peak / 10 - peak) * (step - half) / half
        else:
            progress = (step - 2 * half) / (total - 2 * half)
            rate = peak / 10 + (peak / 10_000 - peak / 10) * progress
        result.append(rate)
    return result


@pytest.mark.parametrize("total", [1, 2, 3, 9, 10, 11, 37, 1000, 11_790])
def test_the_default_is_the_published_one_cycle(total):
    actual = rates(OneCycle(0.05, total), range(total + 1))

    np.testing.assert_allclose(actual, one_cycle_loop(0.05, total), rtol=RELATIVE)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {0: 0.1, 22: 0.55, 44: 1.0, 66: 0.55, 88: 0.1, 94: 0.05005, 100: 1e-4}),
        ({"annealing": "cosine"}, {0: 0.1, 22: 0.55, 44: 1.0, 66: 0.55, 88: 0.1, 94: 0.05005}),
        ({"warmup_fraction": 0.3}, {0: 0.1, 15: 0.55, 30: 1.0, 65: 0.50005, 100: 1e-4}),
        (
            {"warmup_fraction": 0.3, "annealing": "cosine"},
            {0: 0.1, 10: 0.325, 30: 1.0, 65: 0.50005},
        ),
        ({"start_factor": 0.5, "end_factor": 0.0}, {0: 0.5, 22: 0.75, 44: 1.0, 88: 0.5, 100: 0.0}),
    ],
    ids=["linear", "cosine", "two phases", "two phases, cosine", "own factors"],
)
def test_it_has_the_rates_computed_by_hand(options, expected):
    # 100 steps: the last phase takes 11, the others (100 - 11) // 2 = 44 each.
    actual = rates(OneCycle(2.0, 100, **options), list(expected))

    np.testing.assert_allclose(actual, 2.0 * np.array(list(expected.values())), rtol=RELATIVE)


@pytest.mark.parametrize("annealing", ["linear", "cosine"])
def test_the_two_long_phases_have_the_area_of_two_trapezia(annealing):
    # Rising and falling by the same law, the means of the two add up to start + peak.
    actual = rates(OneCycle(1.0, 1000, annealing=annealing), range(898))

    assert actual.sum(dtype="float64") == pytest.approx(449 * 1.1, rel=RELATIVE)


@pytest.mark.parametrize("annealing", ["linear", "cosine"])
@pytest.mark.parametrize(
    ("warmup_fraction", "turns"), [(None, (0, 449, 898, 1000)), (0.25, (0, 250, 1000))]
)
def test_each_phase_goes_one_way(annealing, warmup_fraction, turns):
    cycle = OneCycle(1.0, 1000, annealing=annealing, warmup_fraction=warmup_fraction)
    moves = np.sign(np.diff(rates(cycle, range(1001))))

    directions = [set(moves[begin:end]) for begin, end in pairwise(turns)]
    assert directions == [{1}, {-1}, {-1}][: len(directions)]


def test_numpy_counts_do_as_well_and_are_saved_as_plain_numbers():
    config = OneCycle(1.0, np.int64(100)).get_config()

    assert type(config["total_steps"]) is int
    assert config == OneCycle(1.0, 100).get_config()


def test_the_rate_stays_at_its_end_afterwards():
    np.testing.assert_allclose(rates(OneCycle(1.0, 10), [10, 11, 1000]), 1e-4, rtol=RELATIVE)


@pytest.mark.parametrize(
    ("warmup_fraction", "expected"),
    [(None, [0.95, 0.9, 0.85, 0.9, 0.95, 0.95, 0.95]), (0.44, [0.95, 0.9, 0.85] + 4 * [None])],
    ids=["three phases", "two phases"],
)
def test_momentum_has_the_values_computed_by_hand(warmup_fraction, expected):
    steps = [0, 22, 44, 66, 88, 94, 100]
    actual = rates(OneCycleMomentum(100, warmup_fraction=warmup_fraction), steps)

    for value, wanted in zip(actual, expected, strict=True):
        if wanted is not None:
            assert value == pytest.approx(wanted, rel=RELATIVE)
    assert actual[-1] == pytest.approx(0.95, rel=RELATIVE)


@pytest.mark.parametrize("annealing", ["linear", "cosine"])
@pytest.mark.parametrize("warmup_fraction", [None, 0.3])
def test_momentum_moves_against_the_rate(annealing, warmup_fraction):
    options = {"annealing": annealing, "warmup_fraction": warmup_fraction}
    rate = np.diff(rates(OneCycle(1.0, 100, **options), range(101)))
    momentum = np.diff(rates(OneCycleMomentum(100, **options), range(101)))

    assert (rate * momentum <= 0).all()
    assert (rate * momentum < 0).sum() >= 88


@pytest.mark.parametrize("annealing", ["linear", "cosine"])
def test_compiled_and_eager_agree_also_for_a_traced_peak(annealing, compiled):
    def rate(peak, step):
        cycle = OneCycle(1.0, 100, annealing=annealing)
        cycle.peak_rate = peak
        return cycle(step)

    program = compiled(rate)
    for peak in (0.01, 3.0):
        for step in (0, 20, 44, 70, 95, 120):
            inputs = keras.ops.convert_to_tensor(peak), keras.ops.convert_to_tensor(step)
            eager = rates(OneCycle(peak, 100, annealing=annealing), step)
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(program(*inputs)), eager, rtol=RELATIVE
            )


@pytest.mark.parametrize(
    ("schedule", "arguments", "remedy"),
    [
        (OneCycle, {"peak_rate": 0.0, "total_steps": 10}, "give a learning rate above 0"),
        (OneCycle, {"peak_rate": 0.1, "total_steps": 0}, "give a whole number from 1"),
        (OneCycle, {"peak_rate": 0.1, "total_steps": 10.0}, "give a whole number from 1"),
        (
            OneCycle,
            {"peak_rate": 0.1, "total_steps": 10, "start_factor": 0},
            "above 0 and at most 1",
        ),
        (OneCycle, {"peak_rate": 0.1, "total_steps": 10, "end_factor": 2}, "peak from 0 to 1"),
        (
            OneCycle,
            {"peak_rate": 0.1, "total_steps": 10, "annealing": "x"},
            "one of linear, cosine",
        ),
        (OneCycle, {"peak_rate": 0.1, "total_steps": 10, "warmup_fraction": 1}, "None for three"),
        (OneCycleMomentum, {"total_steps": 10, "low": 0.99}, "give 0 <= low <= high < 1"),
        (OneCycleMomentum, {"total_steps": 10, "high": 1.0}, "give 0 <= low <= high < 1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_argument_out_of_range_is_refused_with_the_remedy(schedule, arguments, remedy):
    with pytest.raises(UsageError, match=remedy):
        schedule(**arguments)
