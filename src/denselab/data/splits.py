"""Which rows train, which validate, which test; chosen by seed."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int32, Num

from denselab.data.dataset import Dataset, Task
from denselab.errors import DataError
from denselab.randomness import generator

__all__ = ["hold_out_calibration", "hold_out_test", "split"]


def split(
    y: Num[np.ndarray, " row"],
    *,
    seed: int,
    fraction: float = 1 / 3,
    stratified: bool = True,
    task: Task = "classification",
) -> tuple[Int32[np.ndarray, " train"], Int32[np.ndarray, " validation"]]:
    """Divides rows into a training and a validation part.

    The sizes depend on `y` and `fraction` alone, so members that differ in seed have parts of the
    same size. Where it is stratified, every class gives its share of validation rows up to rounding
    (largest remainder), and always keeps a training row.

    Args:
        y: Labels or targets, shape (n,).
        seed: Which of the possible splits.
        fraction: Share of the rows that validate, between 0 and 1.
        stratified: Whether classes keep their shares. A regression is never stratified.
        task: What `y` holds.

    Returns:
        Row numbers of the training and of the validation part, each `int32` in rising order.

    Raises:
        DataError: If one of the parts would be empty.
        UsageError: If the seed is out of range.

    Example:
        >>> train, validation = split(np.array([0, 0, 0, 1, 1, 1]), seed=0)
        >>> len(train), len(validation)
        (4, 2)
    """
    by_class = stratified and task == "classification"
    return _divide(y, generator(seed, "split"), fraction, by_class)


def hold_out_test(dataset: Dataset, *, fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Sets a test set apart where the data has none.

    Args:
        dataset: The data.
        fraction: Share of the rows that test, between 0 and 1; stratified for classification.
        seed: Which rows; of another stream than `split`.

    Returns:
        The same data with a test set; `dataset` itself if it has one already.

    Raises:
        DataError: If one of the parts would be empty.
        UsageError: If the seed is out of range.

    Example:
        >>> from denselab.data import load
        >>> digits = hold_out_test(load("digits"))
        >>> digits.n, len(digits.test_y)
        (1438, 359)
    """
    if dataset.test_x is not None:
        return dataset
    stream = generator(seed, "test_split")
    kept, held_out = _divide(dataset.y, stream, fraction, dataset.task == "classification")
    return replace(
        dataset,
        x=dataset.x[kept],
        y=dataset.y[kept],
        test_x=dataset.x[held_out],
        test_y=dataset.y[held_out],
    )


def hold_out_calibration(dataset: Dataset, *, fraction: float = 0.1, seed: int = 0) -> Dataset:
    """Sets a calibration slice apart: rows on which no member trains or stops.

    The rows depend on the data and the seed alone, so they are the same for all members of a study
    and for every study of the same data. Set the test rows apart first.

    Args:
        dataset: The data.
        fraction: Share of the rows outside the test set, from 0 (no slice) to below 1; stratified for
            classification.
        seed: Which rows; of another stream than `split` and `hold_out_test`.

    Returns:
        The same data with a calibration slice; `dataset` itself if it has one or wants none.

    Raises:
        DataError: If one of the parts would be empty.
        UsageError: If the seed is out of range.

    Example:
        >>> from denselab.data import load
        >>> digits = hold_out_calibration(hold_out_test(load("digits")))
        >>> digits.n, len(digits.calibration_y), len(digits.test_y)
        (1294, 144, 359)
    """
    if dataset.calibration_x is not None or fraction == 0:
        return dataset
    stream = generator(seed, "calibration")
    kept, held_out = _divide(dataset.y, stream, fraction, dataset.task == "classification")
    return replace(
        dataset,
        x=dataset.x[kept],
        y=dataset.y[kept],
        calibration_x=dataset.x[held_out],
        calibration_y=dataset.y[held_out],
    )


def _divide(
    y: np.ndarray, stream: np.random.Generator, fraction: float, by_class: bool
) -> tuple[np.ndarray, np.ndarray]:
    wanted = round(len(y) * fraction) if 0 < fraction < 1 else 0
    order = stream.permutation(len(y))
    chosen = _choose_by_class(y, order, wanted) if by_class else order[:wanted]
    if not 0 < len(chosen) < len(y):
        raise DataError(
            f"a fraction of {fraction} holds out {len(chosen):,} of {len(y):,} rows; both parts "
            "need a row: give a fraction between 0 and 1 and more rows"
        )
    is_chosen = np.zeros(len(y), bool)
    is_chosen[chosen] = True
    return np.flatnonzero(~is_chosen).astype(np.int32), np.flatnonzero(is_chosen).astype(np.int32)


def _choose_by_class(y: np.ndarray, order: np.ndarray, wanted: int) -> np.ndarray:
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    grouped = order[np.argsort(codes[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    quotas = _quotas(counts, wanted)
    chosen = [grouped[a : a + size] for a, size in zip(starts, quotas, strict=True)]
    return np.concatenate([order[:0], *chosen])


def _quotas(counts: np.ndarray, wanted: int) -> np.ndarray:
    """Shares `wanted` rows among classes by largest remainder, leaving each class one row."""
    # Exact integers: 5000 * 0.33 is not 1650 in floating point.
    quotas, remainders = np.divmod(counts.astype(np.int64) * wanted, max(int(counts.sum()), 1))
    by_remainder = np.argsort(-remainders, kind="stable")
    while quotas.sum() < wanted and (quotas < counts - 1).any():
        for place in by_remainder:
            if quotas.sum() < wanted and quotas[place] < counts[place] - 1:
                quotas[place] += 1
    return quotas
