"""Whether inputs tell anything of the targets beside them: a test by permutations, no network needed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from denselab.randomness import generator

__all__ = ["Relation", "relation"]

_SHUFFLES = 199
_REACH = 5.0
_NEIGHBOURS = 10
Square = Float[np.ndarray, "row row"]
Matrix = Float[np.ndarray, "row column"]


@dataclass(frozen=True)
class Relation:
    """What came of looking for a relation.

    Attributes:
        rows: Rows that were looked at.
        p: Smallest share of shuffled targets that went as well with the inputs, over all ways of looking.
    """

    rows: int
    p: float


def relation(x: Matrix, y: Matrix, *, classes: bool) -> Relation:
    """Looks for any relation between rows of inputs and targets.

    Each row's target is guessed from all other rows in four ways (a line, squares and products of columns, a
    Gaussian kernel, the ten nearest neighbours), and each column is correlated with the targets. The targets are
    then shuffled 199 times: of inputs that say nothing, guesses are as good on shuffled ones.

    Args:
        x: Rows of inputs, finite.
        y: Rows of targets, finite.
        classes: Whether the targets are one column of class numbers.

    Returns:
        The number of rows and the smallest of five p-values; 1/200 is the least that there is.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(300, 4))
        >>> relation(x, x[:, :1] * x[:, 1:2], classes=False).p
        0.005
    """
    inputs, targets = _scaled(x), _coded(y, classes=classes)
    stream = generator(0, "resampling")
    orders = [np.arange(len(y)), *(stream.permutation(len(y)) for _ in range(_SHUFFLES))]
    shuffled = np.stack([targets[order] for order in orders], axis=1)
    flat = shuffled.reshape(len(y), -1)
    least = 1.0
    for guesses in _guesses(inputs):
        guessed = (guesses @ flat).reshape(shuffled.shape)
        size = np.sqrt((guessed**2).sum(axis=(0, 2)))
        scores = (guessed * shuffled).sum(axis=(0, 2)) / np.maximum(size, 1e-12)
        least = min(least, _share(scores))
    columns = np.abs(inputs.T @ flat).reshape(-1, *shuffled.shape[1:])
    return Relation(len(y), min(least, _share(columns.max(axis=(0, 2)))))


def _share(scores: np.ndarray) -> float:
    """Gives the share of orders whose score is as good as that of the first, the true one."""
    return float((scores >= scores[0]).mean())


def _scaled(x: Matrix) -> Matrix:
    deviations = x.std(axis=0)
    kept = deviations > 1e-6 * max(float(deviations.max(initial=0.0)), 1e-30)
    scaled = (x[:, kept] - x[:, kept].mean(axis=0)) / deviations[kept]
    return np.clip(scaled, -_REACH, _REACH).astype(np.float32)


def _coded(y: Matrix, *, classes: bool) -> Matrix:
    """Codes classes as ones and values as ranks, in columns of mean 0 and deviation 1."""
    if classes:
        coded = (y == np.unique(y)).astype(np.float64)
    else:
        coded = np.stack([rankdata(column) for column in y.T], axis=1)
    deviations = coded.std(axis=0)
    return ((coded - coded.mean(axis=0)) / np.where(deviations > 0, deviations, 1)).astype(
        "float32"
    )


def _guesses(inputs: Matrix) -> Iterator[Square]:
    """Gives the matrices that guess each row's target from those of all others."""
    products = inputs @ inputs.T
    sizes = np.diag(products)
    distances = np.maximum(sizes[:, None] + sizes - 2 * products, 0)
    typical = float(np.median(distances)) or 1.0
    yield _leaving_one_out(products)
    yield _leaving_one_out(_centred(products.astype(np.float64) ** 2))
    yield _leaving_one_out(_centred(np.exp(-distances / typical)))
    np.fill_diagonal(distances, np.inf)
    near = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    neighbours = np.zeros_like(products)
    np.put_along_axis(neighbours, near, 1 / _NEIGHBOURS, axis=1)
    yield neighbours


def _centred(kernel: Square) -> Square:
    means = kernel.mean(axis=0)
    return kernel - means - means[:, None] + kernel.mean()


def _leaving_one_out(kernel: Square) -> Square:
    """Gives the guesses of a ridge regression that has not seen the row it guesses, in closed form."""
    kernel = kernel / max(float(np.trace(kernel)) / len(kernel), 1e-30)
    hat = kernel @ np.linalg.inv(kernel + np.eye(len(kernel)))
    own = np.diag(hat).copy()
    np.fill_diagonal(hat, 0.0)
    return (hat / np.maximum(1 - own, 1e-6)[:, None]).astype(np.float32)
