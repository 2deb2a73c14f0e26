import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from denselab.errors import UsageError
from denselab.sparsity import GradualPruning, ProximalL1, iterative_pruning, one_shot_pruning
from denselab.sparsity.masks import zero_count
from denselab.sparsity.ranking import schedule_share, smallest_removed, traced_zero_count

pytestmark = pytest.mark.backends


def number(tensor):
    return keras.ops.convert_to_numpy(tensor).item()


def scalar(value, dtype="float32"):
    return keras.ops.convert_to_tensor(np.asarray(value, dtype))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999_999), st.integers(1, 2**31 - 1))
@example(900_000, 2048**2)
@example(500_000, 5)
@example(500_000, 7)
@example(999_999, 2**31 - 1)
def test_compiled_updates_count_zeros_as_masks_do(millionths, size):
    share = millionths / 1e6
    assert number(traced_zero_count(scalar(share), size)) == zero_count(share, size)


def test_the_gradual_schedule_is_its_formula():
    rule = GradualPruning(0.9, begin=4, end=15, frequency=3, initial_sparsity=0.3, power=3.0)
    due = {}
    for step in range(1, 20):
        now, share = schedule_share(rule, scalar(step, "int32"), scalar(0.9))
        if number(now):
            due[step] = number(share)
    expected = {t: 0.9 + (0.3 - 0.9) * (1 - (t - 4) / 11) ** 3 for t in (4, 7, 10, 13, 15)}
    assert due == pytest.approx(expected, abs=1e-6)
    assert due[15] == np.float32(0.9)


def test_one_shot_and_iterative_are_the_same_machine():
    def prunings(rule):
        found = [(t, *schedule_share(rule, scalar(t, "int32"), scalar(0.8))) for t in range(1, 50)]
        return {t: round(number(share), 4) for t, due, share in found if number(due)}

    assert prunings(one_shot_pruning(0.8, at=7)) == {7: 0.8}
    assert prunings(ProximalL1(1e-3, 0.8, end=9)) == {9: 0.8}
    rounds = prunings(iterative_pruning(0.8, first=1, every=20, rounds=2))
    assert rounds == {1: round(0.8 * (1 - 0.5**3), 4), 21: 0.8}


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_masks_change_only_where_they_are_due(scope):
    kernels = [np.array([[3.0, 1.0], [1.0, 2.0]], "float32"), np.full((1, 4), 2.5, "float32")]
    tensors = [keras.ops.convert_to_tensor(kernel) for kernel in kernels]
    masks = [keras.ops.ones(kernel.shape, dtype="bool") for kernel in kernels]
    for due, zeros in ((False, 0), (True, 4)):
        chosen = smallest_removed(
            masks, tensors, due=scalar(due, "bool"), share=scalar(0.5), scope=scope
        )
        chosen = [keras.ops.convert_to_numpy(mask) for mask in chosen]
        assert sum(int((~mask).sum()) for mask in chosen) == zeros
    if scope == "layer":
        assert chosen[0].tolist() == [[True, False], [False, True]]
        assert chosen[1].tolist() == [[False, False, True, True]]
    else:
        assert chosen[0].tolist() == [[True, False], [False, False]]
        assert chosen[1].tolist() == [[False, True, True, True]]


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: GradualPruning(90, 0, 10), r"did you mean 0\.9"),
        (lambda: GradualPruning(0.5, 10, 9), "at or before its end"),
        (lambda: GradualPruning(0.5, 0, 0), "from 1"),
        (lambda: GradualPruning(0.5, 0, 10, frequency=0), "frequency is 0"),
        (lambda: GradualPruning(0.5, 0, 10, initial_sparsity=0.6), "give a smaller one"),
        (lambda: GradualPruning(0.5, 0, 10, power=0), "above 0"),
        (lambda: GradualPruning(0.5, 0.5, 10), "begin is 0.5"),
        (lambda: GradualPruning(0.5, 0, 10, scope="all"), "'layer' or 'global'"),
        (lambda: ProximalL1(-1.0), "from 0"),
        (lambda: ProximalL1(1.0, sparsity=0.9), "end=1000"),
        (lambda: ProximalL1(1.0, 0.9, end=0), "end is 0"),
        (lambda: iterative_pruning(0.5, first=1, every=5, rounds=0), "rounds is 0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(make, remedy):
    with pytest.raises(UsageError, match=remedy):
        make()
