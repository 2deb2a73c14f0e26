"""A user's own table: read, looked through, and made ready for a dense net."""

from denselab.data.tables.arrays_file import read_npy, read_npz
from denselab.data.tables.delimited import CsvFormat
from denselab.data.tables.kinds import levels_of, numbers_of, truths_of
from denselab.data.tables.prepared import (
    PreparedTable,
    held_out_rows,
    rows_fingerprint,
    table_dataset,
)
from denselab.data.tables.preprocessing import Preprocessing, PreprocessingOptions
from denselab.data.tables.schema import Column, Schema, refuse_problems
from denselab.data.tables.source import MISSING, is_table_file
from denselab.data.tables.steps import BooleanStep, CategoryStep, NumberStep
from denselab.data.tables.table import Reading, Table, describe_table, read_table

__all__ = [
    "MISSING",
    "BooleanStep",
    "CategoryStep",
    "Column",
    "CsvFormat",
    "NumberStep",
    "PreparedTable",
    "Preprocessing",
    "PreprocessingOptions",
    "Reading",
    "Schema",
    "Table",
    "describe_table",
    "held_out_rows",
    "is_table_file",
    "levels_of",
    "numbers_of",
    "read_npy",
    "read_npz",
    "read_table",
    "refuse_problems",
    "rows_fingerprint",
    "table_dataset",
    "truths_of",
]
