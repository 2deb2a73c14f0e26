"""Rows compared by their hashes, without trusting a sum that could be rounded."""

import numpy as np

from denselab.doctor.facts.tables import Table

__all__ = ["HASHED_ROWS", "row_hashes", "shared_rows"]

HASHED_ROWS = 10_000
"""Rows of a table that are hashed at most: its first ones, so that inputs and targets stay paired."""


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
    known = _hashes(first, 2 * HASHED_ROWS, dtype)
    asked = _hashes(second, HASHED_ROWS, dtype)
    distinct = set(known)
    repeated = 1 - len(distinct) / len(known)
    return sum(row in distinct for row in asked), len(asked), repeated


def _hashes(table: Table, limit: int, dtype: np.dtype) -> list[int]:
    step = max(1, -(-table.rows // limit))
    array = table.array[::step]
    rows = np.ascontiguousarray(array.reshape(len(array), -1), dtype=dtype)
    return [hash(row.tobytes()) for row in rows]
