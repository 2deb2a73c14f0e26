"""What scikit-learn hands over as X, as a table whose columns have names and kinds."""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from denselab.data import Table
from denselab.data.tables import Column, CsvFormat, Schema
from denselab.data.tables.kinds import Kind, infer_kind
from denselab.data.tables.reading import check_size
from denselab.data.tables.source import open_source
from denselab.errors import DataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["features_of", "with_target"]

_AS_TEXT = "OUS"
_KNOWN = (
    "float32",
    "float64",
    *(f"{sign}int{size}" for sign in ("", "u") for size in (8, 16, 32, 64)),
)
_validated: Any = validate_data
"""Its own annotations, read from its defaults, take text alone."""


def features_of(estimator: BaseEstimator, X: Any, *, reset: bool) -> Table:
    """Checks features as scikit-learn does, and makes a table of them.

    Numbers are numbers, truth values are truth values, categorical columns and text are categories, but for text
    that holds nothing but numbers or two words such as yes and no. Missing values are allowed.

    Args:
        estimator: Whose `n_features_in_` and `feature_names_in_` they have to fit.
        X: A NumPy array, nested lists, or a frame of pandas, polars or pyarrow.
        reset: Whether these are the features of `fit`, which set those attributes.

    Returns:
        The table; its columns are named as the features were in `fit`, or x_1, x_2, and so on.

    Raises:
        ValueError: If they are no table of plain values, or do not fit.
    """
    import narwhals as nw

    categories: set[int] = set()
    if nw.dependencies.is_into_dataframe(X):
        whole = nw.from_native(X, eager_only=True)
        types = list(whole.schema.values())
        categories = {i for i, dtype in enumerate(types) if dtype in (nw.Categorical, nw.Enum)}
        is_arrow = nw.dependencies.is_pyarrow_table(X)
        native = is_arrow or nw.dependencies.is_polars_dataframe(X)
        frame = open_source(whole.to_polars() if native else _columns(whole), CsvFormat()).frame
        names_of = whole.to_polars() if is_arrow else X
        _validated(estimator, names_of, reset=reset, skip_check_array=True)
    else:
        frame = _frame(_checked(estimator, X, reset))
    frame = frame.clone()
    frame.columns = _names(estimator, frame.width)
    columns = tuple(
        Column(
            name=series.name, kind="category" if place in categories else _kind(series), why="type"
        )
        for place, series in enumerate(frame)
    )
    return Table(name="X", frame=frame, schema=Schema(columns=columns), source=type(X).__name__)


def with_target(table: Table, y: np.ndarray, *, classes: bool) -> Table:
    """Puts a target beside features, so that a preprocessing can be fitted on both.

    Args:
        table: The features.
        y: Class numbers or quantities, one a row.
        classes: Which of the two.

    Returns:
        The table with its target.
    """
    import polars as pl

    name = "target"
    while name in table.frame.columns:
        name += "_"
    schema = Schema(
        columns=table.schema.columns,
        target=name,
        task="classification" if classes else "regression",
    )
    frame = table.frame.with_columns(pl.Series(name, y))
    return Table(name=table.name, frame=frame, schema=schema, source=table.source)


def _checked(estimator: BaseEstimator, X: Any, reset: bool) -> np.ndarray:
    """Checks an array; one of text that holds more than numbers stays as it is."""
    options = {"reset": reset, "ensure_all_finite": "allow-nan"}
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    is_list = isinstance(X, list | tuple)
    if not is_list and kind not in _AS_TEXT:
        return _validated(estimator, X, dtype="numeric", **options)
    try:
        return _validated(estimator, X, dtype="numeric", **options)
    except ValueError:
        # Text among numbers; anything else that is wrong is said once more.
        given = np.asarray(X, object) if is_list else X
        return _validated(estimator, given, dtype=object, reset=reset, ensure_all_finite=False)


def _columns(frame: Any) -> dict[str, np.ndarray]:
    """Takes a frame apart by place, since names of pandas may be numbers."""
    return {f"x_{i + 1}": column.to_numpy() for i, column in enumerate(frame.iter_columns())}


def _frame(array: np.ndarray) -> "pl.DataFrame":
    """Makes columns of an array; numbers at once, which takes a hundredth of the time."""
    import polars as pl

    if array.dtype.kind not in "iuf":
        return open_source(array, CsvFormat()).frame
    check_size(*array.shape)
    known = array.dtype.newbyteorder("=").name in _KNOWN
    plain = np.ascontiguousarray(array, None if known else np.float64)
    frame = pl.from_numpy(plain.astype(plain.dtype.newbyteorder("="), copy=False))
    return frame.fill_nan(None) if plain.dtype.kind == "f" else frame


def _names(estimator: BaseEstimator, width: int) -> list[str]:
    names = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
    if len(set(names)) == width and all(names):
        return names
    return [f"x_{place + 1}" for place in range(width)]


def _kind(series: "pl.Series") -> Kind:
    import polars as pl

    if series.dtype.is_temporal():
        raise DataError(f"column {series.name!r} {infer_kind(series).problem}")
    if series.dtype == pl.Boolean:
        return "boolean"
    if series.dtype != pl.String:
        return "number"
    found = infer_kind(series).kind
    return found if found in ("number", "boolean") else "category"
