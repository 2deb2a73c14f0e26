"""Rows compared by their hashes, without trusting a sum that could be rounded."""

import numpy as np

from denselab.doctor.facts.tables import Table, evenly_spaced

__all__ = ["HASHED_ROWS", "row_hashes", "shared_rows"]

HASHED_ROWS = 10_000
"""Rows of a table that are hashed at most: its first ones, so that inputs and targets stay paired."""

_COLUMNS = 128
"""Columns by which rows are compared first."""


def row_hashes(table: Table) -> list[int]:
    """Hashes the first rows.

    Args:
        table: The data.

    Returns:
        One whole number a row; equal rows have equal ones.
    """
    array = table.array[:HASHED_ROWS]
    rows = np.ascontiguousarray(array.reshape(len(array), -1))
    return [hash(row.tobytes()) for row in rows]


def shared_rows(first: Table, second: Table) -> tuple[int, int, float]:
    """Counts the rows of one table that another has too.

    Args:
        first: The training rows; its evenly spaced ones are hashed.
        second: The validation rows, likewise.

    Returns:
        Shared rows, rows compared, and the share of repeated rows within the training rows, which
        tells how many equal rows chance brings.
    """
    dtype = np.result_type(first.array.dtype, second.array.dtype)
    known, asked = (
        _matrix(table, limit) for table, limit in ((first, 2 * HASHED_ROWS), (second, HASHED_ROWS))
    )
    columns = evenly_spaced(known.shape[1], _COLUMNS)
    part_known, part_asked = (_hashes(rows[:, columns], dtype) for rows in (known, asked))
    common = set(part_known) & set(part_asked)
    # A few columns may agree by chance, so rows that agree there are compared in full.
    full_known, full_asked = (
        _hashes(rows[[part in common for part in parts]], dtype)
        for rows, parts in ((known, part_known), (asked, part_asked))
    )
    distinct = set(full_known)
    shared = sum(row in distinct for row in full_asked)
    return shared, len(asked), 1 - len(set(part_known)) / len(known)


def _matrix(table: Table, limit: int) -> np.ndarray:
    """Gives evenly spaced rows, flattened, without copying them."""
    rows = table.array[:: max(1, -(-table.rows // limit))]
    return rows.reshape(len(rows), -1)


def _hashes(rows: np.ndarray, dtype: np.dtype) -> list[int]:
    return [hash(row.tobytes()) for row in np.ascontiguousarray(rows, dtype=dtype)]
