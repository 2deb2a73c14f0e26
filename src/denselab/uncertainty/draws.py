"""Predictions with their uncertainty: many stochastic passes at the price of few."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypedDict, Unpack, get_args

import keras
import numpy as np
from jaxtyping import Float, Int

from denselab.errors import UsageError
from denselab.randomness import check_seed
from denselab.uncertainty.checks import (
    check_data,
    check_draws,
    check_finite,
    check_model,
    check_options,
    check_probabilities,
)
from denselab.uncertainty.compiled import CompiledPlan
from denselab.uncertainty.counters import DRAWS_PER_BLOCK
from denselab.uncertainty.loop import LoopPlan
from denselab.uncertainty.outputs import OutputsChoice
from denselab.uncertainty.plans import Masks, Plan, Request, Rows
from denselab.uncertainty.results import (
    ClassificationDraws,
    RegressionDraws,
    class_result,
    value_result,
)
from denselab.uncertainty.sketch import QuantileSketch
from denselab.uncertainty.streams import ClassTotals, ValueTotals, class_probabilities

__all__ = ["DrawOptions", "each_draw", "predict_classes", "predict_classes_at", "predict_draws"]

_DRAWS, _MOST_DRAWS = 100, 10_000

_FIRST_LOOK, _GROWTH = 64, 1.5
"""Draws before the first look at the standard errors, and their growth from look to look."""

_AT_ONCE = 1024
"""Draws in one call of a program: single precision stays exact enough, and Ctrl-C is answered."""


class DrawOptions(TypedDict, total=False):
    """Further options of draws.

    Attributes:
        outputs: What the model's outputs are. "auto", the default, looks at the last activation
            and, where that says nothing, at the compiled loss. "values" makes a regression;
            "mean_and_log_variance" one whose first half of the outputs are means and whose second
            half are logarithms of the noise variance.
        chunk: Rows computed together; by default an equal share for each core, at most 512. It
            changes no result beyond rounding.
    """

    outputs: OutputsChoice
    chunk: int | None


def predict_draws(
    model: keras.Model,
    x: Any,
    *,
    draws: int | None = None,
    seed: int = 0,
    masks: Masks = "per_row",
    until: float | None = None,
    **options: Unpack[DrawOptions],
) -> ClassificationDraws | RegressionDraws:
    r"""Predicts with the mean of many draws, and says how far the draws agree.

    A draw is a forward pass with every stochastic layer switched on and everything else, such as
    BatchNormalization, in inference mode; no variable of the model changes. Any Keras model will do
    that has a layer such as Dropout on the way to its output, as it is. On JAX what lies before the
    first such layer is computed once for all draws, so $N$ draws of a network with dropout before
    its output cost little more than one pass; dropout on the input saves nothing (`draw_cost` gives
    the ratio). The other backends give the same answers by a plain loop.

    The noise of a draw depends on seed, draw, layer, row and unit alone. So results do not depend
    on chunks, and the first 16 of 64 draws are those of a run of 16. Dropout rates are met to
    1/131,072, and activations are scaled by the rate so met.

    Args:
        model: A built Keras model: Sequential, Functional, subclassed, nested or loaded, with one
            output of one axis.
        x: An array, or several as the model takes them; the first axis is the row. A row's masks
            go with its position.
        draws: Number of draws, 100 by default. With `until` the most that are drawn, 10,000 by
            default.
        seed: Seed of the draws, from 0 to 2³² - 1.
        masks: "per_row" draws a mask for each row; "shared" one for all rows of a draw, as if one
            network were sampled: cheaper, each row's answer as good, but rows err together.
        until: Target for the standard errors of the means. Rows that meet it, after 64 draws at
            the earliest, leave; the others go on. The answer is then within 1.96 targets of that
            of infinitely many draws in 95 of 100 cases.
        **options: See `DrawOptions`.

    Returns:
        `ClassificationDraws`, or `RegressionDraws` where the outputs are values.

    Raises:
        UsageError: If the model has nothing to draw, an argument makes no sense, or it cannot be
            told what the outputs are.
        DataError: If `x` does not fit the model or holds a NaN.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5)])
        >>> found = predict_draws(model, np.ones((2, 3)), draws=400, outputs="values")
        >>> found.mean.shape, bool(np.all(abs(found.mean - 1) < 5 * found.standard_errors))
        ((2, 3), True)

    References:
        Gal and Ghahramani, Dropout as a Bayesian Approximation, 2016; Houlsby et al., Bayesian
        Active Learning, 2011, equation 2; Kendall and Gal, What Uncertainties Do We Need, 2017.
    """
    most = draws if draws is not None else _DRAWS if until is None else _MOST_DRAWS
    check_draws(most, until)
    plan, data, rows = _plan(model, x, (seed, masks), options)
    if _gives_values(plan):
        return _values(plan, data, _Rounds(rows, most, until))
    return _classes(plan, data, _Rounds(rows, most, until))


def predict_classes(
    model: keras.Model,
    x: Any,
    *,
    draws: int | None = None,
    seed: int = 0,
    masks: Masks = "per_row",
    until: float | None = None,
    **options: Unpack[DrawOptions],
) -> Int[np.ndarray, " row"]:
    """Predicts the class with the greatest mean probability over the draws.

    Args:
        model: A built Keras classifier.
        x: The rows.
        draws: See `predict_draws`, as for the arguments below.
        seed: Seed of the draws.
        masks: Masks for each row, or shared.
        until: Target for the standard errors.
        **options: See `DrawOptions`.

    Returns:
        Class numbers from 0, shape (row,).

    Raises:
        UsageError: As `predict_draws`, and if the model is no classifier.
        DataError: As `predict_draws`.

    Example:
        >>> layers = [keras.Input((2,)), keras.layers.Dropout(0.1), keras.layers.Softmax()]
        >>> predict_classes(keras.Sequential(layers), np.array([[3.0, 0.0], [0.0, 3.0]])).tolist()
        [0, 1]
    """
    found = predict_draws(model, x, draws=draws, seed=seed, masks=masks, until=until, **options)
    if isinstance(found, RegressionDraws):
        raise _no_classifier(model)
    return found.classes


def predict_classes_at(
    model: keras.Model,
    x: Any,
    *,
    at: Sequence[int],
    seed: int = 0,
    masks: Masks = "per_row",
    **options: Unpack[DrawOptions],
) -> tuple[ClassificationDraws, ...]:
    """Predicts with several numbers of draws in one run, each number going on from the one before.

    Args:
        model: A built Keras classifier.
        x: The rows.
        at: Numbers of draws, rising, at least 1.
        seed: Seed of the draws.
        masks: Masks for each row, or shared.
        **options: See `DrawOptions`.

    Returns:
        One result a number, each what `predict_draws` gives for so many draws.

    Raises:
        UsageError: As `predict_draws`; if the numbers do not rise, or the model is no classifier.
        DataError: As `predict_draws`.

    Example:
        >>> layers = [keras.Input((2,)), keras.layers.Dropout(0.1), keras.layers.Softmax()]
        >>> few, many = predict_classes_at(keras.Sequential(layers), np.ones((1, 2)), at=[2, 40])
        >>> few.draws_used.tolist(), many.draws_used.tolist()
        ([2], [40])
    """
    looks = [0, *at]
    if len(looks) < 2 or any(later <= now for now, later in pairwise(looks)):
        raise UsageError(f"at is {list(at)}; give rising numbers of draws, such as [1, 10, 100]")
    check_draws(looks[-1], None)
    plan, data, rows = _plan(model, x, (seed, masks), options)
    if _gives_values(plan):
        raise _no_classifier(model)
    totals, found, done, everyone = ClassTotals(rows, plan.reading.classes), [], 0, np.arange(rows)
    for look in at:
        whole = look - look % DRAWS_PER_BLOCK  # The next number goes on from a whole block.
        for first in range(done, whole, _AT_ONCE):
            _add_classes(plan, data, totals, (everyone, first, min(_AT_ONCE, whole - first)))
        done, so_far = whole, copy.deepcopy(totals)
        if look > whole:
            _add_classes(plan, data, so_far, (everyone, whole, look - whole))
        check_probabilities(so_far.mean)
        found.append(class_result(so_far, None))
    return tuple(found)


def each_draw(
    model: keras.Model,
    x: Any,
    *,
    draws: int,
    seed: int = 0,
    masks: Masks = "per_row",
    **options: Unpack[DrawOptions],
) -> Float[np.ndarray, "draw row output"]:
    """Gives the draws themselves, for few rows or few draws: memory grows with both.

    Args:
        model: A built Keras model.
        x: The rows.
        draws: Number of draws.
        seed: Seed of the draws.
        masks: Masks for each row, or shared.
        **options: See `DrawOptions`.

    Returns:
        Class probabilities, or the outputs as they are where those are values.

    Raises:
        UsageError: As `predict_draws`.
        DataError: As `predict_draws`.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.5)])
        >>> several = each_draw(model, np.ones((1, 1)), draws=40, outputs="values")
        >>> sorted({float(value) for value in several.flatten()})
        [0.0, 2.0]
    """
    check_draws(draws, None)
    plan, data, rows = _plan(model, x, (seed, masks), options)
    width = plan.reading.columns if _gives_values(plan) else plan.reading.classes
    found = np.empty((draws, rows, width), np.float32)
    for piece, first, slab in plan.outputs(np.arange(rows), 0, draws):
        check_finite(data, slab)
        if not _gives_values(plan):
            slab = class_probabilities(slab, plan.scale, np)[0].swapaxes(1, 2)
        found[first : first + len(slab), piece] = slab
    return found


class _Rounds:
    """Which rows are drawn next, and how often.

    Args:
        rows: Number of rows.
        most: Draws of a row at most.
        until: Target for the standard errors, if there is one.
    """

    def __init__(self, rows: int, most: int, until: float | None) -> None:
        self.rows, self.most, self.until = rows, most, until

    def __call__(self, errors: Callable[[], np.ndarray]) -> Iterator[tuple[Rows, int, int]]:
        """Gives rows, first draw and number of draws, and looks at the errors between rounds."""
        active, done = np.arange(self.rows), 0
        for look in self._looks():
            for first in range(done, look, _AT_ONCE):
                yield active, first, min(_AT_ONCE, look - first)
            done = look
            if self.until is not None:
                active = active[errors()[active].max(1) > self.until]
            if not len(active):
                return

    def _looks(self) -> Iterator[int]:
        look = _FIRST_LOOK
        while self.until is not None and look < self.most:
            yield look
            look = DRAWS_PER_BLOCK * math.ceil(look * _GROWTH / DRAWS_PER_BLOCK)
        yield self.most


def _plan(
    model: keras.Model, x: Any, way: tuple[int, Masks], options: DrawOptions
) -> tuple[Plan, Any, int]:
    check_model(model)
    data, rows = check_data(x)
    seed, masks = way
    if masks not in get_args(Masks):
        raise UsageError(f"masks is {masks!r}; give one of {', '.join(get_args(Masks))}")
    check_options(options, DrawOptions.__annotations__)
    request = Request(check_seed(seed), masks, options.get("outputs", "auto"), options.get("chunk"))
    way_to_draw = CompiledPlan if keras.backend.backend() == "jax" else LoopPlan
    return way_to_draw(model, data, request), data, rows


def _gives_values(plan: Plan) -> bool:
    return plan.reading.outputs in ("values", "mean_and_log_variance")


def _classes(plan: Plan, data: Any, rounds: _Rounds) -> ClassificationDraws:
    totals = ClassTotals(rounds.rows, plan.reading.classes)
    for work in rounds(totals.standard_errors):
        _add_classes(plan, data, totals, work)
    check_probabilities(totals.mean)
    return class_result(totals, rounds.until)


def _add_classes(plan: Plan, data: Any, totals: ClassTotals, work: tuple[Rows, int, int]) -> None:
    """Adds some draws of some rows to the statistics."""
    for piece, statistics in plan.statistics(*work):
        check_finite(data, statistics.mean)
        totals.add(piece, statistics)


def _no_classifier(model: keras.Model) -> UsageError:
    return UsageError(
        f"model {model.name!r} gives values, not classes; use predict_draws, or say "
        "outputs='logits' or 'probabilities'"
    )


def _values(plan: Plan, data: Any, rounds: _Rounds) -> RegressionDraws:
    heads = 2 if plan.reading.outputs == "mean_and_log_variance" else 1
    outputs = plan.reading.columns // heads
    totals = ValueTotals(rounds.rows, outputs)
    sketch = QuantileSketch(rounds.rows, outputs)
    for rows, first, count in rounds(totals.standard_errors):
        for piece, _, slab in plan.outputs(rows, first, count):
            check_finite(data, slab)
            noise = np.exp(slab[..., outputs:], dtype=np.float64) if heads == 2 else None
            totals.add(piece, slab[..., :outputs], noise)
            sketch.add(piece, slab[..., :outputs])
    return value_result(totals, sketch, rounds.until)
